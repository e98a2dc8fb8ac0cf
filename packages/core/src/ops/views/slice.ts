/** Views of a part: `narrow`, `select`, `slice` with a step, `split`, `chunk`, `diagonal`, `unfold`, `asStrided`. */
import { promoteTypes } from "../../dtype.ts";
import { ShapeError, showShape } from "../../errors.ts";
import { record, type Vjp } from "../../grad/node.ts";
import { Layout } from "../../layout.ts";
import { checkIsList, normalizeDim, numelOf, type Shape } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";
import { add } from "../primitives/binary.ts";
import { cast } from "../primitives/copy.ts";
import { filled } from "../primitives/fill.ts";
import { scatterAdd } from "../primitives/scatter.ts";
import { checkBlocks } from "./blocks.ts";

/** A part of x with one dim's size, stride and start changed; block dtypes keep whole blocks. */
function part(op: string, x: Tensor, layout: Layout, vjp: (shape: Shape) => Vjp): Tensor {
  x.checkAlive(op);
  checkBlocks(op, x, layout);
  const out = new Tensor(x.storage, layout);
  return x.requiresGrad ? record(op, out, [x], [vjp(x.shape)]) : out;
}

/** The gradient of a part that repeats no element: zeros with the gradient written into the same part. */
function intoZeros(take: (whole: Tensor) => Tensor): (shape: Shape) => Vjp {
  return (shape) => (grad) => {
    const whole = filled(grad.backend, shape, grad.dtype, 0);
    take(whole).copy_(grad);
    return whole;
  };
}

function along(x: Tensor, dim: number, size: number, stride: number, start: number): Layout {
  return new Layout(x.shape.with(dim, size), x.strides.with(dim, stride), x.offset + start * x.strides[dim]!);
}

/**
 * `length` elements of one dim from `start`, which may count from the end.
 *
 * @throws {ShapeError} when they go beyond the dim
 */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const at = normalizeDim("narrow", dim, x.shape);
  const size = x.shape[at] ?? 0;
  const first = start < 0 ? start + size : start;
  const whole = Number.isInteger(start) && Number.isInteger(length);
  if (!whole || x.rank === 0 || first < 0 || length < 0 || first + length > size) {
    throw new ShapeError(
      `Cannot narrow ${showShape(x.shape)} at dim ${dim} to ${length} elements from ${start}: the dim has ${size}`,
    );
  }
  return part("narrow", x, along(x, at, length, x.strides[at]!, first), intoZeros((z) => narrow(z, at, first, length)));
}

/** One element of a dim, which goes. @throws {ShapeError} when the index is out of range */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const at = normalizeDim("select", dim, x.shape);
  const size = x.shape[at] ?? 0;
  const first = index < 0 ? index + size : index;
  if (!Number.isInteger(index) || first < 0 || first >= size) {
    throw new ShapeError(`Cannot select index ${index} of dim ${dim} of ${showShape(x.shape)}: the dim has ${size}`);
  }
  const layout = new Layout(x.shape.toSpliced(at, 1), x.strides.toSpliced(at, 1), x.offset + first * x.strides[at]!);
  return part("select", x, layout, intoZeros((z) => select(z, at, first)));
}

/**
 * Python's `x[start:end:step]` on one dim: bounds count from the end when negative and are cut to the dim.
 *
 * @param start 0 when null
 * @param end the dim's size when null
 * @throws {ShapeError} unless step is a whole number >= 1
 */
export function slice(
  x: Tensor,
  dim: number,
  start: number | null = null,
  end: number | null = null,
  step = 1,
): Tensor {
  const at = normalizeDim("slice", dim, x.shape);
  const size = x.shape[at];
  if (size === undefined || !Number.isInteger(step) || step < 1) {
    throw new ShapeError(
      `Cannot slice ${showShape(x.shape)} at dim ${dim} by step ${step}: it takes a dim and a step >= 1`,
    );
  }
  const bound = (value: number) => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  const first = bound(start ?? 0);
  const length = Math.max(0, Math.ceil((bound(end ?? size) - first) / step));
  const layout = along(x, at, length, x.strides[at]! * step, first);
  return part("slice", x, layout, intoZeros((z) => slice(z, at, first, first + length * step, step)));
}

/**
 * Pieces of one dim: of `size` each (the last may be smaller), or of the sizes listed.
 *
 * @throws {ShapeError} when listed sizes do not add up to the dim, or a size is not >= 1
 */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
  const at = normalizeDim("split", dim, x.shape);
  const total = x.shape[at] ?? 0;
  const refuse = (why: string) =>
    new ShapeError(`Cannot split ${showShape(x.shape)} at dim ${dim} by ${JSON.stringify(size)}: ${why}`);
  let sizes: readonly number[];
  if (typeof size === "number") {
    if (!Number.isInteger(size) || size < 1) throw refuse("a size is a whole number >= 1");
    const count = Math.max(1, Math.ceil(total / size));
    sizes = Array.from({ length: count }, (_, i) => Math.min(size, total - i * size));
  } else {
    checkIsList("split", size, x.shape, "by");
    sizes = size;
    if (sizes.reduce((sum, s) => sum + s, 0) !== total) throw refuse(`the sizes do not add up to ${total}`);
  }
  let start = 0;
  return sizes.map((length) => {
    const piece = narrow(x, at, start, length);
    start += length;
    return piece;
  });
}

