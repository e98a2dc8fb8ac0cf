/**
 * One f32 matrix product: a `[M, K]` with rows of stride 1, b `[K, N]` of any strides and storage dtype, out `[M, N]`
 * without gaps.
 *
 * b is read as lines: its columns or its rows, whichever are gapless. Four lines at a time are used where they lie, or
 * copied out as f32, and serve all rows of a before the next four.
 */
import { dtypeInfo, isBlock } from "../../../core/src/dtype.ts";
import { formatOf } from "../blocks.ts";
import { ScalarBuffer, type ScalarOperand } from "../buffer.ts";
import { asBytes, asF32 } from "../elements.ts";
import { copyElements } from "./copy.ts";

/** Up to so many rows of a, blocks are multiplied as they lie instead of decoded first. */
const FEW_ROWS = 3;

/** Sums that are kept at once, where b is read by rows: half a megabyte, so that they stay in a cache. */
const MAX_SUMS = 2 ** 16;

/** The rows of a: `x[at + i * step + k]`. */
interface Rows {
  readonly x: Float32Array;
  readonly at: number;
  readonly step: number;
  readonly count: number;
}

/** Multiplies the matrices that start at `ia` and `ib`, into out from `io` on. */
export function multiplyF32(
  a: ScalarOperand,
  ia: number,
  b: ScalarOperand,
  ib: number,
  out: ScalarOperand,
  io: number,
): void {
  const rows = { x: asF32(a.buffer.elements), at: ia, step: a.strides.at(-2)!, count: a.shape.at(-2)! };
  const to = asF32(out.buffer.elements);
  const [k, n] = [b.shape.at(-2)!, b.shape.at(-1)!];
  const [bk, bn] = [b.strides.at(-2)!, b.strides.at(-1)!];
  if (bn === 1 && (bk !== 1 || k === 1)) addRows(rows, new Lines(b, ib, k, bk, n, bn), to, io);
  else if (isBlock(b.dtype) && rows.count <= FEW_ROWS) dotBlocks(rows, b, ib, to, io);
  else dotColumns(rows, new Lines(b, ib, n, bn, k, bk), to, io);
}

/** Columns or rows of b as f32 with stride 1, four at a time. */
class Lines {
  readonly count: number;
  readonly length: number;
  /** Where the lines last loaded are: line c at `x[at + c * step]`. */
  readonly x: Float32Array;
  readonly step: number;
  readonly #source: ScalarOperand;
  readonly #copy: ScalarOperand | undefined;

  constructor(b: ScalarOperand, at: number, count: number, step: number, length: number, stride: number) {
    this.count = count;
    this.length = length;
    this.#source = { ...b, shape: [count, length], strides: [step, stride], offset: at };
    const inPlace = b.dtype === "f32" && (stride === 1 || length === 1);
    this.x = inPlace ? asF32(b.buffer.elements) : new Float32Array(4 * length);
    this.step = inPlace ? step : length;
    if (inPlace) return;
    const buffer = new ScalarBuffer("f32", this.x.length, this.x);
    this.#copy = { buffer, dtype: "f32", shape: [4, length], strides: [length, 1], offset: 0 };
  }

