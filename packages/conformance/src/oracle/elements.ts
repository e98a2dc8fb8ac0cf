/**
 * Elements as bytes and back, on the oracle's own account: IEEE halves, bfloat16, and what one storage dtype rounds a number
 * to. Values are doubles throughout.
 */

/** The plain storage dtypes. */
export type PlainDType = "f32" | "f16" | "bf16" | "f64" | "i32" | "u8" | "bool";

const WIDTHS: Readonly<Record<PlainDType, number>> = { f32: 4, f16: 2, bf16: 2, f64: 8, i32: 4, u8: 1, bool: 1 };

/** 2^-14, the least normal half, has its bits spread at 2^-24. */
const LEAST_HALF_STEP = 2 ** -24;
const LARGEST_HALF = 65504;

/** The nearest half, ties to even. */
function roundToHalf(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), -14);
  const step = Math.max(2 ** (exponent - 10), LEAST_HALF_STEP);
  const rounded = roundHalfToEven(x / step) * step;
  return Math.abs(rounded) > LARGEST_HALF ? Math.sign(x) * Infinity : rounded;
}

/** The nearest whole number, halves to even. */
export function roundHalfToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

const word = new DataView(new ArrayBuffer(8));

/** The nearest bfloat16, ties to even, from the f32 nearest to x. */
function roundToBfloat16(x: number): number {
  if (!Number.isFinite(x)) return x;
  word.setFloat32(0, x);
  const bits = word.getUint32(0);
  const low = bits & 0xffff;
  const high = bits >>> 16;
  const up = low > 0x8000 || (low === 0x8000 && (high & 1) === 1) ? 1 : 0;
  word.setUint32(0, ((high + up) << 16) >>> 0);
  return word.getFloat32(0);
}

/** What a storage dtype makes of a number. */
export function roundTo(dtype: PlainDType, x: number): number {
  switch (dtype) {
    case "f64":
      return x;
    case "f32":
      return Math.fround(x);
    case "f16":
      return roundToHalf(x);
    case "bf16":
      return roundToBfloat16(x);
    case "i32":
      return x | 0;
    case "u8":
      return x & 0xff;
    case "bool":
      return x === 0 ? 0 : 1;
  }
}

function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * LEAST_HALF_STEP : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function encodeHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(roundToHalf(x));
  if (Number.isNaN(size)) return 0x7e00;
  if (size === Infinity) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size / LEAST_HALF_STEP);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

/** Elements from canonical bytes (little-endian). */
export function decode(dtype: PlainDType, bytes: Uint8Array): Float64Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = WIDTHS[dtype];
  return Float64Array.from({ length: bytes.byteLength / width }, (_, i) => readElement(dtype, view, i * width));
}

function readElement(dtype: PlainDType, view: DataView, at: number): number {
  switch (dtype) {
    case "f64":
      return view.getFloat64(at, true);
    case "f32":
      return view.getFloat32(at, true);
    case "f16":
      return decodeHalf(view.getUint16(at, true));
    case "bf16":
      word.setUint32(0, (view.getUint16(at, true) << 16) >>> 0);
      return word.getFloat32(0);
    case "i32":
      return view.getInt32(at, true);
    case "u8":
    case "bool":
      return view.getUint8(at);
  }
}

/** Canonical bytes of elements, rounded to the dtype. */
export function encode(dtype: PlainDType, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const width = WIDTHS[dtype];
  const view = new DataView(new ArrayBuffer(values.length * width));
  for (let i = 0; i < values.length; i++) writeElement(dtype, view, i * width, values[i]!);
  return new Uint8Array(view.buffer);
}

function writeElement(dtype: PlainDType, view: DataView, at: number, x: number): void {
  switch (dtype) {
    case "f64":
      return view.setFloat64(at, x, true);
    case "f32":
      return view.setFloat32(at, x, true);
    case "f16":
      return view.setUint16(at, encodeHalf(x), true);
    case "bf16":
      word.setFloat32(0, roundToBfloat16(x));
      return view.setUint16(at, word.getUint32(0) >>> 16, true);
    case "i32":
      return view.setInt32(at, x, true);
    case "u8":
    case "bool":
      return view.setUint8(at, roundTo(dtype, x));
  }
}
