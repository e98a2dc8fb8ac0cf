/**
 * Values of GGUF metadata: numbers of every width, bools, strings, and arrays of them
 * (ggml docs/gguf.md, `gguf_metadata_value_type`).
 */
import { formatError } from "./format_error.ts";
import { getI64, getU64, type GgufCursor } from "./gguf_cursor.ts";
import type { GgufValue } from "./tensor_file.ts";

/** How a number of fixed width is read. */
interface Scalar {
  readonly bytes: number;
  readonly get: (view: DataView, offset: number) => number | bigint;
}

const STRING = 8, ARRAY = 9, BOOL = 7;

const SCALARS: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [0, { bytes: 1, get: (view, at) => view.getUint8(at) }],
  [1, { bytes: 1, get: (view, at) => view.getInt8(at) }],
  [2, { bytes: 2, get: (view, at) => view.getUint16(at, true) }],
  [3, { bytes: 2, get: (view, at) => view.getInt16(at, true) }],
  [4, { bytes: 4, get: (view, at) => view.getUint32(at, true) }],
  [5, { bytes: 4, get: (view, at) => view.getInt32(at, true) }],
  [6, { bytes: 4, get: (view, at) => view.getFloat32(at, true) }],
  [BOOL, { bytes: 1, get: (view, at) => view.getUint8(at) }],
  [10, { bytes: 8, get: getU64 }],
  [11, { bytes: 8, get: getI64 }],
  [12, { bytes: 8, get: (view, at) => view.getFloat64(at, true) }],
]);

const MAX_ARRAY_DEPTH = 8; // no file nests deeper than 1; the format sets no limit

/** Elements of all arrays together, 30 times the largest vocabulary known: one byte in the file is 8 in memory. */
export const MAX_ARRAY_ELEMENTS = 1 << 23;

/** Reads values, and keeps count of array elements. */
export class GgufValueReader {
  readonly #cursor: GgufCursor;
  #elements = 0;

  /** @param cursor where values are read from */
  constructor(cursor: GgufCursor) {
    this.#cursor = cursor;
  }

  /**
   * The next value.
   *
   * @param type its type's number
   * @param key whose value it is, quoted, for messages
   * @throws {FormatError} when the type is unknown, or the value reaches beyond the file
   */
  async read(type: number, key: string, depth = 0): Promise<GgufValue> {
    const cursor = this.#cursor;
    if (type === STRING) return await cursor.string(`the value of ${key}`);
    if (type === ARRAY) return await this.#array(key, depth);
    const scalar = this.#scalar(type, key);
    await cursor.fill(scalar.bytes);
    const value = cursor.take(scalar.bytes, scalar.get);
    return type === BOOL ? this.#bool(value, key) : value;
  }

  async #array(key: string, depth: number): Promise<readonly GgufValue[]> {
    const cursor = this.#cursor;
    const fail = (problem: string, expected: string): Error => formatError(cursor.source.name, problem, { expected });
    if (depth === MAX_ARRAY_DEPTH) throw fail(`the arrays of ${key} nest too deeply`, `at most ${depth} levels`);
    const type = await cursor.u32();
    const count = await cursor.u64();
    const leastBytes = type === STRING ? 8 : type === ARRAY ? 12 : this.#scalar(type, key).bytes;
    cursor.checkClaim(`the array length of ${key}`, count, leastBytes);
    this.#elements += Number(count);
    if (this.#elements > MAX_ARRAY_ELEMENTS) {
      throw fail(`the arrays up to ${key} are absurdly long`, `at most ${MAX_ARRAY_ELEMENTS} elements in all`);
    }
    if (type === STRING) return await this.#strings(Number(count), key);
    const values: GgufValue[] = [];
    if (type === ARRAY) { for (let i = 0; i < Number(count); i++) values.push(await this.#array(key, depth + 1)); }
    else await this.#numbers(values, type, Number(count), key);
    return values;
  }

  async #strings(count: number, key: string): Promise<readonly string[]> {
    const strings: string[] = [];
    const what = `an element of ${key}`;
    for (let i = 0; i < count; i++) strings.push(this.#cursor.stringHere(what) ?? await this.#cursor.string(what));
    return strings;
  }

  async #numbers(values: GgufValue[], type: number, count: number, key: string): Promise<void> {
    const { bytes, get } = this.#scalar(type, key);
    for (let i = 0; i < count; i++) {
      if (!this.#cursor.has(bytes)) await this.#cursor.fill(bytes);
      const value = this.#cursor.take(bytes, get);
      values.push(type === BOOL ? this.#bool(value, key) : value);
    }
  }

  #scalar(type: number, key: string): Scalar {
    const scalar = SCALARS.get(type);
    if (scalar !== undefined) return scalar;
    throw formatError(this.#cursor.source.name, `unknown value type of ${key}`, {
      expected: "0 to 12",
      found: `${type}`,
    });
  }

  #bool(value: number | bigint, key: string): boolean {
    if (value === 0 || value === 1) return value === 1;
    throw formatError(this.#cursor.source.name, `the value of ${key} is no bool`, {
      expected: "0 or 1",
      found: `${value}`,
    });
  }
}
