/** Copies in another arrangement: joining, repeating, rolling, flipping, padding. Composed of views, copies and gathers. */
import { allocate, checkTensor, commonBackend } from "../dispatch.ts";
import { ShapeError, showShape, showValue } from "../errors.ts";
import { record, type Vjp } from "../grad/node.ts";
import { tidy } from "../memory.ts";
import { checkIsList, normalizeDim, normalizeDims, numelOf, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { resultType } from "./primitives/binary.ts";
import { alias, copy_, copyValues } from "./primitives/copy.ts";
import { filled } from "./primitives/fill.ts";
import { indexSelect } from "./primitives/gather.ts";
import { expand, unsqueeze } from "./views/expand.ts";
import { reshape } from "./views/reshape.ts";
import { narrow } from "./views/slice.ts";

/** Callers without types may forget the brackets. */
function checkList(op: string, tensors: unknown): void {
  if (!Array.isArray(tensors)) {
    throw new ShapeError(`Cannot ${op} ${showValue(tensors)}: it takes a list of tensors; write ${op}([a, b])`);
  }
  for (const x of tensors) checkTensor(() => op, x);
}

/**
 * Tensors joined along a dim they may differ in; empty 1-D tensors are passed over, as in PyTorch.
 *
 * @throws {ShapeError} when there are none, or other sizes differ
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  checkList("cat", tensors);
  const shapes = tensors.map((t) => showShape(t.shape)).join(" with ");
  const parts = tensors.filter((t) => t.rank !== 1 || t.numel > 0);
  const first = parts[0] ?? tensors[0];
  if (first === undefined) throw new ShapeError("Cannot cat []: there must be at least one tensor");
  if (tensors.some((t) => t.rank === 0)) throw new ShapeError(`Cannot cat ${shapes}: scalars have no dim; use stack`);
  const at = normalizeDim("cat", dim, first.shape);
  for (const t of parts) {
    if (t.rank !== first.rank || t.shape.some((size, i) => i !== at && size !== first.shape[i])) {
      throw new ShapeError(`Cannot cat ${shapes} along dim ${dim}: sizes differ at another dim`);
    }
  }
  const backend = commonBackend("cat", tensors);
  const dtype = tensors.map((t) => t.dtype).reduce((a, _, i) => i === 0 ? a : resultType(tensors[i - 1]!, tensors[i]!));
  const vjps: Vjp[] = [];
  const out = tidy(() => {
    const joined = allocate(backend, first.shape.with(at, parts.reduce((sum, t) => sum + t.shape[at]!, 0)), dtype);
    let start = 0;
    for (const t of parts) {
      const [from, length] = [start, t.shape[at]!];
      copyValues(narrow(joined, at, from, length), t);
      vjps.push((grad) => narrow(grad, at, from, length));
      start += length;
    }
    return joined;
  });
  return record("cat", out, parts, vjps);
}

/** Tensors of one shape joined along a new dim. @throws {ShapeError} when there are none, or shapes differ */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  checkList("stack", tensors);
  const first = tensors[0];
  if (first === undefined) throw new ShapeError("Cannot stack []: there must be at least one tensor");
  if (tensors.some((t) => showShape(t.shape) !== showShape(first.shape))) {
    throw new ShapeError(`Cannot stack ${tensors.map((t) => showShape(t.shape)).join(" with ")}: shapes differ`);
  }
  const at = normalizeDim("stack", dim, first.shape, first.rank + 1);
  return tidy(() => cat(tensors.map((t) => unsqueeze(t, at)), at));
}

/**
 * x tiled `counts[i]` times along each dim (`tensor.repeat`); counts may add dims in front.
 *
 * @throws {ShapeError} when there are fewer counts than dims
 */
export function repeat(x: Tensor, counts: readonly number[]): Tensor {
  checkIsList("repeat", counts, x.shape, "by");
  const lead = counts.length - x.rank;
  if (lead < 0 || counts.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ShapeError(
      `Cannot repeat ${showShape(x.shape)} by [${counts.join(", ")}]: give a count >= 0 for each dim`,
    );
  }
  const sizes = counts.map((_, i) => x.shape[i - lead] ?? 1);
  using apart = reshape(x, sizes.flatMap((size) => [1, size]));
  using tiled = expand(apart, sizes.flatMap((size, i) => [counts[i]!, size]));
  return owned(reshape(tiled, sizes.map((size, i) => size * counts[i]!)), x);
}

