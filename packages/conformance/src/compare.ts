/**
 * Whether numbers are those wanted: `abs(got - want) <= atol + rtol * abs(want)` for each element, NaN equal to NaN and an
 * infinity to the same infinity. What is told of a mismatch is its worst element.
 */
import type { Shape } from "../../core/mod.ts";

/** How far a result may be off. */
export interface Tolerance {
  /** Relative to what is wanted. */
  readonly rtol: number;
  /** In absolute terms. */
  readonly atol: number;
}

/** Equal, element by element. */
export const EXACT: Tolerance = { rtol: 0, atol: 0 };

/** How far beyond its tolerance an element is: 0 when it passes, Infinity when NaN or infinities differ. */
function excess(got: number, want: number, { rtol, atol }: Tolerance): number {
  if (Object.is(got, want) || got === want) return 0;
  if (!Number.isFinite(got) || !Number.isFinite(want)) return Number.isNaN(got) && Number.isNaN(want) ? 0 : Infinity;
  return Math.max(0, Math.abs(got - want) - (atol + rtol * Math.abs(want)));
}

/** A row-major position as an index, `[1, 2]`. */
function indexOf(position: number, shape: Shape): string {
  const index: number[] = [];
  let rest = position;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${index.join(", ")}]`;
}

/**
 * The worst mismatch in words, or undefined when every element passes.
 *
 * @param got elements in row-major order
 * @param want as many
 * @param shape their shape, for the message
 */
export function mismatch(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  shape: Shape,
  tolerance: Tolerance,
): string | undefined {
  if (got.length !== want.length) return `got ${got.length} elements, want ${want.length}`;
  let [worst, most, wrong] = [-1, 0, 0];
  for (let i = 0; i < want.length; i++) {
    const over = excess(got[i]!, want[i]!, tolerance);
    if (over === 0) continue;
    wrong++;
    if (over > most) [worst, most] = [i, over];
  }
  if (wrong === 0) return undefined;
  const { rtol, atol } = tolerance;
  return `at ${indexOf(worst, shape)} got ${got[worst]}, want ${want[worst]} (rtol ${rtol}, atol ${atol}; ` +
    `${wrong} of ${want.length} elements are off)`;
}

/** `sum((got - want)^2) / sum(want^2)`: how contractions are judged. */
export function normalizedError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [error, power] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error += (got[i]! - want[i]!) ** 2;
    power += want[i]! ** 2;
  }
  return error === 0 ? 0 : error / power;
}