  /** Makes up to four lines readable. @returns where in `x` the first one starts */
  load(first: number, count: number): number {
    const { shape, strides, offset } = this.#source;
    const at = offset + first * strides[0]!;
    if (this.#copy === undefined) return at;
    copyElements({ ...this.#source, shape: [count, shape[1]!], offset: at }, this.#copy);
    return 0;
  }
}

/** Lines are columns of b: every element of out is a dot product. */
function dotColumns(rows: Rows, columns: Lines, out: Float32Array, io: number): void {
  const { x, step, length: k, count: n } = columns;
  for (let j = 0; j < n; j += 4) {
    const together = Math.min(4, n - j);
    const at = columns.load(j, together);
    for (let i = 0; i < rows.count; i += 2) {
      const row = rows.at + i * rows.step;
      const to = io + i * n + j;
      const two = i + 1 < rows.count;
      if (together < 4) {
        dots(rows.x, row, x, at, step, k, out, to, together);
        if (two) dots(rows.x, row + rows.step, x, at, step, k, out, to + n, together);
      } else if (two) dot2x4(rows.x, row, rows.step, x, at, step, k, out, to, n);
      else dot4(rows.x, row, x, at, step, k, out, to);
    }
  }
}

/** One row of a with `count` columns. */
function dots(
  a: Float32Array,
  ia: number,
  b: Float32Array,
  ib: number,
  step: number,
  n: number,
  out: Float32Array,
  io: number,
  count: number,
): void {
  for (let c = 0; c < count; c++, ib += step) {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[ia + k]! * b[ib + k]!;
    out[io + c] = sum;
  }
}

/** One row of a with four columns: its element is read once for them, and no sum waits for another. */
function dot4(
  a: Float32Array,
  ia: number,
  b: Float32Array,
  ib: number,
  step: number,
  n: number,
  out: Float32Array,
  io: number,
): void {
  const i1 = ib + step, i2 = i1 + step, i3 = i2 + step;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (let k = 0; k < n; k++) { // one counter for all: five of them cost a third of the speed
    const x = a[ia + k]!;
    s0 += x * b[ib + k]!;
    s1 += x * b[i1 + k]!;
    s2 += x * b[i2 + k]!;
    s3 += x * b[i3 + k]!;
  }
  out[io] = s0;
  out[io + 1] = s1;
  out[io + 2] = s2;
  out[io + 3] = s3;
}

/** Two rows of a, `aStep` apart, with four columns: six reads for eight multiply-adds. */
function dot2x4(
  a: Float32Array,
  ia: number,
  aStep: number,
  b: Float32Array,
  ib: number,
  step: number,
  n: number,
  out: Float32Array,
  io: number,
  outStep: number,
): void {
  const ja = ia + aStep, i1 = ib + step, i2 = i1 + step, i3 = i2 + step;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
  for (let k = 0; k < n; k++) {
    const x = a[ia + k]!, y = a[ja + k]!;
    const b0 = b[ib + k]!, b1 = b[i1 + k]!, b2 = b[i2 + k]!, b3 = b[i3 + k]!;
    s0 += x * b0;
    s1 += x * b1;
    s2 += x * b2;
    s3 += x * b3;
    t0 += y * b0;
    t1 += y * b1;
    t2 += y * b2;
    t3 += y * b3;
  }
  out[io] = s0;
  out[io + 1] = s1;
  out[io + 2] = s2;
  out[io + 3] = s3;
  out[io + outStep] = t0;
  out[io + outStep + 1] = t1;
  out[io + outStep + 2] = t2;
  out[io + outStep + 3] = t3;
}

/** Lines are rows of b: each, times an element of a, is added to a row of sums. */
function addRows(rows: Rows, lines: Lines, out: Float32Array, io: number): void {
  const n = lines.length;
  const atOnce = Math.min(rows.count, Math.max(8, Math.floor(MAX_SUMS / n)));
  const sums = new Float64Array(atOnce * n);
  for (let i = 0; i < rows.count; i += atOnce) {
    const part = { ...rows, at: rows.at + i * rows.step, count: Math.min(atOnce, rows.count - i) };
    sums.fill(0);
    addToSums(part, lines, sums);
    out.set(sums.subarray(0, part.count * n), io + i * n);
  }
}

function addToSums(rows: Rows, lines: Lines, sums: Float64Array): void {
  const { x, step, length: n, count: k } = lines;
  for (let l = 0; l < k; l += 4) {
    const together = Math.min(4, k - l);
    const at = lines.load(l, together);
    for (let i = 0; i < rows.count; i++) {
      const row = rows.at + i * rows.step + l;
      if (together === 4) add4(rows.x, row, x, at, step, sums, i * n, n);
      else for (let c = 0; c < together; c++) add(rows.x[row + c]!, x, at + c * step, sums, i * n, n);
    }
  }
}

function add(scale: number, b: Float32Array, ib: number, sums: Float64Array, at: number, n: number): void {
  for (let j = 0; j < n; j++) sums[at + j]! += scale * b[ib + j]!;
}

function add4(
  a: Float32Array,
  ia: number,
  b: Float32Array,
  ib: number,
  step: number,
  sums: Float64Array,
  at: number,
  n: number,
): void {
  const x0 = a[ia]!, x1 = a[ia + 1]!, x2 = a[ia + 2]!, x3 = a[ia + 3]!;
  const i1 = ib + step, i2 = i1 + step, i3 = i2 + step;
  for (let j = 0; j < n; j++) {
    sums[at + j]! += x0 * b[ib + j]! + x1 * b[i1 + j]! + x2 * b[i2 + j]! + x3 * b[i3 + j]!;
  }
}

/** Columns of b are rows of blocks, each multiplied as it lies. */
function dotBlocks(rows: Rows, b: ScalarOperand, ib: number, out: Float32Array, io: number): void {
  const { dot } = formatOf(b.buffer);
  const { blockSize, blockBytes } = dtypeInfo(b.dtype);
  const bytes = asBytes(b.buffer.elements);
  const [blocks, n, step] = [b.shape.at(-2)! / blockSize, b.shape.at(-1)!, b.strides.at(-1)!];
  for (let j = 0; j < n; j++) {
    const at = (ib + j * step) / blockSize * blockBytes;
    for (let i = 0; i < rows.count; i++) {
      out[io + i * n + j] = dot(bytes, at, rows.x, rows.at + i * rows.step, blocks);
    }
  }
}
