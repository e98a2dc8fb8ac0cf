/**
 * What is stored differently from how it is held: 64-bit integers (PyTorch's indices) are held as i32, each checked;
 * bools are checked to be 0 or 1, since backends rely on that; floats and blocks become another float where that is asked for.
 */
import { type DType, dtypeInfo, isBlock } from "../../core/src/dtype.ts";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../../core/src/half.ts";
import { dequantizeBlocks } from "../../core/src/quant/formats.ts";
import type { ByteSource } from "./byte_source.ts";
import { formatError } from "./format_error.ts";

/** What a message needs to know of a tensor. */
interface Stored {
  readonly name: string;
  readonly source: ByteSource;
  readonly storedAs?: "i64" | "u64";
}

/**
 * 64-bit integers as the bytes of i32.
 *
 * @param bytes little-endian, whole integers
 * @param first index of the first one in its tensor
 * @throws {FormatError} naming the first value that does not fit
 */
export function narrowIntegers(entry: Stored, bytes: Uint8Array, first: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const narrow = new Uint8Array(bytes.byteLength / 2);
  const out = new DataView(narrow.buffer);
  for (let i = 0; i < bytes.byteLength; i += 8) {
    const low = view.getInt32(i, true);
    const high = view.getInt32(i + 4, true);
    // An i64 that fits i32 repeats the sign in its upper half; a u64 that fits has no sign and nothing there.
    const fits = entry.storedAs === "i64" ? high === low >> 31 : high === 0 && low >= 0;
    if (!fits) throw tooWide(entry, view, i, first);
    out.setInt32(i / 2, low, true);
  }
  return narrow;
}

function tooWide(entry: Stored, view: DataView, offset: number, first: number): Error {
  const value = entry.storedAs === "i64" ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true);
  return formatError(entry.source.name, `element ${first + offset / 8} does not fit i32`, {
    tensor: entry.name,
    expected: "-2147483648 to 2147483647",
    found: String(value),
  });
}

/**
 * The bytes themselves, checked.
 *
 * @param first index of the first one in its tensor
 * @throws {FormatError} naming the first byte that is neither 0 nor 1
 */
export function boolBytes(entry: Stored, bytes: Uint8Array, first: number): Uint8Array {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! > 1) {
      throw formatError(entry.source.name, `element ${first + i} is no bool`, {
        tensor: entry.name,
        expected: "0 or 1",
        found: `${bytes[i]}`,
      });
    }
  }
  return bytes;
}

/**
 * Floats, or what blocks stand for, as another float. Between f64 and a half the value is rounded to f32 on the way.
 *
 * @param bytes little-endian, whole elements or blocks of `from`
 * @param to f32, f16, bf16 or f64
 */
export function castFloats(bytes: Uint8Array, from: DType, to: DType): Uint8Array {
  const values = valuesOf(bytes, from);
  if (to === "f64") return new Uint8Array(new Float64Array(values).buffer);
  const singles = values instanceof Float32Array ? values : new Float32Array(values);
  if (to === "f32") return new Uint8Array(singles.buffer, singles.byteOffset, singles.byteLength);
  const halves = new Uint16Array(singles.length);
  (to === "f16" ? encodeF16 : encodeBf16)(singles, 0, halves, 0, singles.length);
  return new Uint8Array(halves.buffer);
}

function valuesOf(bytes: Uint8Array, dtype: DType): Float32Array | Float64Array {
  if (isBlock(dtype)) return dequantizeBlocks(dtype, bytes);
  const { blockBytes } = dtypeInfo(dtype);
  const { buffer, byteOffset } = bytes.byteOffset % blockBytes === 0 ? bytes : new Uint8Array(bytes); // a copy is aligned
  const count = bytes.byteLength / blockBytes;
  if (dtype === "f32") return new Float32Array(buffer, byteOffset, count);
  if (dtype === "f64") return new Float64Array(buffer, byteOffset, count);
  const values = new Float32Array(count);
  (dtype === "f16" ? decodeF16 : decodeBf16)(new Uint16Array(buffer, byteOffset, count), 0, values, 0, count);
  return values;
}
