/**
 * From logits to the next token, on the host: plain functions over one row of logits. The order is Hugging Face's
 * (transformers `generation/logits_process.py`): repetition penalty, temperature, top-k, top-p, min-p; then one draw.
 *
 * The draw is Threefry's first word for the key `seed` and the counter (step, row), its top 24 bits a number in [0, 1)
 * that inverts the distribution function. It depends on nothing else: equal logits give equal tokens on every backend, a
 * step can be drawn again without the ones before, and a row draws as it does whatever rows stand beside it.
 */

import { checkNames, ShapeError } from "../../core/src/errors.ts";
import { threefry2x32 } from "../../core/src/random.ts";

const LAST_WORD = 0xffffffff; // of the generator's counters

/** Which tokens may be drawn, and how the logits are bent before. What is left out is off. */
export interface FilterOptions {
  /** Divides the logits, less the largest where that would overflow; above 0. */
  readonly temperature?: number;
  /** Keeps the k largest logits (and ties with the least of them); an integer of at least 1. */
  readonly topK?: number;
  /** Keeps the fewest most probable tokens whose probabilities reach this sum; from 0 to 1, never none. */
  readonly topP?: number;
  /** Keeps tokens at least this many times as probable as the most probable; from 0 to 1. */
  readonly minP?: number;
  /** Divides positive logits of `previousIds` and multiplies negative ones; above 0, above 1 against repetition. */
  readonly repetitionPenalty?: number;
}

/** How {@linkcode sampleToken} chooses. */
export interface SampleOptions extends FilterOptions {
  /** As in {@linkcode FilterOptions}; 0 takes the largest logit, the first of equals. Default 1. */
  readonly temperature?: number;
  /** A non-negative integer up to 2^53 - 1. Default 0. */
  readonly seed?: number;
  /** Which row of a batch this is: rows draw independently of each other. An integer up to 2^32 - 1. Default 0. */
  readonly row?: number;
}

const FILTER_OPTIONS = {
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
} as const satisfies Record<keyof FilterOptions, true>;

/** Names of {@linkcode SampleOptions}. */
export const SAMPLE_OPTIONS = {
  ...FILTER_OPTIONS,
  seed: true,
  row: true,
} as const satisfies Record<keyof SampleOptions, true>;

/** What other libraries call them. */
export const FOREIGN_SAMPLE_OPTIONS: Readonly<Record<string, string>> = {
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  repetition_penalty: "repetitionPenalty",
  do_sample: "temperature, which is 0 for none",
  doSample: "temperature, which is 0 for none",
};

/**
 * Applies the filters of `options` to one row of logits.
 * @param logits `[V]`; not changed.
 * @param previousIds the ids that `repetitionPenalty` is about; repeats count once.
 * @returns new logits `[V]`, -Infinity where a token may not be drawn.
 * @throws {ShapeError} when an option is out of its range, a logit is NaN, there are no logits, or a previous id is
 * outside the vocabulary.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { filterLogits } from "@heed/heed/text";
 *
 * const logits = Float32Array.of(1, 4, 2);
 * assertEquals(filterLogits(logits, { topK: 2, temperature: 0.5 }), Float32Array.of(-Infinity, 8, 4));
 * ```
 */
export function filterLogits(
  logits: Float32Array,
  options: FilterOptions,
  previousIds: Iterable<number> = [],
): Float32Array {
  checkNames("filter logits", options, FILTER_OPTIONS, FOREIGN_SAMPLE_OPTIONS);
  checkFilterOptions(options);
  checkLogits(logits);
  const { temperature, topK, topP, minP, repetitionPenalty } = options;
  const filtered = logits.slice();
  if (repetitionPenalty !== undefined) penalizeRepetition(filtered, repetitionPenalty, previousIds);
  if (temperature !== undefined) divide(filtered, temperature);
  if (topK !== undefined) keepTopK(filtered, topK);
  if (topP !== undefined && topP < 1) keepTopP(filtered, topP);
  if (minP !== undefined) keepMinP(filtered, minP);
  return filtered;
}

/**
 * Chooses the next token from one row of logits.
 * @param logits `[V]`; not changed.
 * @param step counts the draws of one seed, from 0; the same seed, step and row draw alike.
 * @param previousIds the ids that `repetitionPenalty` is about.
 * @returns the chosen id.
 * @throws {ShapeError} as {@linkcode filterLogits} does, and when no token is possible.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sampleToken } from "@heed/heed/text";
 *
 * const logits = Float32Array.of(1, 4, 2);
 * assertEquals(sampleToken(logits, { temperature: 0 }, 0), 1);
 * assertEquals(sampleToken(logits, { seed: 7 }, 3), sampleToken(logits, { seed: 7 }, 3));
 * ```
 */
export function sampleToken(
  logits: Float32Array,
  options: SampleOptions,
  step: number,
  previousIds: Iterable<number> = [],
): number {
  checkNames("sample", options, SAMPLE_OPTIONS, FOREIGN_SAMPLE_OPTIONS);
  checkSampleOptions(options);
  checkCount("step", step, LAST_WORD);
  const { seed = 0, row = 0, temperature, ...filters } = options;
  if (temperature === 0) return largest(filterLogits(logits, filters, previousIds));
  const filtered = filterLogits(logits, temperature === undefined ? filters : { ...filters, temperature }, previousIds);
  return draw(filtered, drawPoint(seed, step, row));
}

