/** Group `matmul`: products of all ranks, and the forms with a bias or a factor. */
import { addmm, baddbmm, bmm, dot, linear, matmul, mm, mv, outer } from "../../../../core/mod.ts";
import type { OpTable } from "../call.ts";

/** Mappings of group `matmul`. */
export const MATMUL_OPS: OpTable = {
  matmul: (c) => ({ output: matmul(c.tensor("a"), c.tensor("b")) }),
  linear: (c) => ({ output: linear(c.tensor("input"), c.tensor("weight"), c.maybe("bias")) }),
  mm: (c) => ({ output: mm(c.tensor("a"), c.tensor("b")) }),
  bmm: (c) => ({ output: bmm(c.tensor("a"), c.tensor("b")) }),
  dot: (c) => ({ output: dot(c.tensor("a"), c.tensor("b")) }),
  mv: (c) => ({ output: mv(c.tensor("a"), c.tensor("b")) }),
  outer: (c) => ({ output: outer(c.tensor("a"), c.tensor("b")) }),
  addmm: (c) => ({
    output: addmm(c.tensor("input"), c.tensor("a"), c.tensor("b"), {
      alpha: c.attrs.maybeNumber("alpha") ?? 1,
      beta: c.attrs.maybeNumber("beta") ?? 1,
    }),
  }),
  baddbmm: (c) => ({ output: baddbmm(c.tensor("input"), c.tensor("a"), c.tensor("b")) }),
};
