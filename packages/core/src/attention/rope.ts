/**
 * Rotary position embedding (Su et al., 2021): pairs of elements of a query or key rotate by an angle that grows with the
 * position, `(a, b) -> (a cos - b sin, b cos + a sin)`.
 *
 * Which elements pair up is the one thing files disagree about: `half` (Hugging Face: i with i + R/2) or `interleaved`
 * (GPT-J, and the q and k rows of GGUF's llama: 2i with 2i + 1). Elements from R on pass through.
 */
import type { Backend } from "../backend.ts";
import { tensor } from "../create.ts";
import { callFused } from "../dispatch.ts";
import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { isGradEnabled } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import { cat, stack } from "../ops/rearrange.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** How `applyRope` pairs elements. */
export interface RopeOptions {
  /** Pair 2i with 2i + 1 instead of i with i + R/2. */
  readonly interleaved?: boolean | undefined;
}

/**
 * Rotates queries or keys.
 *
 * @param x `[B, H, T, D]`
 * @param cos `[T, R/2]`, `[B, T, R/2]`, or what broadcasts to the latter; R <= D
 * @param sin of cos' shape; negate it to rotate the other way
 * @returns x's shape and dtype
 * @throws {ShapeError} when the tables do not fit x
 * @throws {DTypeError} when x is not of floats
 */
export function applyRope(x: Tensor, cos: Tensor, sin: Tensor, options: RopeOptions = {}): Tensor {
  const interleaved = options.interleaved ?? false;
  const half = cos.shape.at(-1) ?? 0;
  const table = [x.shape[0] ?? 0, x.shape[2] ?? 0, half];
  const lead = 3 - cos.rank;
  const broadcasts = lead >= 0 && lead <= 1 && cos.shape.every((size, i) => size === 1 || size === table[lead + i]);
  if (x.rank !== 4 || !broadcasts || !sameShape(cos.shape, sin.shape) || 2 * half > x.shape[3]!) {
    throw new ShapeError(
      `Cannot applyRope ${showShape(x.shape)} with cos ${showShape(cos.shape)} and sin ${showShape(sin.shape)}: ` +
        `x is [B, H, T, D], and both tables are [T, R/2] or [B, T, R/2] with R <= D`,
    );
  }
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`Cannot applyRope ${x.dtype} ${showShape(x.shape)}: it takes floats; use to("f32")`);
  }
  return tidy(() => {
    const [c, s] = [cos.expand(table), sin.expand(table)];
    const needsGrad = isGradEnabled() && x.requiresGrad;
    const fused = needsGrad ? undefined : callFused("rope", [x.detach(), c, s], x.shape, x.dtype, { interleaved });
    return fused ?? rotated(x, c.unsqueeze(1), s.unsqueeze(1), half, interleaved);
  });
}

/** The rotation in public ops, which defines the kernel and gives the gradient. */
function rotated(x: Tensor, cos: Tensor, sin: Tensor, half: number, interleaved: boolean): Tensor {
  const wide = x.to(x.dtype === "f64" ? "f64" : "f32");
  const turning = wide.narrow(3, 0, 2 * half);
  const pairs = interleaved ? turning.unflatten(3, [half, 2]) : turning.unflatten(3, [2, half]);
  const dim = interleaved ? 4 : 3;
  const [a, b] = [pairs.select(dim, 0), pairs.select(dim, 1)];
  const turned = stack([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], dim).flatten(3);
  const rest = wide.narrow(3, 2 * half, x.shape[3]! - 2 * half);
  return cat([turned, rest], 3).to(x.dtype);
}

/** The angle frequencies `theta^(-2i / R)`, one a pair, in single precision as models compute them. */
export function ropeFrequencies(rotaryDim: number, theta: number): Float32Array {
  return Float32Array.from({ length: rotaryDim / 2 }, (_, i) => 1 / theta ** (2 * i / rotaryDim));
}

/**
 * Tables of cosines and sines for consecutive positions.
 *
 * @param frequencies one a pair, R/2
 * @param start the first position
 * @param length T
 * @returns cos and sin, f32 `[T, R/2]`; the angle is rounded to single precision, as Hugging Face computes it
 */
export function ropeTables(
  frequencies: Float32Array,
  start: number,
  length: number,
  options: { backend?: Backend | undefined } = {},
): { cos: Tensor; sin: Tensor } {
  const half = frequencies.length;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let t = 0; t < length; t++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround((start + t) * frequencies[i]!);
      cos[t * half + i] = Math.cos(angle);
      sin[t * half + i] = Math.sin(angle);
    }
  }
  const shape = [length, half];
  return { cos: tensor(cos, { shape, ...options }), sin: tensor(sin, { shape, ...options }) };
}
