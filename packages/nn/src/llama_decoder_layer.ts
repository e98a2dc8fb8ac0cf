/** One Llama layer, in Hugging Face's names: attention and MLP, each on a normalised copy and added back (pre-norm). */
import { type Tensor, tidy } from "../../core/mod.ts";
import { LlamaAttention, type LlamaAttentionOptions, type LlamaAttentionOutputs } from "./llama_attention.ts";
import { checkLlamaConfig, type LlamaConfig } from "./llama_config.ts";
import { LlamaMLP } from "./llama_mlp.ts";
import { Module } from "./module.ts";
import { RMSNorm } from "./norm.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** One layer: attention and MLP, each on a normalised copy and added back. */
export class LlamaDecoderLayer extends Module {
  /** Attention. */
  readonly self_attn: LlamaAttention;
  /** MLP. */
  readonly mlp: LlamaMLP;
  /** Before attention. */
  readonly input_layernorm: RMSNorm;
  /** Before the MLP. */
  readonly post_attention_layernorm: RMSNorm;

  /** Takes both parts and their norms. @throws {ShapeError} when the config's numbers do not fit each other */
  constructor(config: LlamaConfig, source: ParameterSource) {
    super();
    checkLlamaConfig(config);
    const norm = { size: config.hiddenSize, eps: config.rmsNormEps };
    this.self_attn = new LlamaAttention(config, within(source, "self_attn"));
    this.mlp = new LlamaMLP(config, within(source, "mlp"));
    this.input_layernorm = new RMSNorm(norm, within(source, "input_layernorm"));
    this.post_attention_layernorm = new RMSNorm(norm, within(source, "post_attention_layernorm"));
  }

  /** `[B, T, E] -> [B, T, E]`. @throws {ShapeError} as LlamaAttention */
  forward(x: Tensor, options: LlamaAttentionOptions): Tensor {
    return tidy(() => this.#rest(x, this.self_attn.forward(this.input_layernorm.forward(x), options)));
  }

  /** The same, with attention's weights. @throws {ShapeError} as LlamaAttention */
  outputs(x: Tensor, options: LlamaAttentionOptions): LlamaAttentionOutputs {
    return tidy(() => {
      const { output, weights } = this.self_attn.outputs(this.input_layernorm.forward(x), options);
      return { output: this.#rest(x, output), weights };
    });
  }

  #rest(x: Tensor, attended: Tensor): Tensor {
    const h = x.add(attended);
    return h.add(this.mlp.forward(this.post_attention_layernorm.forward(h)));
  }
}