/** Each element (of a dim, or of all) repeated `count` times in a row (`torch.repeat_interleave`). */
export function repeatInterleave(x: Tensor, count: number, dim?: number): Tensor {
  if (!Number.isInteger(count) || count < 0) {
    throw new ShapeError(`Cannot repeatInterleave ${showShape(x.shape)} by ${count}: the count is a whole number >= 0`);
  }
  if (dim === undefined) {
    using flat = reshape(x, [x.numel]);
    return repeatInterleave(flat, count, 0);
  }
  const at = normalizeDim("repeatInterleave", dim, x.shape);
  using apart = unsqueeze(x, at + 1);
  using tiled = expand(apart, apart.shape.with(at + 1, count));
  return owned(reshape(tiled, x.shape.with(at, x.shape[at]! * count)), x);
}

/** A result that never shares x's storage: tiling by 1 is a copy too. */
function owned(out: Tensor, x: Tensor): Tensor {
  if (out.storage !== x.storage) return out;
  using shared = out;
  return shared.clone();
}

/** Elements in reverse order along dims. @throws {ShapeError} when a dim is out of range */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  let out = alias(x);
  for (const dim of normalizeDims("flip", dims, x.shape)) {
    using before = out;
    const size = x.shape[dim]!;
    using index = filled(x.backend, [size], "i32", size - 1, -1);
    out = indexSelect(before, dim, index);
  }
  return out;
}

/** Elements moved along dims, those beyond the end coming back at the start; without dims over all elements. */
export function roll(x: Tensor, shifts: number | readonly number[], dims?: number | readonly number[]): Tensor {
  if (dims === undefined) {
    using flat = reshape(x, [x.numel]);
    using rolled = roll(flat, shifts, 0);
    return reshape(rolled, x.shape);
  }
  const [by, along] = [[shifts].flat(), [dims].flat()];
  if (by.length !== along.length) {
    throw new ShapeError(
      `Cannot roll ${showShape(x.shape)} by [${by}] along dims [${along}]: give a shift for each dim`,
    );
  }
  let out = alias(x);
  along.forEach((dim, i) => {
    const at = normalizeDim("roll", dim, x.shape);
    const size = x.shape[at]!;
    const cut = size === 0 ? 0 : (((-by[i]! % size) + size) % size);
    using before = out;
    using head = narrow(before, at, 0, cut);
    using tail = narrow(before, at, cut, size - cut);
    out = cat([tail, head], at);
  });
  return out;
}

/**
 * Constant padding (`torch.nn.functional.pad`): pairs before and after, from the last dim backwards; negative cuts.
 *
 * @param padding `[lastBefore, lastAfter, secondLastBefore, …]`
 * @throws {ShapeError} when pairs are incomplete, too many, or cut more than there is
 */
export function pad(x: Tensor, padding: readonly number[], value = 0): Tensor {
  checkIsList("pad", padding, x.shape, "by");
  const before = x.shape.map((_, i) => padding[2 * (x.rank - 1 - i)] ?? 0);
  const after = x.shape.map((_, i) => padding[2 * (x.rank - 1 - i) + 1] ?? 0);
  const shape: Shape = x.shape.map((size, i) => size + before[i]! + after[i]!);
  if (padding.length % 2 !== 0 || padding.length > 2 * x.rank || shape.some((size) => !(size >= 0))) {
    throw new ShapeError(
      `Cannot pad ${showShape(x.shape)} by [${padding.join(", ")}]: give pairs for at most its dims, no size below 0`,
    );
  }
  const out = filled(x.backend, shape, x.dtype, value);
  if (numelOf(shape) > 0) {
    using target = window(out, before.map((n) => Math.max(0, n)), after.map((n) => Math.max(0, n)));
    using plain = x.detach();
    using source = window(plain, before.map((n) => Math.max(0, -n)), after.map((n) => Math.max(0, -n)));
    if (target.numel > 0) copy_(target, source);
  }
  return record("pad", out, [x], [(grad) => pad(grad, padding.map((n) => -n))]);
}

/** x without its first and last elements along each dim. */
function window(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  let out = alias(x);
  before.forEach((start, i) => {
    using whole = out;
    out = narrow(whole, i, start, whole.shape[i]! - start - after[i]!);
  });
  return out;
}
