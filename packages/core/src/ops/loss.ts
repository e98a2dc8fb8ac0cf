/** Losses (`torch.nn.functional`), with the reduction over all rows; of halves in f32, rounded once. */
import { checkNames, DTypeError, ShapeError, showShape, showValue } from "../errors.ts";
import { tidy } from "../memory.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { logSoftmax } from "./fused/softmax.ts";
import { resultType } from "./primitives/binary.ts";
import { gatherFor } from "./primitives/gather.ts";
import { inWide, wideOf } from "./wide.ts";

/** How losses of rows become one number. */
export type Reduction = "mean" | "sum" | "none";

/** Settings of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Mean over the rows that count, sum, or a loss a row. */
  readonly reduction?: Reduction | undefined;
  /** Rows of this target do not count; -100 when left out. */
  readonly ignoreIndex?: number | undefined;
  /** Probability spread over all classes. */
  readonly labelSmoothing?: number | undefined;
}

const CROSS_ENTROPY_OPTIONS = { reduction: true, ignoreIndex: true, labelSmoothing: true } as const satisfies Record<
  keyof CrossEntropyOptions,
  true
>;

const FOREIGN: Readonly<Record<string, string>> = {
  ignore_index: "ignoreIndex",
  label_smoothing: "labelSmoothing",
  weight: 'reduction: "none", and weigh the losses of rows',
};

function checkReduction(op: string, reduction: Reduction): void {
  if (reduction === "mean" || reduction === "sum" || reduction === "none") return;
  throw new ShapeError(`Cannot ${op} with reduction ${showValue(reduction)}: it is "mean", "sum" or "none"`);
}

/**
 * Cross entropy of logits with class indices.
 *
 * @param logits `[N, V]`
 * @param target i32 `[N]`, classes or `ignoreIndex`
 * @returns a scalar, or `[N]` for `"none"`; the mean is NaN when no row counts
 * @throws {ShapeError} when shapes differ, or a target is outside `[0, V)`
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkNames("crossEntropy", options, CROSS_ENTROPY_OPTIONS, FOREIGN);
  const { reduction = "mean", ignoreIndex = -100, labelSmoothing = 0 } = options;
  checkReduction("crossEntropy", reduction);
  if (logits.rank !== 2 || target.rank !== 1 || logits.shape[0] !== target.shape[0]) {
    throw new ShapeError(
      `Cannot crossEntropy logits ${showShape(logits.shape)} with target ${
        showShape(target.shape)
      }: they must be [N, V] and [N]`,
    );
  }
  if (target.dtype !== "i32" && target.dtype !== "u8") {
    throw new DTypeError(
      `Cannot crossEntropy with a target of ${target.dtype} ${showShape(target.shape)}: classes are i32`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ShapeError(`Cannot crossEntropy with labelSmoothing ${labelSmoothing}: it lies between 0 and 1`);
  }
  return inWide(logits, logits.dtype, (wide) => {
    const counts = target.ne(ignoreIndex);
    const classes = target.maskedFill(counts.logicalNot(), 0).unsqueeze(1);
    const logProbabilities = logSoftmax(wide, 1);
    const picked = gatherFor("crossEntropy", logProbabilities, 1, classes).squeeze(1).mul(-(1 - labelSmoothing));
    const smooth = labelSmoothing === 0 ? picked : picked.sub(logProbabilities.mean({ dim: 1 }).mul(labelSmoothing));
    const losses = smooth.maskedFill(counts.logicalNot(), 0);
    if (reduction === "none") return losses;
    if (reduction === "sum") return losses.sum();
    return losses.sum().div(counts.to(losses.dtype).sum());
  });
}

/** Squared differences, averaged unless told otherwise. @throws {ShapeError} when shapes differ */
export function mseLoss(a: Tensor, b: Tensor, options: { reduction?: Reduction } = {}): Tensor {
  checkNames("mseLoss", options, { reduction: true });
  const { reduction = "mean" } = options;
  checkReduction("mseLoss", reduction);
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(`Cannot mseLoss ${showShape(a.shape)} with ${showShape(b.shape)}: shapes differ`);
  }
  return tidy(() => {
    const dtype = resultType(a, b);
    const wide = wideOf(dtype);
    const losses = a.to(wide).sub(b.to(wide)).square();
    return (reduction === "none" ? losses : reduction === "sum" ? losses.sum() : losses.mean()).to(dtype);
  });
}
