/** Linear, Embedding, RMSNorm: one parameter or two around one op, with PyTorch's parameter names. */
import { embedding, linear, rmsNorm, type Tensor } from "../../core/mod.ts";
import { Module, type ParameterSource } from "./module.ts";

/** `x · weightᵀ + bias` (`torch.nn.Linear`). */
export class Linear extends Module {
  /** `[out, in]`, of any storage dtype. */
  readonly weight: Tensor;
  /** `[out]`, if there is one. */
  readonly bias: Tensor | undefined;

  /**
   * A product with given parameters.
   *
   * @param weight `[out, in]`
   * @param bias `[out]`
   */
  constructor(weight: Tensor, bias?: Tensor) {
    super();
    this.weight = weight;
    this.bias = bias;
  }

  /** Takes `name.weight`, and `name.bias` where it is wanted. */
  static from(source: ParameterSource, name: string, inputs: number, outputs: number, bias = false): Linear {
    const weight = source.take(`${name}.weight`, [outputs, inputs]);
    return new Linear(weight, bias ? source.take(`${name}.bias`, [outputs]) : undefined);
  }

  /** `[…, in] -> […, out]`. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

/** Rows of a table (`torch.nn.Embedding`). */
export class Embedding extends Module {
  /** `[V, E]`, of any storage dtype. */
  readonly weight: Tensor;

  /**
   * A table.
   *
   * @param weight `[V, E]`
   */
  constructor(weight: Tensor) {
    super();
    this.weight = weight;
  }

  /** `[…] -> […, E]`, ids in i32. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids);
  }
}

/** Root-mean-square norm over the last dim (`torch.nn.RMSNorm`). */
export class RMSNorm extends Module {
  /** `[E]`. */
  readonly weight: Tensor;
  /** Added to the mean square. */
  readonly eps: number;

  /**
   * A norm with a given scale.
   *
   * @param weight `[E]`
   * @param eps added to the mean square
   */
  constructor(weight: Tensor, eps: number) {
    super();
    this.weight = weight;
    this.eps = eps;
  }

  /** `[…, E] -> […, E]`. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, { weight: this.weight, eps: this.eps });
  }
}
