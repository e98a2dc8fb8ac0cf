/**
 * The two half-precision floats, as bit patterns: f16 (IEEE 754 binary16) and bf16 (the upper half of
 * an f32).
 *
 *     f16   s eeeee mmmmmmmmmm       (-1)^s * 2^(e - 15) * 1.m, subnormals below 2^-14, largest 65504
 *     bf16  s eeeeeeee mmmmmmm       f32's range with 8 significant bits
 *
 * Narrowing rounds to nearest, ties to even; what is too large becomes an infinity and NaN stays NaN.
 * Float16Array is not used: Node 22 and Safari lack it. Widening f16 reads a table of all 65,536
 * values (256 KiB, made on first use in about a millisecond).
 */

const ADD_TO_ROUND = 2 ** 52; // an f64 this large has no fraction bits, so adding it rounds to an integer, ties to even

const FLOAT = new Float32Array(1);
const FLOAT_BITS = new Uint32Array(FLOAT.buffer);

let f16Values: Float32Array | undefined;

function makeF16Values(): Float32Array {
  const values = new Float32Array(0x10000);
  for (let bits = 0; bits < 0x8000; bits++) {
    const exponent = bits >> 10;
    const mantissa = bits & 0x3ff;
    const magnitude = exponent === 0
      ? mantissa * 2 ** -24
      : exponent < 31
      ? (1024 + mantissa) * 2 ** (exponent - 25)
      : mantissa === 0
      ? Infinity
      : NaN;
    values[bits] = magnitude;
    values[bits | 0x8000] = -magnitude;
  }
  return values;
}

/**
 * The value of an f16.
 *
 * @param bits its bit pattern, 0 to 65535
 */
export function f16ToF32(bits: number): number {
  return (f16Values ??= makeF16Values())[bits]!;
}

/**
 * The f16 nearest to a number, ties to even.
 *
 * @param value any number: also one that no f32 holds is rounded once only
 * @returns the bit pattern; 0x7e00 for NaN
 */
export function f32ToF16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (!(magnitude < 65536)) return magnitude >= 65536 ? sign | 0x7c00 : 0x7e00;
  const scaled = magnitude * 2 ** 14; // the smallest normal f16 is now 1
  const exponent = Math.max(0, 31 - Math.clz32(scaled)); // subnormals share the exponent of the smallest normal
  const mantissa = (scaled * 1024) / (1 << exponent); // 1024 up to 2048, less for subnormals; exact
  // Addition, not `|`: normals carry the hidden bit, and one rounded up to 2048 carries, at the top into infinity.
  return sign | ((exponent << 10) + (mantissa + ADD_TO_ROUND - ADD_TO_ROUND));
}

/**
 * The value of a bf16.
 *
 * @param bits its bit pattern, 0 to 65535
 */
export function bf16ToF32(bits: number): number {
  FLOAT_BITS[0] = bits << 16;
  return FLOAT[0]!;
}

/**
 * The bf16 nearest to an f32, ties to even.
 *
 * @param value an f32; another number is rounded to f32 first, as PyTorch does
 * @returns the bit pattern
 */
export function f32ToBf16(value: number): number {
  FLOAT[0] = value;
  return roundToBf16(FLOAT_BITS[0]!);
}

function roundToBf16(bits: number): number {
  const isNaN = (bits & 0x7fffffff) > 0x7f800000;
  if (isNaN) return (bits >>> 16) | 0x40; // quiet, so that dropping the low mantissa cannot leave an infinity
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Widens `count` f16 bit patterns of `source` into `out`; offsets in elements. */
export function decodeF16(
  source: Uint16Array,
  sourceOffset: number,
  out: Float32Array,
  outOffset: number,
  count: number,
): void {
  const values = f16Values ??= makeF16Values();
  for (let i = 0; i < count; i++) out[outOffset + i] = values[source[sourceOffset + i]!]!;
}

/** Narrows `count` numbers of `source` to f16 bit patterns in `out`; offsets in elements. */
export function encodeF16(
  source: Float32Array,
  sourceOffset: number,
  out: Uint16Array,
  outOffset: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) out[outOffset + i] = f32ToF16(source[sourceOffset + i]!);
}

/** Widens `count` bf16 bit patterns of `source` into `out`; offsets in elements. */
export function decodeBf16(
  source: Uint16Array,
  sourceOffset: number,
  out: Float32Array,
  outOffset: number,
  count: number,
): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < count; i++) bits[outOffset + i] = source[sourceOffset + i]! << 16;
}

/** Narrows `count` numbers of `source` to bf16 bit patterns in `out`; offsets in elements. */
export function encodeBf16(
  source: Float32Array,
  sourceOffset: number,
  out: Uint16Array,
  outOffset: number,
  count: number,
): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < count; i++) out[outOffset + i] = roundToBf16(bits[sourceOffset + i]!);
}
