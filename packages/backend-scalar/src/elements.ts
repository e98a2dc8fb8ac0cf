/**
 * How elements of each dtype lie in a typed array, and the way from there to numbers and back.
 *
 *     f32 Float32Array   f64 Float64Array   i32 Int32Array   u8, bool, blocks Uint8Array   f16, bf16 Uint16Array (bits)
 *
 * Storing a number into a typed array is a conversion already: it rounds to f32, and wraps to 32 or 8 bits. So `add` on
 * i32 is `a + b`, and only products, which f64 cannot hold, take care of wrapping themselves.
 */
import { byteLengthOf, type DType, dtypeInfo } from "../../core/src/dtype.ts";
import { internalError } from "../../core/src/errors.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../core/src/half.ts";

/** The memory of one buffer. */
export type Elements = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array;

/** Zeroed memory for `numel` elements. @throws {RangeError} when the engine has no room */
export function makeElements(dtype: DType, numel: number): Elements {
  switch (dtype) {
    case "f32":
      return new Float32Array(numel);
    case "f64":
      return new Float64Array(numel);
    case "i32":
      return new Int32Array(numel);
    case "f16":
    case "bf16":
      return new Uint16Array(numel);
    default:
      return new Uint8Array(byteLengthOf(dtype, numel));
  }
}

/** Elements known to be f32. */
export function asF32(elements: Elements): Float32Array {
  if (elements instanceof Float32Array) return elements;
  throw internalError("f32 elements do not lie in a Float32Array");
}

/** Elements known to be bytes: u8, bool or blocks. */
export function asBytes(elements: Elements): Uint8Array {
  if (elements instanceof Uint8Array) return elements;
  throw internalError("bytes do not lie in a Uint8Array");
}

/** What stores of one dtype hold, as a number; undefined where they hold the number itself. */
export function widening(dtype: DType): ((stored: number) => number) | undefined {
  if (dtype === "f16") return f16ToF32;
  if (dtype === "bf16") return bf16ToF32;
  return undefined;
}

/**
 * What to store for a number that comes from another dtype; undefined where the store itself converts.
 * Floats to ints truncate toward zero and stop at the ends of the range, NaN gives 0; ints to shorter ints wrap.
 */
export function narrowing(from: DType, to: DType): ((value: number) => number) | undefined {
  if (to === "f16") return f32ToF16;
  if (to === "bf16") return f32ToBf16;
  if (to === "bool" && from !== "bool") return truth;
  if (dtypeInfo(from).kind === "int" || from === "bool") return undefined;
  if (to === "i32") return truncateToI32;
  if (to === "u8") return truncateToU8;
  return undefined;
}

function truth(value: number): number {
  return value === 0 ? 0 : 1; // NaN is not 0
}

function truncateToI32(value: number): number {
  return Math.max(-0x80000000, Math.min(0x7fffffff, Math.trunc(value))); // NaN passes, and is stored as 0
}

function truncateToU8(value: number): number {
  return Math.max(0, Math.min(255, Math.trunc(value)));
}
