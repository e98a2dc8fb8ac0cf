/**
 * The element types of safetensors that are read here, in the order its own writer lays tensors out by (widest first;
 * the enum `Dtype` of huggingface/safetensors, src/tensor.rs).
 */
import type { DType } from "../../core/src/dtype.ts";

/** One element type in the file. */
export interface SafetensorsDType {
  /** Its name in the header. */
  readonly name: string;
  /** How it is held. */
  readonly dtype: DType;
  /** Bytes an element takes in the file. */
  readonly bytes: number;
  /** Set where it is held narrower than stored. */
  readonly storedAs?: "i64" | "u64";
}

/** The element types, narrowest first. */
export const SAFETENSORS_DTYPES: readonly SafetensorsDType[] = [
  { name: "BOOL", dtype: "bool", bytes: 1 },
  { name: "U8", dtype: "u8", bytes: 1 },
  { name: "F16", dtype: "f16", bytes: 2 },
  { name: "BF16", dtype: "bf16", bytes: 2 },
  { name: "I32", dtype: "i32", bytes: 4 },
  { name: "F32", dtype: "f32", bytes: 4 },
  { name: "F64", dtype: "f64", bytes: 8 },
  { name: "I64", dtype: "i32", bytes: 8, storedAs: "i64" },
  { name: "U64", dtype: "i32", bytes: 8, storedAs: "u64" },
];