/**
 * Checks the ranges that {@linkcode sampleToken} would refuse, for callers with work to do before.
 * @throws {ShapeError} when an option is out of its range.
 */
export function checkSampleOptions({ seed = 0, row = 0, temperature, ...filters }: SampleOptions): void {
  checkCount("seed", seed, Number.MAX_SAFE_INTEGER);
  checkCount("row", row, LAST_WORD);
  checkFilterOptions(temperature === undefined || temperature === 0 ? filters : { ...filters, temperature });
}

/** Inverts the distribution function: the first id at which the running sum of probabilities passes `point` of 1. */
function draw(logits: Float32Array, point: number): number {
  const weights = softmaxWeights(logits);
  const target = point * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  let last = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    sum += weights[id]!;
    if (sum > target) return id;
    last = id;
  }
  // Rounding can leave the sum a hair below the target.
  return last;
}

/** @ignore The point of a draw: a number in [0, 1) on a grid of 2^-24, like every uniform draw of the library. */
export function drawPoint(seed: number, step: number, row: number): number {
  const [word] = threefry2x32(seed >>> 0, Math.floor(seed / 2 ** 32), step, row);
  return (word >>> 8) / 2 ** 24;
}

/** Probabilities before division by their sum, in f64; the largest is 1. */
function softmaxWeights(logits: Float32Array): Float64Array {
  const max = logits[largest(logits)]!;
  // The first comparison also covers an infinite maximum, whose difference with itself is NaN.
  return Float64Array.from(logits, (logit) => (logit === max ? 1 : Math.exp(logit - max)));
}

/** The first id with the largest logit. */
function largest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) {
    if (logits[id]! > logits[best]!) best = id;
  }
  if (logits[best] === -Infinity) throw new ShapeError("Cannot sample: every logit is -Infinity");
  return best;
}

function penalizeRepetition(logits: Float32Array, penalty: number, previousIds: Iterable<number>): void {
  for (const id of new Set(previousIds)) {
    const logit = logits[id];
    if (logit === undefined) {
      throw new ShapeError(`Cannot penalize id ${id}: the vocabulary has ids 0 to ${logits.length - 1}`);
    }
    logits[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
}

/** Where the largest would overflow, it becomes 0 and the others lie below it: the same odds, and none lost to infinity. */
function divide(logits: Float32Array, temperature: number): void {
  const max = logits.reduce((a, b) => Math.max(a, b));
  const shift = max === -Infinity || Number.isFinite(Math.fround(max / temperature)) ? 0 : max;
  for (let id = 0; id < logits.length; id++) {
    // The comparison covers an infinite maximum, whose difference with itself is NaN.
    logits[id] = shift !== 0 && logits[id] === max ? 0 : (logits[id]! - shift) / temperature;
  }
}

function keepTopK(logits: Float32Array, topK: number): void {
  if (topK >= logits.length) return;
  const ascending = logits.slice().sort();
  const least = ascending[logits.length - topK]!;
  hideWhere(logits, (logit) => logit < least);
}

/** Drops the least probable tokens as long as their sum stays within 1 - topP. */
function keepTopP(logits: Float32Array, topP: number): void {
  const ascending = logits.slice().sort();
  const weights = softmaxWeights(ascending);
  const budget = (1 - topP) * weights.reduce((sum, weight) => sum + weight, 0);
  let dropped = 0;
  for (let sum = weights[0]!; dropped < weights.length - 1 && sum <= budget; sum += weights[dropped]!) dropped++;
  const least = ascending[dropped]!;
  // Of tokens that tie with the least probable one kept, the first ones stay.
  let ties = ascending.length - dropped - logits.reduce((count, logit) => count + (logit > least ? 1 : 0), 0);
  hideWhere(logits, (logit) => logit < least || (logit === least && ties-- <= 0));
}

function keepMinP(logits: Float32Array, minP: number): void {
  const weights = softmaxWeights(logits);
  hideWhere(logits, (_, id) => weights[id]! < minP);
}

function hideWhere(logits: Float32Array, hidden: (logit: number, id: number) => boolean): void {
  for (let id = 0; id < logits.length; id++) {
    if (hidden(logits[id]!, id)) logits[id] = -Infinity;
  }
}

function checkFilterOptions({ temperature, topK, topP, minP, repetitionPenalty }: FilterOptions): void {
  checkPositive("temperature", temperature);
  checkPositive("repetitionPenalty", repetitionPenalty);
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) refuse("topK", topK, "a positive integer");
  if (topP !== undefined && !(topP >= 0 && topP <= 1)) refuse("topP", topP, "between 0 and 1");
  if (minP !== undefined && !(minP >= 0 && minP <= 1)) refuse("minP", minP, "between 0 and 1");
}

function checkPositive(name: string, value: number | undefined): void {
  if (value !== undefined && !(value > 0 && value < Infinity)) refuse(name, value, "positive and finite");
}

function checkCount(name: string, value: number, max: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value <= max)) refuse(name, value, `an integer from 0 to ${max}`);
}

function refuse(name: string, value: number, expected: string): never {
  throw new ShapeError(`Cannot sample with ${name} ${value}: it must be ${expected}`);
}

function checkLogits(logits: Float32Array): void {
  if (logits.length === 0) throw new ShapeError("Cannot sample: there are no logits");
  const nan = logits.findIndex(Number.isNaN);
  if (nan >= 0) throw new ShapeError(`Cannot sample: logit ${nan} is NaN`);
}
