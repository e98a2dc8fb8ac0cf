/**
 * Keys or values as lines of plain numbers, a block of them at a time: f32 rows without gaps are used where they lie, all
 * else (halves, blocks, strided, paged) is copied out as f32, f64 as f64.
 *
 * With a page table x is a pool `[P, Hkv, pageTokens, D]`, and key s of batch row b lies in slot `s % pageTokens` of page
 * `pageTable[b, s / pageTokens]`; without one x is `[B, Hkv, S, D]`, which is one page a batch row.
 */
import { dtypeInfo, isBlock } from "../../../core/src/dtype.ts";
import { ShapeError, showShape } from "../../../core/src/errors.ts";
import { formatOf } from "../blocks.ts";
import { ScalarBuffer, type ScalarOperand } from "../buffer.ts";
import { asBytes, asF32 } from "../elements.ts";
import type { Lines } from "./attention_products.ts";
import { copyElements } from "./copy.ts";

/** Reads lines of one operand, which is keys or values. */
export class LineReader {
  readonly #source: ScalarOperand;
  readonly #pageTable: ScalarOperand | undefined;
  readonly #pageTokens: number;
  readonly #size: number;
  readonly #copy: ScalarOperand | undefined;

  /** Makes room for `most` lines, where they must be copied. */
  constructor(source: ScalarOperand, pageTable: ScalarOperand | undefined, most: number) {
    this.#source = source;
    this.#pageTable = pageTable;
    this.#pageTokens = pageTable === undefined ? Infinity : source.shape[2]!;
    this.#size = source.shape[3]!;
    if (!isInPlace(source, pageTable)) this.#copy = roomFor(most, this.#size, source.dtype === "f64");
  }

  /** Bytes that `most` lines of `size` elements take as a copy. */
  static byteLength(most: number, size: number): number {
    return 8 * most * size; // of f64; f32 takes half of it
  }

  /** Lines `first` to `first + count` of a head; what it gave before is overwritten. @throws {ShapeError} */
  load(batch: number, head: number, first: number, count: number): Lines {
    const step = this.#source.strides[2]!;
    if (this.#copy === undefined) {
      return { x: asF32(this.#source.buffer.elements), at: this.#find(batch, head, first), step };
    }
    for (let j = 0; j < count;) {
      const together = Math.min(count - j, this.#pageTokens - (first + j) % this.#pageTokens);
      this.#take(this.#find(batch, head, first + j), together, j, this.#copy);
      j += together;
    }
    return { x: this.#copy.buffer.elements as Lines["x"], at: 0, step: this.#size }; // as roomFor made it
  }

  /** Where line s of a head begins. */
  #find(batch: number, head: number, s: number): number {
    const { offset, strides } = this.#source;
    const page = this.#pageTable === undefined ? batch : this.#page(this.#pageTable, batch, s);
    const slot = this.#pageTable === undefined ? s : s % this.#pageTokens;
    return offset + page * strides[0]! + head * strides[1]! + slot * strides[2]!;
  }

  #page({ buffer, shape, strides, offset }: ScalarOperand, batch: number, s: number): number {
    const n = Math.floor(s / this.#pageTokens);
    const page = n < shape[1]! ? buffer.elements[offset + batch * strides[0]! + n * strides[1]!]! : -1;
    if (page >= 0 && page < this.#source.shape[0]!) return page;
    throw new ShapeError(
      `Cannot attend to keys of the pool ${showShape(this.#source.shape)} by the page table ${showShape(shape)}: ` +
        (n < shape[1]! ? `page ${page} at [${batch}, ${n}] is out of range` : `it has no entry for key ${s}`),
    );
  }

  /** Copies `count` lines of one page, which start at `at`, to line j of the copy on; gapless ones as one long line. */
  #take(at: number, count: number, j: number, copy: ScalarOperand): void {
    const { dtype, buffer, strides } = this.#source;
    const [step, stride] = [strides[2]!, strides[3]!];
    const gapless = stride === 1 && step === this.#size;
    const [lines, size] = gapless ? [1, count * this.#size] : [count, this.#size];
    const to = j * this.#size;
    if (isBlock(dtype)) return decodeLines(this.#source, at, step, lines, size, asF32(copy.buffer.elements), to);
    const shape = gapless ? [size] : [lines, size];
    const from = { dtype, buffer, shape, strides: gapless ? [1] : [step, stride], offset: at };
    copyElements(from, { ...copy, shape, strides: gapless ? [1] : copy.strides, offset: to });
  }
}

function decodeLines(
  { buffer, dtype }: ScalarOperand,
  at: number,
  step: number,
  lines: number,
  size: number,
  to: Float32Array,
  io: number,
): void {
  const { decode } = formatOf(buffer);
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const bytes = asBytes(buffer.elements);
  for (let i = 0; i < lines; i++) {
    decode(bytes, (at + i * step) / blockSize * blockBytes, to, io + i * size, size / blockSize);
  }
}

/** Whether lines of x can be read: floats as they may lie, blocks along the last dim. */
export function isReadable(x: ScalarOperand): boolean {
  return isBlock(x.dtype) ? x.strides[3] === 1 : dtypeInfo(x.dtype).kind === "float";
}

function isInPlace(x: ScalarOperand, pageTable: ScalarOperand | undefined): boolean {
  return pageTable === undefined && x.dtype === "f32" && (x.strides[3] === 1 || x.shape[3] === 1);
}

function roomFor(lines: number, size: number, wide: boolean): ScalarOperand {
  const dtype = wide ? "f64" : "f32";
  const elements = wide ? new Float64Array(lines * size) : new Float32Array(lines * size);
  const buffer = new ScalarBuffer(dtype, elements.length, elements);
  return { buffer, dtype, shape: [lines, size], strides: [size, 1], offset: 0 };
}
