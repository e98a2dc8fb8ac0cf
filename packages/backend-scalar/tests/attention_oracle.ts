/** Attention as its contract says it, a score at a time in f64: what the tiled kernel is compared with. */
import type { AttentionAttrs, AttentionExtra } from "../../core/src/backend.ts";
import { threefry2x32 } from "../../core/src/random.ts";
import type { ScalarOperand } from "../src/buffer.ts";
import { numbersOf } from "./operands.ts";

/** One call of the kernel. */
export interface Call {
  readonly query: ScalarOperand;
  readonly key: ScalarOperand;
  readonly value: ScalarOperand;
  readonly extras: Partial<Record<AttentionExtra, ScalarOperand>>;
  readonly attrs: Omit<AttentionAttrs, "extras">;
}

/** The elements of an operand by index, where dims of size 1 repeat. */
function table(x: ScalarOperand): (...index: number[]) => number {
  const numbers = numbersOf(x);
  return (...index) => numbers[index.reduce((at, i, d) => at * x.shape[d]! + (x.shape[d] === 1 ? 0 : i), 0)]!;
}

/** Output `[B, Hkv, G, T, Dv]` and logSumExp `[B, Hkv, G, T]` in row-major order. */
export function attend(call: Call): { output: number[]; logSumExp: number[] } {
  const { query, key, value, attrs: { keyCount: S, scale, softcap, offset, left, right, sinkTokens, dropout } } = call;
  const [B, Hkv, G, T, D] = query.shape as [number, number, number, number, number];
  const Dv = value.shape[3]!;
  const [q, k, v] = [table(query), table(key), table(value)];
  const extra = (name: AttentionExtra) => call.extras[name] && table(call.extras[name]);
  const [mask, slopes, sinks, lengths] = [extra("mask"), extra("alibiSlopes"), extra("sinks"), extra("keyLengths")];
  const [positions, pages, kinds] = [extra("keyPositions"), extra("pageTable"), extra("blockKinds")];
  const blocks = extra("blockTable");
  const n = call.extras.blockTable?.shape[1] ?? 1;
  const pageTokens = key.shape[2]!;
  const bool = call.extras.mask?.dtype === "bool";
  const output: number[] = [], logSumExp: number[] = [];
  let row = 0;
  for (let b = 0; b < B; b++) {
    const length = lengths === undefined ? S : Math.max(0, Math.min(S, lengths(b)));
    const at = (x: typeof k, h: number, s: number, d: number): number =>
      pages === undefined ? x(b, h, s, d) : x(pages(b, Math.floor(s / pageTokens)), h, s % pageTokens, d);
    for (let h = 0; h < Hkv; h++) {
      for (let g = 0; g < G; g++) {
        for (let t = 0; t < T; t++, row++) {
          const p = t + (offset === "keyLengths" ? (lengths?.(b) ?? S) - T : offset);
          const scores = new Map<number, number>();
          for (let s = 0; s < length; s++) {
            const position = positions === undefined ? s : positions(s);
            if (position > p + right || (position < p - left && position >= sinkTokens)) continue;
            const kind = kinds === undefined ? 1 : kinds(b, h, g, Math.floor(t / n), Math.floor(s / n));
            if (kind === 0 || (kind > 1 && blocks!(kind, t % n, s % n) === 0)) continue;
            const masked = mask === undefined ? (bool ? 1 : 0) : mask(b, h, g, t, s);
            if (mask !== undefined && masked === (bool ? 0 : -Infinity)) continue;
            let score = 0;
            for (let d = 0; d < D; d++) score += q(b, h, g, t, d) * scale * at(k, h, s, d);
            if (softcap !== 0) score = softcap * Math.tanh(score / softcap);
            if (slopes !== undefined) score += slopes(h, g) * (position - p);
            if (!bool) score += masked;
            if (score !== -Infinity) scores.set(s, score);
          }
          const sink = sinks === undefined ? -Infinity : sinks(h, g);
          const max = [...scores.values(), sink].reduce((a, x) => x > a ? x : a, -Infinity);
          let total = sink === -Infinity ? 0 : Math.exp(sink - max);
          for (const x of scores.values()) total += Math.exp(x - (max === -Infinity ? 0 : max));
          logSumExp.push(total === 0 ? -Infinity : max + Math.log(total));
          for (let d = 0; d < Dv; d++) {
            let sum = 0;
            for (const [s, x] of scores) {
              sum += Math.exp(x - (max === -Infinity ? 0 : max)) * keep(row * S + s) * at(v, h, s, d);
            }
            output.push(total === 0 ? 0 : sum / total);
          }
        }
      }
    }
  }
  return { output, logSumExp };

  function keep(i: number): number {
    if (dropout === undefined) return 1;
    const [key0, key1] = dropout.seed;
    const draw = Math.floor(threefry2x32(key0, key1, i % 2 ** 32, Math.floor(i / 2 ** 32))[0] / 256) / 2 ** 24;
    return draw < dropout.p ? 0 : 1 / (1 - dropout.p);
  }
}