/** At most `count` pieces of equal size, the last smaller. @throws {ShapeError} unless count >= 1 */
export function chunk(x: Tensor, count: number, dim = 0): Tensor[] {
  const at = normalizeDim("chunk", dim, x.shape);
  if (!Number.isInteger(count) || count < 1) {
    throw new ShapeError(
      `Cannot chunk ${showShape(x.shape)} into ${count}: the number of pieces is a whole number >= 1`,
    );
  }
  return split(x, Math.max(1, Math.ceil((x.shape[at] ?? 0) / count)), at);
}

/** The diagonal of two dims, as a new last dim; `offset` above 0 takes a diagonal further right. */
export function diagonal(x: Tensor, offset = 0, dim1 = 0, dim2 = 1): Tensor {
  const a = normalizeDim("diagonal", dim1, x.shape);
  const b = normalizeDim("diagonal", dim2, x.shape);
  if (a === b) {
    throw new ShapeError(
      `Cannot take the diagonal of ${showShape(x.shape)} over dims ${dim1} and ${dim2}: they are the same`,
    );
  }
  const [row, column] = [Math.max(0, -offset), Math.max(0, offset)];
  const length = Math.max(0, Math.min(x.shape[a]! - row, x.shape[b]! - column));
  const start = length === 0 ? 0 : row * x.strides[a]! + column * x.strides[b]!;
  const rest = x.shape.map((_, i) => i).filter((i) => i !== a && i !== b);
  const layout = new Layout(
    [...rest.map((i) => x.shape[i]!), length],
    [...rest.map((i) => x.strides[i]!), x.strides[a]! + x.strides[b]!],
    x.offset + start,
  );
  return part("diagonal", x, layout, intoZeros((z) => diagonal(z, offset, a, b)));
}

/**
 * Windows of `size` elements every `step` along a dim, as a new last dim; windows overlap where step < size.
 *
 * @throws {ShapeError} when a window is larger than the dim, or step < 1
 */
export function unfold(x: Tensor, dim: number, size: number, step: number): Tensor {
  const at = normalizeDim("unfold", dim, x.shape);
  const total = x.shape[at] ?? 1;
  if (!Number.isInteger(size) || !Number.isInteger(step) || size < 0 || size > total || step < 1) {
    throw new ShapeError(
      `Cannot unfold ${showShape(x.shape)} at dim ${dim} into windows of ${size} every ${step}: the dim has ${total}`,
    );
  }
  const stride = x.strides[at] ?? 1;
  const count = Math.floor((total - size) / step) + 1;
  const shape = x.rank === 0 ? [size] : [...x.shape.with(at, count), size];
  const strides = x.rank === 0 ? [1] : [...x.strides.with(at, stride * step), stride];
  return part(
    "unfold",
    x,
    new Layout(shape, strides, x.offset),
    size <= step
      ? intoZeros((z) => unfold(z, at, size, step))
      : (whole) => (grad) => addWindows(grad, whole, at, size, step),
  );
}

/** The gradient of windows that overlap, summed as f32 at least: in each turn those are added that do not overlap. */
function addWindows(grad: Tensor, shape: Shape, dim: number, size: number, step: number): Tensor {
  const turns = Math.ceil(size / step);
  using sum = filled(grad.backend, shape, promoteTypes(grad.dtype, "f32"), 0);
  for (let turn = 0; turn < Math.min(turns, grad.shape[dim]!); turn++) {
    using rest = narrow(sum, dim, turn * step, shape[dim]! - turn * step);
    using windows = unfold(rest, dim, size, turns * step);
    using share = slice(grad, dim, turn, null, turns);
    using added = add(windows, share);
    windows.copy_(added);
  }
  return cast(sum, grad.dtype);
}

/**
 * Any shape and strides over the storage (`torch.as_strided`).
 *
 * @param offset index of the first element in the storage; x's own when left out
 * @throws {ShapeError} when it reaches beyond the storage
 */
export function asStrided(x: Tensor, shape: Shape, strides: readonly number[], offset: number = x.offset): Tensor {
  checkIsList("asStrided", shape, x.shape, "as");
  checkIsList("asStrided", strides, x.shape, "with strides");
  const numbers = [...shape, ...strides, offset];
  const layout = new Layout([...shape], [...strides], offset);
  if (
    shape.length !== strides.length || numbers.some((n) => !Number.isInteger(n) || n < 0) ||
    layout.end > x.storage.numel
  ) {
    throw new ShapeError(
      `Cannot asStrided ${showShape(x.shape)} as ${showShape(shape)} with strides ${
        showShape(strides)
      } from ${offset}: ` +
        `one stride a dim, none negative, within the storage's ${x.storage.numel} elements`,
    );
  }
  if (x.requiresGrad && (!x.isContiguous || x.storage.numel !== x.numel)) {
    throw new ShapeError(
      `Cannot asStrided ${
        showShape(x.shape)
      } with a gradient: x must hold its whole storage in order; use contiguous() first`,
    );
  }
  return part(
    "asStrided",
    x,
    layout,
    (whole) => (grad) => addUp(grad, whole, (counter) => asStrided(counter, shape, strides, offset)),
  );
}

/** The gradient of a view that may repeat elements: each one's share is added at the index it came from. */
function addUp(grad: Tensor, shape: Shape, take: (counter: Tensor) => Tensor): Tensor {
  const numel = numelOf(shape);
  const counter = filled(grad.backend, shape, "i32", 0, 1);
  const index = take(counter).reshape([-1]);
  const zeros = filled(grad.backend, [numel], grad.dtype, 0);
  return scatterAdd(zeros, 0, index, grad.reshape([-1])).reshape(shape);
}
