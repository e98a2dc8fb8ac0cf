/**
 * Norms over the last dim with a learned scale: LayerNorm (`torch.nn.LayerNorm`) and RMSNorm (`torch.nn.RMSNorm`, which is
 * also Hugging Face's LlamaRMSNorm). The formulas are with the ops, in core. Fresh scales are 1 and fresh shifts 0.
 */
import { layerNorm, rmsNorm, ShapeError, type Tensor } from "../../core/mod.ts";
import { checkNames, showValue } from "../../core/src/errors.ts";
import { ones, zeros } from "./init.ts";
import { Module } from "./module.ts";
import { checkSource, type ParameterSource } from "./parameter_source.ts";

/** What a norm is made of. */
export interface NormOptions {
  /** Size of the last dim, E. */
  readonly size: number;
  /** Added to the variance, or the mean square. */
  readonly eps?: number | undefined;
}

const OPTIONS = { size: true, eps: true } as const satisfies Record<keyof NormOptions, true>;
const FOREIGN = { normalized_shape: "size", normalizedShape: "size", hidden_size: "size", hiddenSize: "size" };

/** Layer norm over the last dim (`torch.nn.LayerNorm`). */
export class LayerNorm extends Module {
  /** `[E]`. */
  readonly weight: Tensor;
  /** `[E]`. */
  readonly bias: Tensor;
  /** Added to the variance. */
  readonly eps: number;

  /** Takes `weight` and `bias`; eps is 1e-5 when left out. @throws {ShapeError} when eps is no number of at least 0 */
  constructor(options: NormOptions, source: ParameterSource) {
    super();
    checkNames("make LayerNorm", options, OPTIONS, FOREIGN);
    checkSource("make LayerNorm", source);
    const { size, eps = 1e-5 } = options;
    checkEps("LayerNorm", "eps", eps);
    this.weight = source.take("weight", [size], ones());
    this.bias = source.take("bias", [size], zeros());
    this.eps = eps;
  }

  /** `[…, E] -> […, E]`. @throws {ShapeError} when x's last dim is not E */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.shape, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}

/** Root-mean-square norm over the last dim (`torch.nn.RMSNorm`). */
export class RMSNorm extends Module {
  /** `[E]`. */
  readonly weight: Tensor;
  /** Added to the mean square; the dtype's machine epsilon when undefined. */
  readonly eps: number | undefined;

  /** Takes `weight`. @throws {ShapeError} when eps is no number of at least 0 */
  constructor(options: NormOptions, source: ParameterSource) {
    super();
    checkNames("make RMSNorm", options, OPTIONS, FOREIGN);
    checkSource("make RMSNorm", source);
    const { size, eps } = options;
    if (eps !== undefined) checkEps("RMSNorm", "eps", eps);
    this.weight = source.take("weight", [size], ones());
    this.eps = eps;
  }

  /** `[…, E] -> […, E]`. @throws {ShapeError} when x's last dim is not E */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, { weight: this.weight, eps: this.eps });
  }
}

/** @throws {ShapeError} when what is added to a variance is no finite number of at least 0 */
export function checkEps(what: string, name: string, eps: number): void {
  if (typeof eps === "number" && eps >= 0 && eps < Infinity) return;
  throw new ShapeError(`Cannot make ${what} with ${name} ${showValue(eps)}: it is a finite number of at least 0`);
}
