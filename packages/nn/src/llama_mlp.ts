/** Llama's gated MLP (SwiGLU; Shazeer, 2020): `down(silu(gate(x)) * up(x))`, in Hugging Face's names. */
import { swiglu, type Tensor, tidy } from "../../core/mod.ts";
import { normal, zeros } from "./init.ts";
import { Linear } from "./linear.ts";
import { checkLlamaConfig, type LlamaConfig } from "./llama_config.ts";
import { Module } from "./module.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** The gated MLP, `down(silu(gate(x)) * up(x))`. */
export class LlamaMLP extends Module {
  /** `[intermediate, E]`. */
  readonly gate_proj: Linear;
  /** `[intermediate, E]`. */
  readonly up_proj: Linear;
  /** `[E, intermediate]`. */
  readonly down_proj: Linear;

  /** Takes the three products. @throws {ShapeError} when the config's numbers do not fit each other */
  constructor(config: LlamaConfig, source: ParameterSource) {
    super();
    checkLlamaConfig(config);
    const { hiddenSize, intermediateSize } = config;
    const product = (name: string, inFeatures: number, outFeatures: number): Linear =>
      llamaLinear(config, inFeatures, outFeatures, config.mlpBias, within(source, name));
    this.gate_proj = product("gate_proj", hiddenSize, intermediateSize);
    this.up_proj = product("up_proj", hiddenSize, intermediateSize);
    this.down_proj = product("down_proj", intermediateSize, hiddenSize);
  }

  /** `[…, E] -> […, E]`. @throws {ShapeError} when x's last dim is not E */
  forward(x: Tensor): Tensor {
    return tidy(() => this.down_proj.forward(swiglu(this.gate_proj.forward(x), this.up_proj.forward(x))));
  }
}

/** A product as Llama has them: fresh weights normal with the config's deviation, fresh biases 0. */
export function llamaLinear(
  { initializerRange = 0.02 }: LlamaConfig,
  inFeatures: number,
  outFeatures: number,
  bias: boolean,
  source: ParameterSource,
): Linear {
  const initWeight = normal({ std: initializerRange });
  return new Linear({ inFeatures, outFeatures, bias, initWeight, initBias: zeros() }, source);
}
