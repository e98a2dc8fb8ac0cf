/** Whether a tensor is what a vector wants: shape, kind of dtype, elements, and for views their layout. */
import { type DType, DTypeError, dtypeInfo, type Tensor } from "../../../core/mod.ts";
import { mismatch, type Tolerance } from "../compare.ts";
import type { ViewExpectation } from "./manifest.ts";
import type { StoredTensor } from "./vector_group.ts";

const DTYPES: ReadonlyMap<string, DType> = new Map([
  ["float32", "f32"],
  ["float64", "f64"],
  ["float16", "f16"],
  ["bfloat16", "bf16"],
  ["int64", "i32"], // every value fits
  ["int32", "i32"],
  ["uint8", "u8"],
  ["bool", "bool"],
]);

/** Heed's dtype for PyTorch's word. @throws {DTypeError} for an unknown word */
export function dtypeOf(word: string): DType {
  const dtype = DTYPES.get(word);
  if (dtype === undefined) throw new DTypeError(`Unknown dtype "${word}" in the vectors`);
  return dtype;
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/**
 * What is wrong with a result, or undefined.
 *
 * @param got the result
 * @param want what the file holds
 * @param dtype its dtype where the case names one; else the kind (bool, int, float) of what the file holds
 */
export async function checkTensor(
  got: Tensor,
  want: StoredTensor,
  tolerance: Tolerance,
  dtype: string | undefined,
): Promise<string | undefined> {
  if (!sameNumbers(got.shape, want.shape)) return `got shape [${got.shape}], want [${want.shape}]`;
  if (dtype !== undefined && got.dtype !== dtypeOf(dtype)) return `got ${got.dtype}, want ${dtypeOf(dtype)}`;
  if (dtypeInfo(got.dtype).kind !== dtypeInfo(want.dtype).kind) return `got ${got.dtype}, want ${want.dtype}`;
  return mismatch(await got.data(), want.values, want.shape, tolerance);
}

/** What is wrong with a view of a base, or undefined. */
export function checkView(got: Tensor, base: Tensor, expect: ViewExpectation): string | undefined {
  if (!sameNumbers(got.shape, expect.shape)) return `got shape [${got.shape}], want [${expect.shape}]`;
  const matters = (_: number, i: number): boolean => expect.shape[i]! > 1;
  const shares = got.storage === base.storage;
  if (shares !== expect.sharesStorage) return `it ${shares ? "shares" : "does not share"} the base's storage`;
  if (!sameNumbers(got.strides.filter(matters), expect.stride.filter(matters))) {
    return `got strides [${got.strides}], want [${expect.stride}]`;
  }
  if (got.offset !== expect.storageOffset) return `got offset ${got.offset}, want ${expect.storageOffset}`;
  if (got.isContiguous !== expect.isContiguous) return `isContiguous is ${got.isContiguous}`;
  return undefined;
}
