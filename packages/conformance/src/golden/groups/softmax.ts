/** Group `softmax`. */
import { logSoftmax, softmax } from "../../../../core/mod.ts";
import type { OpTable } from "../call.ts";

/** Mappings of group `softmax`. */
export const SOFTMAX_OPS: OpTable = {
  softmax: (c) => ({ output: softmax(c.tensor("x"), c.attrs.number("dim")) }),
  log_softmax: (c) => ({ output: logSoftmax(c.tensor("x"), c.attrs.number("dim")) }),
};
