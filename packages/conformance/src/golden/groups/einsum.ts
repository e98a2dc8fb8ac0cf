/** Group `einsum`. */
import { einsum } from "../../../../core/mod.ts";
import type { OpTable } from "../call.ts";

/** Mappings of group `einsum`. */
export const EINSUM_OPS: OpTable = {
  einsum: (c) => ({ output: einsum(c.attrs.text("equation") ?? "", c.list("operands")) }),
};
