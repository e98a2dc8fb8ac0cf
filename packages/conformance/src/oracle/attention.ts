/** Attention by one loop over scores, in doubles: every option for every score, and nothing shared or skipped. */
import { at, type Dense, generate } from "./dense.ts";
import { threefry } from "./threefry.ts";

/** Operands and settings; the words are those of the library's options. */
export interface AttentionProblem {
  /** `[B, H, T, D]`. */
  readonly query: Dense;
  /** `[B, Hkv, S, D]`. */
  readonly key: Dense;
  /** `[B, Hkv, S, Dv]`. */
  readonly value: Dense;
  /** Truth values that broadcast to `[B, H, T, S]`. */
  readonly shown?: Dense | undefined;
  /** Numbers added, that broadcast likewise. */
  readonly bias?: Dense | undefined;
  readonly causal?: "upper-left" | "lower-right" | undefined;
  readonly offset?: number | undefined;
  readonly left?: number | undefined;
  readonly right?: number | undefined;
  readonly sinkTokens?: number | undefined;
  readonly scale?: number | undefined;
  readonly softcap?: number | undefined;
  /** `[H]`. */
  readonly alibiSlopes?: Dense | undefined;
  /** `[H]`. */
  readonly sinks?: Dense | undefined;
  /** `[B]`. */
  readonly keyLengths?: Dense | undefined;
  readonly interleaved?: boolean | undefined;
  /** Probability, and the seed's words. */
  readonly dropout?: { readonly p: number; readonly seed: readonly [number, number] } | undefined;
}

/** What comes of it. */
export interface AttentionAnswer {
  /** `[B, H, T, Dv]`. */
  readonly output: Dense;
  /** `[B, H, T, S]`, after dropout. */
  readonly weights: Dense;
  /** `[B, H, T]`. */
  readonly logSumExp: Dense;
}

/** Solves it. */
export function attention(problem: AttentionProblem): AttentionAnswer {
  const { query, key, value } = problem;
  const [batch, heads, length] = query.shape as [number, number, number]; // rank 4
  const keys = key.shape[2]!;
  const scores = generate(
    [batch, heads, length, keys],
    (index) => score(problem, index as [number, number, number, number]),
  );
  const logSumExp = generate([batch, heads, length], ([b, h, t]) => {
    const row = Array.from({ length: keys }, (_, s) => at(scores, [b!, h!, t!, s]));
    if (problem.sinks !== undefined) row.push(at(problem.sinks, [h!]));
    const highest = Math.max(-Infinity, ...row);
    return highest === -Infinity ? highest : highest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - highest), 0));
  });
  const weights = generate([batch, heads, length, keys], ([b, h, t, s]) => {
    const x = at(scores, [b!, h!, t!, s!]);
    return x === -Infinity ? 0 : Math.exp(x - at(logSumExp, [b!, h!, t!])) * kept(problem, b!, h!, t!, s!);
  });
  const output = generate([batch, heads, length, value.shape[3]!], ([b, h, t, d]) => {
    let sum = 0;
    for (let s = 0; s < keys; s++) sum += at(weights, [b!, h!, t!, s]) * at(value, [b!, keyHead(problem, h!), s, d!]);
    return sum;
  });
  return { output, weights, logSumExp };
}

function keyHead({ query, key, interleaved }: AttentionProblem, h: number): number {
  const keyHeads = key.shape[1]!;
  return interleaved === true ? h % keyHeads : Math.floor(h / (query.shape[1]! / keyHeads));
}

function score(problem: AttentionProblem, [b, h, t, s]: [number, number, number, number]): number {
  const { query, key, scale, softcap, bias, alibiSlopes } = problem;
  const p = positionOf(problem, b, t);
  if (!visible(problem, b, h, t, s, p)) return -Infinity;
  const size = query.shape[3]!;
  let product = 0;
  for (let d = 0; d < size; d++) product += at(query, [b, h, t, d]) * at(key, [b, keyHead(problem, h), s, d]);
  let x = product * (scale ?? 1 / Math.sqrt(size));
  if (softcap !== undefined) x = softcap * Math.tanh(x / softcap);
  if (alibiSlopes !== undefined) x += at(alibiSlopes, [h]) * (s - p);
  return bias === undefined ? x : x + at(bias, [b, h, t, s]);
}

function positionOf({ query, key, causal, offset, keyLengths }: AttentionProblem, b: number, t: number): number {
  if (offset !== undefined) return t + offset;
  if (causal === "upper-left") return t;
  return t + (keyLengths === undefined ? key.shape[2]! : at(keyLengths, [b])) - query.shape[2]!;
}

function visible(problem: AttentionProblem, b: number, h: number, t: number, s: number, p: number): boolean {
  const { shown, causal, left = Infinity, right = Infinity, sinkTokens = 0, keyLengths } = problem;
  if (shown !== undefined && at(shown, [b, h, t, s]) === 0) return false;
  if (keyLengths !== undefined && s >= at(keyLengths, [b])) return false;
  if (causal !== undefined && s > p) return false;
  return s <= p + right && (s >= p - left || s < sinkTokens);
}

/** What dropout multiplies a weight by; draws are counted over `[B, Hkv, G, T, S]`. */
function kept(problem: AttentionProblem, b: number, h: number, t: number, s: number): number {
  const { dropout, query, key, interleaved } = problem;
  if (dropout === undefined) return 1;
  const [, heads, length] = query.shape as [number, number, number, number]; // rank 4
  const [keyHeads, keys] = [key.shape[1]!, key.shape[2]!];
  const groups = heads / keyHeads;
  const place = interleaved === true ? (h % keyHeads) * groups + Math.floor(h / keyHeads) : h;
  const i = ((b * heads + place) * length + t) * keys + s;
  const draw = Math.floor(threefry(dropout.seed, [i, 0])[0] / 256) / 2 ** 24;
  return draw < dropout.p ? 0 : 1 / (1 - dropout.p);
}
