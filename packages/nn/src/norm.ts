/**
 * Norms over the last dim with a learned scale: LayerNorm (`torch.nn.LayerNorm`) and RMSNorm (`torch.nn.RMSNorm`, which is
 * also Hugging Face's LlamaRMSNorm). The formulas are with the ops, in core. Fresh scales are 1 and fresh shifts 0.
 */
import { layerNorm, rmsNorm, type Tensor } from "../../core/mod.ts";
import { ones, zeros } from "./init.ts";
import { Module } from "./module.ts";
import type { ParameterSource } from "./parameter_source.ts";

/** What a norm is made of. */
export interface NormOptions {
  /** Size of the last dim, E. */
  readonly size: number;
  /** Added to the variance, or the mean square. */
  readonly eps?: number | undefined;
}

/** Layer norm over the last dim (`torch.nn.LayerNorm`). */
export class LayerNorm extends Module {
  /** `[E]`. */
  readonly weight: Tensor;
  /** `[E]`. */
  readonly bias: Tensor;
  /** Added to the variance. */
  readonly eps: number;

  /** Takes `weight` and `bias`; eps is 1e-5 when left out. */
  constructor({ size, eps = 1e-5 }: NormOptions, source: ParameterSource) {
    super();
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

  /** Takes `weight`. */
  constructor({ size, eps }: NormOptions, source: ParameterSource) {
    super();
    this.weight = source.take("weight", [size], ones());
    this.eps = eps;
  }

  /** `[…, E] -> […, E]`. @throws {ShapeError} when x's last dim is not E */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, { weight: this.weight, eps: this.eps });
  }
}
