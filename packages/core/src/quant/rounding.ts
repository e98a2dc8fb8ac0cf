/**
 * What the encoders share: the extremes of a block and the way to an integer. Each step is rounded to
 * f32, since the bytes must be those of ggml's f32 arithmetic: a product a hair off picks another q.
 */

/** The element farthest from zero, with its sign; the first of several, and NaN if there is one. */
export function farthestFromZero(source: Float32Array, start: number, count: number): number {
  let farthest = source[start]!;
  for (let i = start; i < start + count; i++) {
    const value = source[i]!;
    if (Number.isNaN(value)) return NaN;
    if (Math.abs(value) > Math.abs(farthest)) farthest = value;
  }
  return farthest;
}

/** The smallest and the largest element, of zeros with both signs the first; NaN if there is one. */
export function minMax(source: Float32Array, start: number, count: number): [min: number, max: number] {
  let min = source[start]!;
  let max = min;
  for (let i = start; i < start + count; i++) {
    const value = source[i]!;
    if (Number.isNaN(value)) return [NaN, NaN];
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max];
}

/** 1 / d in f32, and 0 for the scale of a block that is constant. */
export function inverse(d: number): number {
  return d === 0 ? 0 : Math.fround(1 / d);
}

/** The integer that `value * scale` rounds to, plus `offset`, kept within 0 and `top`. */
export function quantum(value: number, scale: number, offset: number, top: number): number {
  const shifted = Math.fround(Math.fround(value * scale) + (offset + 0.5));
  return Math.max(0, Math.min(top, Math.trunc(shifted)));
}
