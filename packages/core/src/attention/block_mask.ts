/**
 * A mask by blocks of n x n scores (FlexAttention's `BlockMask`): a block is hidden, shown, or shown in part, and only the
 * different partial blocks are stored. Fused kernels skip hidden blocks, and look into partial ones alone, so that a mask of
 * documents or of a window costs what it shows and needs no `[T, S]` matrix.
 */
import type { Backend } from "../backend.ts";
import { fromBytes, resolveBackend, tensor } from "../create.ts";
import { checkNames, DTypeError, ShapeError, showValue } from "../errors.ts";
import { tidy } from "../memory.ts";
import { filled } from "../ops/primitives/fill.ts";

import type { Tensor } from "../tensor.ts";
import { indicesOf, shownBy } from "./indices.ts";
import type { MaskMod } from "./options.ts";

const KNOWN = {
  ...{ queryLength: true, keyLength: true, batch: true, heads: true, blockSize: true, offset: true, backend: true },
} as const satisfies Readonly<Record<keyof BlockMaskOptions, true>>;

/** Which blocks of scores count; it owns its two tensors. */
export class BlockMask implements Disposable {
  /** i32 `[B or 1, H or 1, ceil(T / n), ceil(S / n)]`: 0 hidden, 1 shown, k > 1 as block k of the table. */
  readonly kinds: Tensor;
  /** bool `[K, n, n]`; the first is all false, the second all true. */
  readonly table: Tensor;
  /** T. */
  readonly queryLength: number;
  /** S. */
  readonly keyLength: number;

  /** Takes what {@linkcode createBlockMask} made. */
  constructor(kinds: Tensor, table: Tensor, queryLength: number, keyLength: number) {
    this.kinds = kinds;
    this.table = table;
    this.queryLength = queryLength;
    this.keyLength = keyLength;
  }

  /** n. */
  get blockSize(): number {
    return this.table.shape[1]!;
  }

  /** Frees both tensors. */
  dispose(): void {
    this.kinds.dispose();
    this.table.dispose();
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Settings of {@linkcode createBlockMask}. */
export interface BlockMaskOptions {
  /** T. */
  readonly queryLength: number;
  /** S. */
  readonly keyLength: number;
  /** B, where the function looks at b; 1 when left out. */
  readonly batch?: number | undefined;
  /** H, where the function looks at h; 1 when left out. */
  readonly heads?: number | undefined;
  /** n; 128 when left out. */
  readonly blockSize?: number | undefined;
  /** Position of the first query; `S - T` when left out. */
  readonly offset?: number | undefined;
  /** Where it lives; the default backend when left out. */
  readonly backend?: Backend | undefined;
}

/**
 * Evaluates a function once and keeps what it says by blocks; a row of blocks is in memory at a time.
 *
 * @param maskMod of (b, h, p(t), s)
 * @returns a mask that many calls of `attention` may use; dispose of it afterwards
 * @throws {ShapeError} when a size is no positive integer, or the function's result does not broadcast
 * @throws {DTypeError} when the function gives no bool
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { createBlockMask, mods } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * using mask = await createBlockMask(mods.slidingWindow(2), { queryLength: 8, keyLength: 8, blockSize: 4, backend });
 * assertEquals(await mask.kinds.toArray(), [[[[2, 0], [3, 2]]]]); // above the diagonal nothing is seen
 * ```
 */
export async function createBlockMask(maskMod: MaskMod, options: BlockMaskOptions): Promise<BlockMask> {
  checkNames("make a blockMask", options, KNOWN);
  const { queryLength, keyLength, batch = 1, heads = 1, blockSize = 128 } = options;
  if (typeof maskMod !== "function") {
    throw new DTypeError(`Cannot make a blockMask of ${showValue(maskMod)}: it is a function of index tensors`);
  }
  if (options.offset !== undefined && !Number.isInteger(options.offset)) {
    throw new ShapeError(`Cannot make a blockMask with offset ${options.offset}: it is the first query's position`);
  }
  checkSizes({ queryLength, keyLength, batch, heads, blockSize });
  const backend = resolveBackend(options.backend);
  const [across, along] = [Math.ceil(queryLength / blockSize), Math.ceil(keyLength / blockSize)];
  const table = new BlockTable(blockSize);
  const kinds = new Int32Array(batch * heads * across * along);
  for (let i = 0; i < across; i++) {
    using shown = strip(maskMod, options, backend, i * blockSize);
    const bytes = Uint8Array.from(await shown.data());
    const rows = shown.shape[2]!;
    for (let image = 0; image < batch * heads; image++) {
      for (let j = 0; j < along; j++) {
        kinds[(image * across + i) * along + j] = table.kindOf(bytes, image * rows * keyLength, rows, keyLength, j);
      }
    }
  }
  return new BlockMask(
    tensor(kinds, { shape: [batch, heads, across, along], backend }),
    table.toTensor(backend),
    queryLength,
    keyLength,
  );
}

function checkSizes(sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size >= 1) continue;
    throw new ShapeError(`Cannot make a blockMask with ${name} ${showValue(size)}: it is a count of at least 1`);
  }
}

