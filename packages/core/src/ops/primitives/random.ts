/**
 * Random tensors from a seed: Threefry-2x32 by element index (Salmon et al., 2011), so that the same seed and shape give
 * the same draws on every backend. Two tensors of one seed are equal: derive seeds, do not reuse them.
 */
import type { Backend, RandomAttrs, Seed } from "../../backend.ts";
import { allocate, callFresh } from "../../dispatch.ts";
import { type DType, isFloat } from "../../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../errors.ts";
import { tidy } from "../../memory.ts";
import { threefry2x32 } from "../../random.ts";
import { numelOf, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { cast } from "./copy.ts";

/** A seed as the two words of a key; whole numbers up to 2^53. @throws {ShapeError} for others */
export function seedWords(seed: number): Seed {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ShapeError(`Cannot seed with ${seed}: a seed is a whole number from 0 to 2^53`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** A seed of its own for stream `n` of a seed. */
export function splitSeed(seed: Seed, n: number): Seed {
  return threefry2x32(seed[0], seed[1], n, 1); // counters of draws have 0 in the second word
}

/** Uniform f32 in [0, 1), in 2^24 steps. */
export function uniform(backend: Backend, shape: Shape, seed: Seed): Tensor {
  return uniformSlice(backend, shape, { seed, start: 0, run: numelOf(shape), step: 0 });
}

/** Draws that a slice of a larger tensor would have. */
export function uniformSlice(backend: Backend, shape: Shape, draws: RandomAttrs): Tensor {
  const out = allocate(backend, shape, "f32");
  callFresh("random", [], [out], draws);
  return out;
}

/** Uniform in [0, 1), of a float dtype. @throws {DTypeError} for other dtypes */
export function uniformOf(backend: Backend, shape: Shape, seed: number, dtype: DType): Tensor {
  if (!isFloat(dtype)) throw new DTypeError(`Cannot rand ${dtype} ${showShape(shape)}: draws are floats; use randint`);
  using draws = uniform(backend, shape, seedWords(seed));
  return cast(draws, dtype);
}

/** Normal with mean 0 and variance 1, by Box-Muller from two streams. @throws {DTypeError} for other dtypes */
export function normalOf(backend: Backend, shape: Shape, seed: number, dtype: DType): Tensor {
  if (!isFloat(dtype)) throw new DTypeError(`Cannot randn ${dtype} ${showShape(shape)}: draws are floats`);
  const words = seedWords(seed);
  return tidy(() => {
    const radius = uniform(backend, shape, splitSeed(words, 0)).neg().add(1).log().mul(-2).sqrt(); // 1 - u is never 0
    const angle = uniform(backend, shape, splitSeed(words, 1)).mul(2 * Math.PI);
    return cast(radius.mul(angle.cos()), dtype);
  });
}

/** Whole numbers (i32) in `[low, high)`. @throws {ShapeError} unless `0 < high - low <= 2^24` */
export function integers(backend: Backend, shape: Shape, seed: number, low: number, high: number): Tensor {
  if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low || high - low > 2 ** 24) {
    throw new ShapeError(`Cannot randint from ${low} to ${high}: whole numbers, at least 1 and at most 2^24 apart`);
  }
  return tidy(() => uniform(backend, shape, seedWords(seed)).mul(high - low).floor().to("i32").add(low));
}
