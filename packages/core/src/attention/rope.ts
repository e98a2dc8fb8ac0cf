/**
 * Rotary position embedding (Su et al., "RoFormer", 2021): pairs of elements of a query or key rotate by an angle that
 * grows with the position, `(a, b) -> (a cos - b sin, b cos + a sin)`, so that their product depends on the distance only.
 *
 * Which elements pair up is the one thing files disagree about: `half` (Hugging Face: i with i + R/2) or `interleaved`
 * (GPT-J, and the q and k rows of GGUF's llama: 2i with 2i + 1). Elements from R on pass through. A rotation's gradient is
 * the rotation back, by the same tables.
 */
import { callFused } from "../dispatch.ts";
import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { record } from "../grad/node.ts";
import { isGradEnabled } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import { cat, stack } from "../ops/rearrange.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** Settings of {@linkcode applyRope}. */
export interface RopeOptions {
  /** Pair 2i with 2i + 1 instead of i with i + R/2. */
  readonly interleaved?: boolean | undefined;
  /** Rotate by the negative angle, which undoes the rotation where the tables have no attention factor. */
  readonly inverse?: boolean | undefined;
}

/**
 * Rotates queries or keys (Hugging Face's `apply_rotary_pos_emb`).
 *
 * Gradients flow to x, and to the tables where they ask for one.
 *
 * @param x `[B, H, T, D]`
 * @param cos `[T, R/2]`, `[B, T, R/2]`, or what broadcasts to the latter; R <= D
 * @param sin of cos' shape
 * @returns x's shape and dtype; computed in single precision or better
 * @throws {ShapeError} when the tables do not fit x
 * @throws {DTypeError} when x or a table is not of floats
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { applyRope, tensor } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * const x = tensor([[[[1, 2, 3, 4]]]], { backend });
 * const [cos, sin] = [tensor([[0, 1]], { backend }), tensor([[1, 0]], { backend })]; // a quarter turn, and none
 * assertEquals(applyRope(x, cos, sin).dataSync(), new Float32Array([-3, 2, 1, 4]));
 * assertEquals(applyRope(x, cos, sin, { interleaved: true }).dataSync(), new Float32Array([-2, 1, 3, 4]));
 * ```
 */
export function applyRope(x: Tensor, cos: Tensor, sin: Tensor, options: RopeOptions = {}): Tensor {
  const { interleaved = false, inverse = false } = options;
  const table = checkRope(x, cos, sin);
  const tablesNeedGrad = isGradEnabled() && (cos.requiresGrad || sin.requiresGrad);
  return tidy(() => {
    const turn = (from: Tensor, c: Tensor, s: Tensor): Tensor => {
      const [cosines, sines] = [c.expand(table), (inverse ? s.neg() : s).expand(table)];
      const fused = tablesNeedGrad
        ? undefined
        : callFused("rope", [from, cosines, sines], from.shape, from.dtype, { interleaved });
      return fused ?? rotated(from, cosines.unsqueeze(1), sines.unsqueeze(1), interleaved);
    };
    if (tablesNeedGrad) return turn(x, cos, sin);
    const out = turn(x.detach(), cos, sin);
    const back = { interleaved, inverse: !inverse };
    return record("applyRope", out, [x], [(grad, [c, s]) => applyRope(grad, c!, s!, back)], [cos, sin]);
  });
}

/** Checks the operands; what the tables broadcast to, `[B, T, R/2]`. */
function checkRope(x: Tensor, cos: Tensor, sin: Tensor): number[] {
  const table = [x.shape[0] ?? 0, x.shape[2] ?? 0, cos.shape.at(-1) ?? 0];
  const lead = 3 - cos.rank;
  const broadcasts = lead >= 0 && lead <= 1 && cos.shape.every((size, i) => size === 1 || size === table[lead + i]);
  if (x.rank !== 4 || !broadcasts || !sameShape(cos.shape, sin.shape) || 2 * table[2]! > x.shape[3]!) {
    throw new ShapeError(
      `Cannot applyRope ${showShape(x.shape)} with cos ${showShape(cos.shape)} and sin ${showShape(sin.shape)}: ` +
        `x is [B, H, T, D], and both tables are [T, R/2] or [B, T, R/2] with R <= D`,
    );
  }
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`Cannot applyRope ${x.dtype} ${showShape(x.shape)}: it takes floats; use to("f32")`);
  }
  if (!isFloat(cos.dtype) || !isFloat(sin.dtype)) {
    throw new DTypeError(
      `Cannot applyRope ${x.dtype} ${showShape(x.shape)} with cos ${cos.dtype} ${showShape(cos.shape)} and ` +
        `sin ${sin.dtype} ${showShape(sin.shape)}: tables are of floats; make them by ropeTables`,
    );
  }
  return table;
}

/** The rotation in public ops, which defines the kernel; tables are `[B, 1, T, R/2]`. */
function rotated(x: Tensor, cos: Tensor, sin: Tensor, interleaved: boolean): Tensor {
  const half = cos.shape[3]!;
  const wide = x.to(x.dtype === "f64" ? "f64" : "f32");
  const turning = wide.narrow(3, 0, 2 * half);
  const pairs = interleaved ? turning.unflatten(3, [half, 2]) : turning.unflatten(3, [2, half]);
  const dim = interleaved ? 4 : 3;
  const [a, b] = [pairs.select(dim, 0), pairs.select(dim, 1)];
  const turned = stack([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], dim).flatten(3);
  const rest = wide.narrow(3, 2 * half, x.shape[3]! - 2 * half);
  return cat([turned, rest], 3).to(x.dtype);
}