/** What the function says of up to n query rows, bool `[B, H, rows, S]`. */
function strip(maskMod: MaskMod, options: BlockMaskOptions, backend: Backend, start: number): Tensor {
  const { queryLength, keyLength, batch = 1, heads = 1, blockSize = 128 } = options;
  const offset = options.offset ?? keyLength - queryLength;
  const rows = Math.min(blockSize, queryLength - start);
  const shape = [batch, heads, rows, keyLength];
  return tidy(() => {
    const t = filled(backend, [rows], "i32", offset + start, 1);
    const s = filled(backend, [keyLength], "i32", 0, 1);
    const remedy = "; pass { batch } or { heads } where it looks at b or h";
    const indices = indicesOf(backend, batch, heads, t, s);
    return shownBy("make a blockMask", maskMod, indices, shape, remedy).expand(shape).contiguous();
  });
}

/** The different blocks met so far, by their bytes. */
class BlockTable {
  readonly #size: number;
  readonly #blocks: Uint8Array[];
  readonly #kinds = new Map<string, number>();

  constructor(size: number) {
    this.#size = size;
    this.#blocks = [new Uint8Array(size * size), new Uint8Array(size * size).fill(1)];
  }

  /** The kind of block j of a strip of rows; what lies beyond the rows or keys has no say, and is kept as false. */
  kindOf(bytes: Uint8Array, at: number, rows: number, keyLength: number, j: number): number {
    const size = this.#size;
    const [first, columns] = [j * size, Math.min(size, keyLength - j * size)];
    const block = new Uint8Array(size * size);
    let count = 0;
    for (let r = 0; r < rows; r++) {
      const line = bytes.subarray(at + r * keyLength + first, at + r * keyLength + first + columns);
      block.set(line, r * size);
      for (const shown of line) count += shown;
    }
    if (count === 0) return 0;
    return count === rows * columns ? 1 : this.#add(block);
  }

  #add(block: Uint8Array): number {
    let key = "";
    for (let i = 0; i < block.length; i += 8) {
      let bits = 0;
      for (let b = i; b < Math.min(i + 8, block.length); b++) bits = bits * 2 + block[b]!;
      key += String.fromCharCode(bits);
    }
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    this.#kinds.set(key, this.#blocks.length);
    return this.#blocks.push(block) - 1;
  }

  toTensor(backend: Backend): Tensor {
    const size = this.#size;
    const bytes = new Uint8Array(this.#blocks.length * size * size);
    this.#blocks.forEach((block, i) => bytes.set(block, i * size * size));
    return fromBytes(bytes, [this.#blocks.length, size, size], "bool", { backend });
  }
}
