/** Group `indexing`: choosing, joining, ordering, rearranging and making tensors. */
import * as core from "../../../../core/mod.ts";
import type { Tensor } from "../../../../core/mod.ts";
import type { Call, GoldenOp, OpTable } from "../call.ts";

function ofIndex(fn: (x: Tensor, dim: number, index: Tensor) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("x"), c.attrs.number("dim"), c.tensor("index")) });
}

function ofSource(fn: (x: Tensor, dim: number, index: Tensor, source: Tensor) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("x"), c.attrs.number("dim"), c.tensor("index"), c.tensor("src")) });
}

function order(c: Call): { dim: number; descending: boolean } {
  return { dim: c.attrs.number("dim"), descending: c.attrs.flag("descending") };
}

function listOf(c: Call, name: string): number | number[] {
  return c.attrs.dims(name) ?? c.attrs.number(name);
}

/** Mappings of group `indexing`. */
export const INDEXING_OPS: OpTable = {
  tril: (c) => ({ output: core.tril(c.tensor("x"), c.attrs.maybeNumber("diagonal") ?? 0) }),
  triu: (c) => ({ output: core.triu(c.tensor("x"), c.attrs.maybeNumber("diagonal") ?? 0) }),
  cat: (c) => ({ output: core.cat(c.list("tensors"), c.attrs.number("dim")) }),
  stack: (c) => ({ output: core.stack(c.list("tensors"), c.attrs.number("dim")) }),
  split: (c) => ({ outputs: core.split(c.tensor("x"), listOf(c, "split"), c.attrs.number("dim")) }),
  chunk: (c) => ({ outputs: core.chunk(c.tensor("x"), c.attrs.number("chunks"), c.attrs.number("dim")) }),
  gather: ofIndex(core.gather),
  index_select: ofIndex(core.indexSelect),
  embedding: (c) => ({ output: core.embedding(c.tensor("weight"), c.tensor("ids")) }),
  topk: (c) => {
    const options = { dim: c.attrs.number("dim"), largest: c.attrs.flag("largest", true) };
    const { values, indices } = core.topk(c.tensor("x"), c.attrs.number("k"), options);
    return { output: values, indices };
  },
  sort: (c) => {
    const { values, indices } = core.sort(c.tensor("x"), order(c));
    return { output: values, indices };
  },
  argsort: (c) => ({ output: core.argsort(c.tensor("x"), order(c)) }),
  scatter_add: ofSource(core.scatterAdd),
  scatter: ofSource(core.scatter),
  index_add: ofSource(core.indexAdd),
  repeat_interleave: (c) => ({
    output: core.repeatInterleave(c.tensor("x"), c.attrs.number("repeats"), c.attrs.number("dim")),
  }),
  repeat: (c) => ({ output: core.repeat(c.tensor("x"), c.attrs.numbers("sizes")) }),
  roll: (c) => ({ output: core.roll(c.tensor("x"), listOf(c, "shifts"), c.attrs.dims("dim")) }),
  flip: (c) => ({ output: core.flip(c.tensor("x"), listOf(c, "dims")) }),
  pad: (c) => ({ output: core.pad(c.tensor("x"), c.attrs.numbers("pad"), c.attrs.maybeNumber("value") ?? 0) }),
  one_hot: (c) => ({ output: core.oneHot(c.tensor("x"), c.attrs.number("num_classes")) }),
  arange: (c) => {
    const [start, end, step] = ["start", "end", "step"].map((name) => c.attrs.number(name));
    return { output: core.arange(start!, end!, step!, { backend: c.backend }) };
  },
  linspace: (c) => {
    const [start, end, steps] = ["start", "end", "steps"].map((name) => c.attrs.number(name));
    return { output: core.linspace(start!, end!, steps!, { backend: c.backend }) };
  },
  masked_select: {
    runAsync: async (c) => ({ output: await core.maskedSelect(c.tensor("x"), c.tensor("mask")) }),
  },
  nonzero: { runAsync: async (c) => ({ output: await core.nonzero(c.tensor("x")) }) },
};
