/**
 * What sampling.ts does to one row of logits, as tensor ops on all rows at once, where the logits are: a step then gives the
 * host an id a row, and not V logits.
 *
 * Filters, order and draw are the same, and so is the point that is drawn. Numbers are f32 here and f64 on the host: the two
 * draw the same id unless the point lies within rounding of where one id ends and the next begins, and keep the same ones
 * unless a probability lies as close to `topP` or `minP`. Greedy choice has no sums, and is the same always.
 *
 * Letters: B rows, V words.
 */
import { type Backend, cat, cumsum, full, scatter, sort, type Tensor, tensor, tidy, where } from "../../core/mod.ts";
import { drawPoint, type FilterOptions, type SampleOptions } from "./sampling.ts";

/** Devices may take f32 below 2^-126 for 0; at this one, what differs by 1e-28 has odds of 0 already. */
const LEAST_TEMPERATURE = 2 ** -100;

/** Ids that a step drew, on the backend. */
export interface DrawnIds {
  /** i32 `[B, 1]`, each in the vocabulary whatever the logits were: what the next step is fed. */
  readonly ids: Tensor;
  /** i32 `[B]`: the ids, or what {@linkcode whyNot} tells. */
  readonly codes: Tensor;
}

/** Why a code is no id: `-1 - i` where logit i is NaN, V where every logit is -Infinity. @returns undefined for an id */
export function whyNot(code: number, words: number): string | undefined {
  if (code < 0) return `logit ${-1 - code} is NaN`;
  return code === words ? "every logit is -Infinity" : undefined;
}

/**
 * Draws one id a row, for rows `options.row` and on.
 *
 * @param logits f32 `[B, V]`
 * @param step counts the draws of one seed, from 0
 * @param seen bool `[B, V]`: the ids that `repetitionPenalty` is about; needed where there is one
 */
export function sampleOnBackend(logits: Tensor, options: SampleOptions, step: number, seen?: Tensor): DrawnIds {
  const { temperature = 1, repetitionPenalty } = options;
  return tidy(() => {
    let bent = logits;
    if (repetitionPenalty !== undefined && seen !== undefined) bent = penalized(bent, repetitionPenalty, seen);
    const first = bent.argmax({ dim: 1, keepdim: true }); // [B, 1], of NaN where there is one
    const divided = temperature === 0 || temperature === 1 ? bent : tempered(bent, temperature);
    const ids = temperature === 0 ? first : drawn(filteredOnBackend(divided, options), options, step);
    return { ids, codes: codesOf(ids, first, bent) };
  });
}

/** Ids `[B, 1]`, but where the largest logit is none: codes `[B]`. */
function codesOf(ids: Tensor, first: Tensor, logits: Tensor): Tensor {
  const largest = logits.gather(1, first);
  const hindrance = where(largest.isnan(), first.neg().sub(1), logits.shape[1]!);
  return where(largest.gt(-Infinity), ids, hindrance).squeeze(1);
}

/** Logits `[B, V]` divided, less the largest: only what lies below it can overflow, to a probability of 0. */
function tempered(logits: Tensor, temperature: number): Tensor {
  const largest = logits.amax({ dim: 1, keepdim: true });
  const below = logits.sub(largest).div(Math.max(temperature, LEAST_TEMPERATURE));
  return where(logits.eq(largest), 0, below); // an infinite largest less itself would be NaN
}

function penalized(logits: Tensor, penalty: number, seen: Tensor): Tensor {
  return where(seen, where(logits.lt(0), logits.mul(penalty), logits.div(penalty)), logits);
}

/** Top-k, top-p and min-p of {@linkcode FilterOptions}: logits `[B, V]`, -Infinity where an id may not be drawn. */
export function filteredOnBackend(logits: Tensor, { topK = Infinity, topP = 1, minP = 0 }: FilterOptions): Tensor {
  return tidy(() => {
    const sorts = topK < logits.shape[1]! || topP < 1;
    const kept = sorts ? keptOfSorted(logits, topK, topP) : logits.detach();
    return minP === 0 ? kept : where(weightsOf(kept).lt(minP), -Infinity, kept);
  });
}

/** Of equal logits the first id comes first, which is the one that top-p keeps. */
function keptOfSorted(logits: Tensor, topK: number, topP: number): Tensor {
  const words = logits.shape[1]!;
  const { values, indices } = sort(logits, { descending: true });
  let kept = values;
  if (topK < words) kept = where(values.lt(values.narrow(1, topK - 1, 1)), -Infinity, values);
  if (topP < 1) {
    const sums = cumsum(weightsOf(kept), 1);
    const inside = sums.narrow(1, 0, words - 1).lt(sums.narrow(1, words - 1, 1).mul(topP)); // by what comes before
    const always = full([logits.shape[0]!, 1], 1, { dtype: "bool", backend: logits.backend });
    kept = where(cat([always, inside], 1), kept, -Infinity);
  }
  return scatter(logits, 1, indices, kept);
}

/** Probabilities before division by their sum, `[B, V]`; the largest is 1, also where its logit is infinite. */
function weightsOf(logits: Tensor): Tensor {
  const largest = logits.amax({ dim: 1, keepdim: true });
  return where(logits.eq(largest), 1, logits.sub(largest).exp());
}

/** Inverts the distribution function: `[B, 1]`, the first id at which the running sum passes the row's point. */
function drawn(logits: Tensor, { seed = 0, row = 0 }: SampleOptions, step: number): Tensor {
  const { shape: [rows], backend } = logits;
  const points = Float32Array.from({ length: rows! }, (_, r) => drawPoint(seed, step, row + r));
  const weights = weightsOf(logits);
  // A backend adds in pieces, so sums may fall by a rounding: only an id that may be drawn can pass the point.
  const sums = where(weights.gt(0), cumsum(weights, 1), 0);
  const targets = sums.amax({ dim: 1, keepdim: true }).mul(tensor(points, { shape: [rows!, 1], backend }));
  return sums.gt(targets).to("i32").argmax({ dim: 1, keepdim: true });
}

/** Which ids rows hold: bool `[B, V]`. */
export function seenIds(rows: readonly Iterable<number>[], words: number, backend: Backend): Tensor {
  const seen = new Uint8Array(rows.length * words);
  for (const [row, ids] of rows.entries()) for (const id of ids) seen[row * words + id] = 1;
  return tensor(seen, { shape: [rows.length, words], dtype: "bool", backend });
}

/** The same with one id more a row, `[B, 1]`. */
export function withSeen(seen: Tensor, ids: Tensor): Tensor {
  return tidy(() => scatter(seen, 1, ids, full(ids.shape, 1, { dtype: "bool", backend: seen.backend })));
}
