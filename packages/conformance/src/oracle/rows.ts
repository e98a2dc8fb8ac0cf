/** What is computed row by row: softmax, norms, rotary embedding. */
import { at, type Dense, generate, withIndex } from "./dense.ts";
import { reduce } from "./reduce.ts";

/** Softmax along a dim, shifted by the largest. */
export function softmax(x: Dense, dim: number): Dense {
  const most = reduce(x, [dim], true, (row) => Math.max(...row));
  const sum = reduce(x, [dim], true, (row) => {
    const top = Math.max(...row);
    return row.reduce((total, value) => total + Math.exp(value - top), 0);
  });
  return generate(x.shape, (index) => Math.exp(at(x, index) - at(most, index)) / at(sum, index));
}

/** The logarithm of softmax, without taking one of 0. */
export function logSoftmax(x: Dense, dim: number): Dense {
  const logSum = reduce(x, [dim], true, (row) => {
    const top = Math.max(...row);
    return top + Math.log(row.reduce((total, value) => total + Math.exp(value - top), 0));
  });
  return generate(x.shape, (index) => at(x, index) - at(logSum, index));
}

function mean(row: readonly number[]): number {
  return row.reduce((sum, x) => sum + x, 0) / row.length;
}

/** `x / sqrt(mean(x^2) + eps) * weight` along the last dim. */
export function rmsNorm(x: Dense, weight: Dense, eps: number): Dense {
  const scale = reduce(x, [x.shape.length - 1], true, (row) => 1 / Math.sqrt(mean(row.map((v) => v * v)) + eps));
  return generate(x.shape, (index) => at(x, index) * at(scale, index) * at(weight, index));
}

/** `(x - mean) / sqrt(variance + eps) * weight + bias` along the last dim. */
export function layerNorm(x: Dense, weight: Dense, bias: Dense, eps: number): Dense {
  const last = [x.shape.length - 1];
  const center = reduce(x, last, true, mean);
  const scale = reduce(x, last, true, (row) => {
    const middle = mean(row);
    return 1 / Math.sqrt(mean(row.map((v) => (v - middle) ** 2)) + eps);
  });
  return generate(
    x.shape,
    (index) => (at(x, index) - at(center, index)) * at(scale, index) * at(weight, index) + at(bias, index),
  );
}

/** Rotates pairs of `x [B,H,T,D]` by angles whose cos and sin are `[T,R/2]` or `[B,T,R/2]`; from R on it passes through. */
export function rope(x: Dense, cos: Dense, sin: Dense, interleaved: boolean): Dense {
  const half = cos.shape.at(-1)!;
  return generate(x.shape, (index) => {
    const i = index[3]!;
    if (i >= 2 * half) return at(x, index);
    const pair = interleaved ? i >> 1 : i % half;
    const first = interleaved ? i % 2 === 0 : i < half;
    const [a, b] = interleaved ? [2 * pair, 2 * pair + 1] : [pair, pair + half];
    const angle = [index[0]!, index[2]!, pair];
    const [x0, x1] = [at(x, withIndex(index, 3, a)), at(x, withIndex(index, 3, b))];
    const [c, s] = [at(cos, angle), at(sin, angle)];
    return first ? x0 * c - x1 * s : x1 * c + x0 * s;
  });
}
