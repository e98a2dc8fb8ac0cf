/** Group `onnx_ops`: ONNX operators (onnx.ai/onnx/operators) composed from the public API. Inputs and outputs go by graph names. */
import * as core from "../../../../core/mod.ts";
import type { Tensor } from "../../../../core/mod.ts";
import type { Attrs } from "../attrs.ts";
import type { Call, GoldenOp, OpTable, Results } from "../call.ts";

/** Names in the graph by position; empty where left out. */
function namesOf(c: Call, which: "node_inputs" | "node_outputs"): string[] {
  const names = c.attrs.raw(which);
  if (!Array.isArray(names)) throw new Error(`the vector's attrs.${which} should be a list`);
  return names.map((name) => String(name));
}

/** A node's inputs by position. */
class Node {
  readonly attrs: Attrs;
  readonly #call: Call;
  readonly #names: readonly string[];

  constructor(call: Call) {
    this.attrs = call.attrs.within("node");
    this.#call = call;
    this.#names = namesOf(call, "node_inputs");
  }

  input(i: number): Tensor {
    return this.#call.tensor(this.#names[i] ?? "");
  }

  has(i: number): boolean {
    return (this.#names[i] ?? "") !== "";
  }

  /** The only number of an input that sets something. */
  number(i: number, absent = 0): number {
    return this.has(i) ? this.#call.stored(this.#names[i]!).values[0]! : absent;
  }

  inputs(): Tensor[] {
    return this.#names.map((_, i) => this.input(i));
  }

  axis(absent: number): number {
    return this.attrs.maybeNumber("axis") ?? absent;
  }
}

function node(fn: (node: Node) => Tensor | readonly Tensor[]): GoldenOp {
  return (call): Results => {
    const made = [fn(new Node(call))].flat();
    const names = namesOf(call, "node_outputs");
    return Object.fromEntries(names.map((name, i) => [name, made[i]!]));
  };
}

/** Running sums, possibly from the end, possibly without the element itself. */
function cumSum(n: Node): Tensor {
  const [x, dim] = [n.input(0), n.number(1)];
  const reverse = n.attrs.flag("reverse");
  const ordered = reverse ? core.flip(x, dim) : x;
  const inclusive = core.cumsum(ordered, dim);
  const sums = n.attrs.flag("exclusive") ? core.sub(inclusive, ordered) : inclusive;
  return reverse ? core.flip(sums, dim) : sums;
}

/** Dims from the axis on. */
function lastDims(x: Tensor, axis: number): number[] {
  const first = axis < 0 ? axis + x.rank : axis;
  return x.shape.map((_, i) => i).slice(first);
}

function layerNormalization(n: Node): Tensor[] {
  const x = n.input(0);
  const dim = lastDims(x, n.axis(-1));
  const eps = n.attrs.maybeNumber("epsilon") ?? 1e-5;
  const mean = core.mean(x, { dim, keepdim: true });
  const variance = core.variance(x, { dim, keepdim: true, correction: 0 });
  const bias = n.has(2) ? n.input(2) : undefined;
  const y = core.layerNorm(x, dim.map((d) => x.shape[d]!), { weight: n.input(1), bias, eps });
  return [y, mean, core.rsqrt(core.add(variance, eps))];
}

function rmsNormalization(n: Node): Tensor {
  const x = n.input(0);
  const normalizedShape = lastDims(x, n.axis(-1)).map((d) => x.shape[d]!);
  return core.rmsNorm(x, { normalizedShape, weight: n.input(1), eps: n.attrs.maybeNumber("epsilon") ?? 1e-5 });
}

/** `x [B,H,T,D]`, or `[B,T,H*D]` with num_heads; the caches are `[P,R/2]` with positions `[B,T]`, or `[B,T,R/2]`. */
function rotaryEmbedding(n: Node): Tensor {
  const x = n.input(0);
  const [cos, sin] = [1, 2].map((i) => n.has(3) ? core.embedding(n.input(i), n.input(3)) : n.input(i));
  const rotate = (heads: Tensor): Tensor =>
    core.applyRope(heads, cos!, sin!, { interleaved: n.attrs.flag("interleaved") });
  if (x.rank === 4) return rotate(x);
  const heads = x.unflatten(-1, [n.attrs.number("num_heads"), -1]).transpose(1, 2);
  return rotate(heads).transpose(1, 2).flatten(2);
}

/** Whole slices of x by the index, whose dims take the axis's place. */
function gather(n: Node): Tensor {
  const [x, index] = [n.input(0), n.input(1)];
  const axis = n.axis(0);
  const dim = axis < 0 ? axis + x.rank : axis;
  const size = x.shape[dim]!;
  const wrapped = core.where(core.lt(index, 0), core.add(index, size), index); // ONNX counts from the end too
  const taken = core.indexSelect(x, dim, wrapped.flatten());
  return taken.reshape([...x.shape.slice(0, dim), ...index.shape, ...x.shape.slice(dim + 1)]);
}

function topK(n: Node): Tensor[] {
  const options = { dim: n.axis(-1), largest: n.attrs.flag("largest", true) };
  const { values, indices } = core.topk(n.input(0), n.number(1), options);
  return [values, indices];
}

/** Mappings of group `onnx_ops`. */
export const ONNX_OPS: OpTable = {
  "onnx.CumSum": node(cumSum),
  "onnx.Einsum": node((n) => core.einsum(n.attrs.text("equation") ?? "", n.inputs())),
  "onnx.Gather": node(gather),
  "onnx.Gelu": node((n) => core.gelu(n.input(0), n.attrs.text("approximate") === "tanh" ? "tanh" : "none")),
  "onnx.LayerNormalization": node(layerNormalization),
  "onnx.LogSoftmax": node((n) => core.logSoftmax(n.input(0), n.axis(-1))),
  "onnx.MatMul": node((n) => core.matmul(n.input(0), n.input(1))),
  "onnx.RMSNormalization": node(rmsNormalization),
  "onnx.RotaryEmbedding": node(rotaryEmbedding),
  "onnx.Softmax": node((n) => core.softmax(n.input(0), n.axis(-1))),
  "onnx.Swish": node((n) => {
    const x = n.input(0);
    return core.mul(x, core.sigmoid(core.mul(x, n.attrs.maybeNumber("alpha") ?? 1)));
  }),
  "onnx.TopK": node(topK),
  "onnx.Trilu": node((n) => (n.attrs.flag("upper", true) ? core.triu : core.tril)(n.input(0), n.number(1))),
  "onnx.Where": node((n) => core.where(n.input(0), n.input(1), n.input(2))),
};
