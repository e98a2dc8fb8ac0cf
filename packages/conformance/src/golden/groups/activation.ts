/** Group `activation`: activations, gated units, losses. */
import * as core from "../../../../core/mod.ts";
import type { Reduction, Tensor } from "../../../../core/mod.ts";
import type { Call, GoldenOp, OpTable } from "../call.ts";

function unary(fn: (x: Tensor) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("x")) });
}

function approximation(c: Call): "none" | "tanh" {
  return c.attrs.text("approximate") === "tanh" ? "tanh" : "none";
}

function reductionOf(c: Call): Reduction {
  const word = c.attrs.text("reduction") ?? "mean";
  if (word === "mean" || word === "sum" || word === "none") return word;
  throw new Error(`the vector's attrs.reduction is ${word}`);
}

/** Mappings of group `activation`. */
export const ACTIVATION_OPS: OpTable = {
  relu: unary(core.relu),
  gelu: (c) => ({ output: core.gelu(c.tensor("x"), approximation(c)) }),
  silu: unary(core.silu),
  softplus: unary(core.softplus),
  leaky_relu: (c) => ({ output: core.leakyRelu(c.tensor("x"), c.attrs.number("negative_slope")) }),
  elu: (c) => ({ output: core.elu(c.tensor("x"), c.attrs.number("alpha")) }),
  mish: unary(core.mish),
  relu_squared: unary(core.reluSquared),
  logsigmoid: unary(core.logSigmoid),
  hardswish: unary(core.hardswish),
  quick_gelu: unary(core.quickGelu),
  glu: (c) => ({ output: core.glu(c.tensor("x"), c.attrs.number("dim")) }),
  swiglu: (c) => ({ output: core.swiglu(c.tensor("gate"), c.tensor("up")) }),
  geglu: (c) => ({ output: core.geglu(c.tensor("gate"), c.tensor("up"), approximation(c)) }),
  cross_entropy: (c) => ({
    output: core.crossEntropy(c.tensor("logits"), c.tensor("target"), {
      reduction: reductionOf(c),
      labelSmoothing: c.attrs.maybeNumber("label_smoothing"),
      ignoreIndex: c.attrs.maybeNumber("ignore_index"),
    }),
  }),
  mse_loss: (c) => ({ output: core.mseLoss(c.tensor("a"), c.tensor("b"), { reduction: reductionOf(c) }) }),
};
