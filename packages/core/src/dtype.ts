/**
 * How elements are stored. A dtype is a name plus data: elements come in blocks of `blockSize`,
 * each `blockBytes` long; f32 is a block of one element in four bytes, q4_0 one of 32 in eighteen.
 * Block layouts are GGML's (ggml-common.h), little-endian.
 *
 * Promotion follows PyTorch: bool < u8 < i32 < floats; two different halves meet in f32.
 */
import { DTypeError } from "./errors.ts";

/** The name of a dtype, which is also how a tensor reports it. */
export type DType =
  | "f32"
  | "f16"
  | "bf16"
  | "f64"
  | "i32"
  | "u8"
  | "bool"
  | BlockDType;

/** Block-quantised dtypes in GGUF layout. */
export type BlockDType =
  | "q4_0"
  | "q4_1"
  | "q5_0"
  | "q5_1"
  | "q8_0"
  | "q2_k"
  | "q3_k"
  | "q4_k"
  | "q5_k"
  | "q6_k"
  | "iq4_nl"
  | "iq4_xs";

/** What kind of number a dtype holds; promotion goes by it. */
export type DTypeKind = "bool" | "int" | "float" | "block";

/** The data behind a {@linkcode DType}. */
export interface DTypeInfo {
  /** The dtype's own name. */
  readonly name: DType;
  /** What kind of number it holds. */
  readonly kind: DTypeKind;
  /** Elements in a block; 1 for plain dtypes. */
  readonly blockSize: number;
  /** Bytes of a block. */
  readonly blockBytes: number;
}

const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  f32: { name: "f32", kind: "float", blockSize: 1, blockBytes: 4 },
  f16: { name: "f16", kind: "float", blockSize: 1, blockBytes: 2 },
  bf16: { name: "bf16", kind: "float", blockSize: 1, blockBytes: 2 },
  f64: { name: "f64", kind: "float", blockSize: 1, blockBytes: 8 },
  i32: { name: "i32", kind: "int", blockSize: 1, blockBytes: 4 },
  u8: { name: "u8", kind: "int", blockSize: 1, blockBytes: 1 },
  bool: { name: "bool", kind: "bool", blockSize: 1, blockBytes: 1 },
  q4_0: { name: "q4_0", kind: "block", blockSize: 32, blockBytes: 18 },
  q4_1: { name: "q4_1", kind: "block", blockSize: 32, blockBytes: 20 },
  q5_0: { name: "q5_0", kind: "block", blockSize: 32, blockBytes: 22 },
  q5_1: { name: "q5_1", kind: "block", blockSize: 32, blockBytes: 24 },
  q8_0: { name: "q8_0", kind: "block", blockSize: 32, blockBytes: 34 },
  q2_k: { name: "q2_k", kind: "block", blockSize: 256, blockBytes: 84 },
  q3_k: { name: "q3_k", kind: "block", blockSize: 256, blockBytes: 110 },
  q4_k: { name: "q4_k", kind: "block", blockSize: 256, blockBytes: 144 },
  q5_k: { name: "q5_k", kind: "block", blockSize: 256, blockBytes: 176 },
  q6_k: { name: "q6_k", kind: "block", blockSize: 256, blockBytes: 210 },
  iq4_nl: { name: "iq4_nl", kind: "block", blockSize: 32, blockBytes: 18 },
  iq4_xs: { name: "iq4_xs", kind: "block", blockSize: 256, blockBytes: 136 },
};

/** The same as a map: every call of a kernel looks up some. */
const INFOS: ReadonlyMap<string, DTypeInfo> = new Map(Object.entries(DTYPES));

/** Every dtype's name, plain ones first. */
export const ALL_DTYPES: readonly DType[] = Object.keys(DTYPES) as DType[]; // keys() forgets the key type

/**
 * The data behind a dtype's name.
 *
 * @throws {DTypeError} when no dtype has that name
 */
export function dtypeInfo(dtype: DType): DTypeInfo {
  const info = INFOS.get(dtype);
  if (info === undefined) throw new DTypeError(`Unknown dtype "${dtype}": known are ${ALL_DTYPES.join(", ")}`);
  return info;
}

/** Whether elements of a dtype come in quantised blocks. */
export function isBlock(dtype: DType): dtype is BlockDType {
  return dtypeInfo(dtype).kind === "block";
}

/** Whether a dtype is a plain floating-point one. */
export function isFloat(dtype: DType): boolean {
  return dtypeInfo(dtype).kind === "float";
}

/** @ignore Whether a dtype is a float of 16 bits: sums of such are made in f32. */
export function isHalf(dtype: DType): boolean {
  return dtype === "f16" || dtype === "bf16";
}

/**
 * Bytes that `numel` elements take.
 *
 * @throws {DTypeError} when `numel` is not a whole number of blocks
 */
export function byteLengthOf(dtype: DType, numel: number): number {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const blocks = numel / blockSize;
  if (!Number.isInteger(blocks)) {
    throw new DTypeError(`Cannot store ${numel} elements as ${dtype}: its blocks hold ${blockSize} elements each`);
  }
  return blocks * blockBytes;
}

const RANK: Readonly<Record<DTypeKind, number>> = { bool: 0, int: 1, float: 2, block: 3 };

/**
 * The dtype two operands of an elementwise operation meet in (`torch.promote_types`).
 *
 * @throws {DTypeError} when one of them is block-quantised and they differ
 */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  const [x, y] = [dtypeInfo(a), dtypeInfo(b)];
  if (x.kind === "block" || y.kind === "block") {
    throw new DTypeError(`Cannot combine ${a} with ${b}: block dtypes do not promote; convert with to("f32") first`);
  }
  if (x.kind !== y.kind) return RANK[x.kind] > RANK[y.kind] ? a : b;
  if (x.blockBytes !== y.blockBytes) return x.blockBytes > y.blockBytes ? a : b;
  return "f32"; // f16 with bf16: neither holds the other
}
