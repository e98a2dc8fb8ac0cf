/**
 * GGML's element types by the number a GGUF file has for them (`enum ggml_type`, ggml/include/ggml.h). Types without a
 * dtype here are named, so that a message can say what the file holds.
 */
import type { DType } from "../../core/src/dtype.ts";

const DTYPE_BY_ID: ReadonlyMap<number, DType> = new Map<number, DType>([
  [0, "f32"],
  [1, "f16"],
  [2, "q4_0"],
  [3, "q4_1"],
  [6, "q5_0"],
  [7, "q5_1"],
  [8, "q8_0"],
  [10, "q2_k"],
  [11, "q3_k"],
  [12, "q4_k"],
  [13, "q5_k"],
  [14, "q6_k"],
  [20, "iq4_nl"],
  [23, "iq4_xs"],
  [26, "i32"],
  [28, "f64"],
  [30, "bf16"],
]);

const OTHER_NAMES: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2"],
  [5, "Q4_3"],
  [9, "Q8_1"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [24, "I8"],
  [25, "I16"],
  [27, "I64"],
  [29, "IQ1_M"],
  [31, "Q4_0_4_4"],
  [32, "Q4_0_4_8"],
  [33, "Q4_0_8_8"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);

/** The dtype of a GGML type, or undefined where it has none here. */
export function dtypeOfGgml(id: number): DType | undefined {
  return DTYPE_BY_ID.get(id);
}

/** A GGML type as messages show it: `IQ2_XXS (type 16)`. */
export function describeGgml(id: number): string {
  return `${OTHER_NAMES.get(id) ?? "an unknown type"} (type ${id})`;
}

/** The dtypes that GGUF tensors may have here. */
export const GGUF_DTYPES: readonly DType[] = [...DTYPE_BY_ID.values()];
