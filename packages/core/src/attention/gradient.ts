/**
 * The gradient of attention without its weights: the forward pass keeps its output and logSumExp, and a few query rows at a
 * time, `P = exp(scores - logSumExp)` is computed again (Dao et al., 2022, algorithm 4):
 *
 *     dV = Pᵀ · dO    dP = dO · Vᵀ    dS = P * (dP - rowsum(dO * O))    dQ = dS · K * scale    dK = dSᵀ · Q * scale
 *
 * With a softcap dS is also times `1 - (scores / c)²`; with dropout P and dP are dropped alike. A sink takes
 * `-exp(sink - logSumExp) * rowsum(dO * O)`. Memory is a few rows of scores, never `[T, S]`.
 */
import { zeros } from "../create.ts";
import type { JointVjp } from "../grad/node.ts";
import { tidy } from "../memory.ts";
import { matmul } from "../ops/primitives/matmul.ts";
import { where } from "../ops/primitives/where.ts";
import type { Tensor } from "../tensor.ts";
import { type AttentionCall, extraOf } from "./call.ts";
import { dropped, grouped, keysOf, type Rows, scoresOf, valuesOf } from "./composed.ts";

/** Scores held at once: 2^18 of f32 are a megabyte, so that the ten tensors of a step stay near that. */
const MAX_SCORES = 2 ** 18;

/**
 * The gradients of query, key, value and the extra operands of a call.
 *
 * What is saved is the call's inputs, then its output and logSumExp.
 */
export function attentionVjp(call: AttentionCall): JointVjp {
  const { attrs, scoreMod } = call;
  return (gradOut, saved, wanted) => {
    const [output, logSumExp] = saved.slice(-2) as [Tensor, Tensor]; // saved last
    const inputs = saved.slice(0, -2);
    const again = { inputs, attrs, scoreMod };
    const pass = new Pass(again, gradOut, output, logSumExp);
    const sums = pass.run(wanted);
    const sinks = extraOf(again, "sinks");
    return inputs.map((x, i) => i < 3 ? sums[i] : wanted[i] === true && x === sinks ? pass.sinks(x) : undefined);
  };
}

type Sums = readonly [query: Tensor | undefined, key: Tensor | undefined, value: Tensor | undefined];

/** One backward pass. */
class Pass {
  readonly #call: AttentionCall;
  readonly #gradOut: Tensor;
  readonly #logSumExp: Tensor;
  /** rowsum(dO * O), `[B, Hkv, G, T, 1]`. */
  readonly #flow: Tensor;

  constructor(call: AttentionCall, gradOut: Tensor, output: Tensor, logSumExp: Tensor) {
    this.#call = call;
    this.#gradOut = gradOut.to(logSumExp.dtype);
    this.#logSumExp = logSumExp.unsqueeze(-1);
    this.#flow = this.#gradOut.mul(output.to(logSumExp.dtype)).sum({ dim: -1, keepdim: true });
  }

  /** Goes through the rows, adding up what each gives. */
  run(wanted: readonly boolean[]): Sums {
    const [query, key, value] = this.#call.inputs as [Tensor, Tensor, Tensor]; // they come first
    const like = (x: Tensor, i: number) =>
      wanted[i] === true ? zeros(x.shape, { dtype: this.#logSumExp.dtype, backend: x.backend }) : undefined;
    const sums: Sums = [like(query, 0), like(key, 1), like(value, 2)];
    const [batch, keyHeads, groups, length] = query.shape as [number, number, number, number]; // rank 5
    const perRow = batch * keyHeads * groups * this.#call.attrs.keyCount;
    const step = Math.max(1, Math.floor(MAX_SCORES / perRow));
    for (let start = 0; start < length; start += step) {
      tidy(() => this.#add({ start, count: Math.min(step, length - start) }, sums));
    }
    return sums;
  }

  #add(rows: Rows, [query, key, value]: Sums): void {
    const call = this.#call;
    const { scale, softcap } = call.attrs;
    const at = (x: Tensor) => x.narrow(3, rows.start, rows.count);
    const { softcapped, masked, seen } = scoresOf(call, rows);
    const [gradOut, total] = [at(this.#gradOut), at(this.#logSumExp)];
    const weights = where(total.eq(-Infinity), 0, masked.sub(total).exp());
    if (value !== undefined) add(value, folded(dropped(call, weights, rows)).transpose(2, 3), folded(gradOut));
    if (query === undefined && key === undefined) return;
    const pulled = dropped(call, grouped(gradOut, valuesOf(call, seen).transpose(2, 3)), rows);
    const moved = weights.mul(pulled.sub(at(this.#flow))).mul(scale);
    const slope = softcap === 0 ? moved : moved.mul(softcapped.div(softcap).square().neg().add(1));
    if (query !== undefined) at(query).copy_(grouped(slope, keysOf(call, seen)));
    if (key !== undefined) add(key, folded(slope).transpose(2, 3), folded(at(call.inputs[0]!).to(slope.dtype)));
  }

  /** The sinks' gradient, `[Hkv, G]`. */
  sinks(sinks: Tensor): Tensor {
    const share = sinks.unsqueeze(-1).unsqueeze(-1).sub(this.#logSumExp).exp(); // [B, Hkv, G, T, 1]
    return share.mul(this.#flow).neg().sum({ dim: [0, 3, 4] });
  }
}

/** `[B, Hkv, G, n, …] -> [B, Hkv, G * n, …]`. */
function folded(x: Tensor): Tensor {
  return x.reshape([x.shape[0]!, x.shape[1]!, x.shape[2]! * x.shape[3]!, x.shape[4]!]);
}

function add(sum: Tensor, left: Tensor, right: Tensor): void {
  using product = matmul(left, right);
  using total = sum.add(product);
  sum.copy_(total);
}
