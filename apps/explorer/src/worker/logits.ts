/** Rows of logits compared. */
import type { LogitsDifference } from "../protocol.ts";

/** The largest absolute difference of two rows. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);
}

/** The id of the largest logit. */
function largestLogit(logits: Float32Array): number {
  return logits.reduce((best, x, id) => x > logits[best]! ? id : best, 0);
}

/** How far two rows of the same text lie apart; undefined where there are none. */
export function compareLogits(
  before: Float32Array,
  after: Float32Array,
): Pick<LogitsDifference, "largest" | "scale" | "sameToken"> | undefined {
  if (after.length === 0) return undefined;
  const [topBefore, topAfter] = [largestLogit(before), largestLogit(after)];
  return { largest: largestDifference(before, after), scale: after[topAfter]!, sameToken: topBefore === topAfter };
}
