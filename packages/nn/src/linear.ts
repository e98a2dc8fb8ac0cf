/**
 * A product with a weight: `x · weightᵀ + bias` (`torch.nn.Linear`), `[…, in] -> […, out]`. Fresh weights and biases are
 * uniform within `1 / sqrt(in)` of 0, as in PyTorch, unless the layer around it says otherwise.
 */
import { linear, type Tensor } from "../../core/mod.ts";
import { checkNames } from "../../core/src/errors.ts";
import { type Initializer, kaimingUniform, uniform } from "./init.ts";
import { Module } from "./module.ts";
import { checkSource, type ParameterSource } from "./parameter_source.ts";

/** What a {@linkcode Linear} is made of. */
export interface LinearOptions {
  /** Size of x's last dim. */
  readonly inFeatures: number;
  /** Size of the result's last dim. */
  readonly outFeatures: number;
  /** Whether it has a bias; true when left out. */
  readonly bias?: boolean | undefined;
  /** Draws a fresh weight. */
  readonly initWeight?: Initializer | undefined;
  /** Draws a fresh bias. */
  readonly initBias?: Initializer | undefined;
}

const OPTIONS = {
  inFeatures: true,
  outFeatures: true,
  bias: true,
  initWeight: true,
  initBias: true,
} as const satisfies Record<keyof LinearOptions, true>;
const FOREIGN = { in_features: "inFeatures", out_features: "outFeatures" };

/** `x · weightᵀ + bias` (`torch.nn.Linear`). */
export class Linear extends Module {
  /** `[out, in]`, of any storage dtype. */
  readonly weight: Tensor;
  /** `[out]`, if there is one. */
  readonly bias: Tensor | undefined;

  /** Takes `weight`, and `bias` where it has one. */
  constructor(options: LinearOptions, source: ParameterSource) {
    super();
    checkNames("make Linear", options, OPTIONS, FOREIGN);
    checkSource("make Linear", source);
    const { inFeatures, outFeatures, bias = true, initWeight = kaimingUniform() } = options;
    const bound = 1 / Math.sqrt(inFeatures);
    const { initBias = uniform({ low: -bound, high: bound }) } = options;
    this.weight = source.take("weight", [outFeatures, inFeatures], initWeight);
    this.bias = bias ? source.take("bias", [outFeatures], initBias) : undefined;
  }

  /** `[…, in] -> […, out]`. @throws {ShapeError} when x's last dim is not `in` */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
