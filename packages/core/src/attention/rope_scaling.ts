/**
 * The angle frequencies of rotary embeddings, and how they are stretched for contexts longer than a model was trained on:
 *
 *     frequency[i] = theta^(-2i / R)        one for each of the R/2 pairs
 *
 * `linear` divides all by the factor (position interpolation); `llama3` divides those that turn less than lowFreqFactor
 * times within the original context, leaves those that turn more than highFreqFactor times, and blends between them;
 * `yarn` blends along a ramp over the pairs, and makes cosines and sines longer (Peng et al., "YaRN", 2023); `factors`
 * divides each by a number of its own (GGUF's `rope_freqs.weight`).
 * Source: Hugging Face transformers, `modeling_rope_utils.py`.
 */
import { ShapeError } from "../errors.ts";

/** All frequencies divided by the factor, which is positions divided by it. */
export interface LinearRopeScaling {
  /** Which scaling. */
  readonly type: "linear";
  /** At least 1. */
  readonly factor: number;
}

/** Llama 3.1's: slow pairs are slowed down, fast ones stay. */
export interface Llama3RopeScaling {
  /** Which scaling. */
  readonly type: "llama3";
  /** What slow pairs are divided by; at least 1. */
  readonly factor: number;
  /** Pairs that turn fewer times than this in the original context are slow. */
  readonly lowFreqFactor: number;
  /** Pairs that turn more times than this in the original context are fast; above lowFreqFactor. */
  readonly highFreqFactor: number;
  /** Tokens of the original context. */
  readonly originalMaxPositionEmbeddings: number;
}

/** YaRN: slow pairs are slowed down, fast ones stay, and the logits grow with the context. */
export interface YarnRopeScaling {
  /** Which scaling. */
  readonly type: "yarn";
  /** What slow pairs are divided by; at least 1. */
  readonly factor: number;
  /** Tokens of the original context. */
  readonly originalMaxPositionEmbeddings: number;
  /** Pairs that turn more times than this in the original context stay; 32 when left out. */
  readonly betaFast?: number | undefined;
  /** Pairs that turn fewer times than this in the original context are divided by the factor; 1 when left out. */
  readonly betaSlow?: number | undefined;
  /** What cosines and sines are multiplied by; `0.1 ln(factor) + 1` when left out. */
  readonly attentionFactor?: number | undefined;
  /** With mscaleAllDim: attentionFactor is `(0.1 mscale ln(factor) + 1) / (0.1 mscaleAllDim ln(factor) + 1)`. */
  readonly mscale?: number | undefined;
  /** See mscale; either being 0 is both left out. */
  readonly mscaleAllDim?: number | undefined;
  /** Whether the ends of the ramp are rounded outwards to whole pairs; true when left out. */
  readonly truncate?: boolean | undefined;
}

/** Each frequency divided by a number of its own. */
export interface FactorsRopeScaling {
  /** Which scaling. */
  readonly type: "factors";
  /** R/2 numbers above 0. */
  readonly factors: readonly number[];
}

/** How rotary frequencies are changed for longer contexts. */
export type RopeScaling = LinearRopeScaling | Llama3RopeScaling | YarnRopeScaling | FactorsRopeScaling;

/** How fast each pair turns. */
export interface RopeFrequencies {
  /** Radians a position, one for each of the R/2 pairs, in single precision as models compute them. */
  readonly frequencies: Float32Array;
  /** What cosines and sines are multiplied by; 1 without YaRN. */
  readonly attentionFactor: number;
}

/**
 * The angle frequencies `theta^(-2i / R)`, scaled or not (Hugging Face's `ROPE_INIT_FUNCTIONS`).
 *
 * @param rotaryDim R, the elements of a head that rotate
 * @param theta the base, 10000 in the paper
 * @param scaling how they are changed for longer contexts; not at all when left out
 * @returns R/2 frequencies, and the factor of the tables
 * @throws {ShapeError} when R is odd, or a number is out of its range
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ropeFrequencies } from "@heed/heed/core";
 *
 * assertEquals(ropeFrequencies(4, 16).frequencies, new Float32Array([1, 0.25]));
 * assertEquals(ropeFrequencies(4, 16, { type: "linear", factor: 2 }).frequencies, new Float32Array([0.5, 0.125]));
 * ```
 */
export function ropeFrequencies(rotaryDim: number, theta: number, scaling?: RopeScaling): RopeFrequencies {
  if (!Number.isSafeInteger(rotaryDim) || rotaryDim < 2 || rotaryDim % 2 !== 0) {
    refuse(`of ${rotaryDim} elements`, "elements rotate in pairs, so their count is even and at least 2");
  }
  if (!isAbove(0, theta)) refuse(`with theta ${theta}`, "it is a number above 0");
  const plain = Float32Array.from({ length: rotaryDim / 2 }, (_, i) => 1 / theta ** (2 * i / rotaryDim));
  if (scaling === undefined) return { frequencies: plain, attentionFactor: 1 };
  switch (scaling.type) {
    case "linear":
      checkFactor(scaling);
      return { frequencies: plain.map((frequency) => frequency / scaling.factor), attentionFactor: 1 };
    case "llama3":
      return { frequencies: llama3(plain, scaling), attentionFactor: 1 };
    case "yarn":
      return { frequencies: yarn(plain, rotaryDim, theta, scaling), attentionFactor: yarnFactor(scaling) };
    case "factors":
      return { frequencies: divided(plain, scaling), attentionFactor: 1 };
    default: {
      const { type } = scaling satisfies never as { type: unknown }; // from JavaScript anything may come
      return refuse(`scaled by ${JSON.stringify(type)}`, 'known are "linear", "llama3", "yarn" and "factors"');
    }
  }
}

/** Slow pairs divided, fast ones left, blended by their number of turns between. */
function llama3(plain: Float32Array, scaling: Llama3RopeScaling): Float32Array {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositionEmbeddings: original } = scaling;
  checkFactor(scaling);
  checkContext(scaling);
  if (!isAbove(0, low) || !isAbove(low, high)) {
    refuse(
      `scaled by "llama3" with lowFreqFactor ${low} and highFreqFactor ${high}`,
      "both are numbers above 0, and the low one is the smaller",
    );
  }
  return plain.map((frequency) => {
    const turns = original * frequency / (2 * Math.PI);
    const kept = clamp01((turns - low) / (high - low));
    return (1 - kept) * frequency / factor + kept * frequency;
  });
}

/** Divided from the pair on that turns betaSlow times, left up to the one that turns betaFast times, a ramp between. */
function yarn(plain: Float32Array, rotaryDim: number, theta: number, scaling: YarnRopeScaling): Float32Array {
  const { factor, betaFast = 32, betaSlow = 1, originalMaxPositionEmbeddings: original, truncate = true } = scaling;
  checkFactor(scaling);
  checkContext(scaling);
  if (theta <= 1) {
    refuse(`scaled by "yarn" with theta ${theta}`, "frequencies must fall from pair to pair; it is above 1");
  }
  if (!isAbove(0, betaSlow) || !isAbove(betaSlow, betaFast)) {
    refuse(
      `scaled by "yarn" with betaFast ${betaFast} and betaSlow ${betaSlow}`,
      "both are numbers above 0, and the slow one is the smaller",
    );
  }
  const pairThatTurns = (times: number): number =>
    rotaryDim * Math.log(original / (times * 2 * Math.PI)) / (2 * Math.log(theta));
  const [fast, slow] = [pairThatTurns(betaFast), pairThatTurns(betaSlow)];
  const first = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const last = Math.min(truncate ? Math.ceil(slow) : slow, rotaryDim - 1); // R - 1 and not R/2 - 1: as models were trained
  const width = last === first ? 0.001 : last - first; // as there; a step then
  return plain.map((frequency, i) => {
    const divided = clamp01((i - first) / width);
    return divided * frequency / factor + (1 - divided) * frequency;
  });
}

/** The factor of YaRN's tables. */
function yarnFactor({ factor, attentionFactor, mscale, mscaleAllDim }: YarnRopeScaling): number {
  for (const [name, value] of Object.entries({ mscale, mscaleAllDim })) {
    if (value !== undefined && value !== 0 && !isAbove(0, value)) {
      refuse(`scaled by "yarn" with ${name} ${value}`, "it is a number of at least 0");
    }
  }
  if (attentionFactor !== undefined && !isAbove(0, attentionFactor)) {
    refuse(`scaled by "yarn" with attentionFactor ${attentionFactor}`, "it is a number above 0");
  }
  const grown = (by: number): number => 0.1 * by * Math.log(factor) + 1;
  return attentionFactor ?? (mscale && mscaleAllDim ? grown(mscale) / grown(mscaleAllDim) : grown(1));
}

function divided(plain: Float32Array, { factors }: FactorsRopeScaling): Float32Array {
  if (factors.length !== plain.length) {
    refuse(`of ${2 * plain.length} elements by ${factors.length} factors`, `there is one a pair, so ${plain.length}`);
  }
  const bad = factors.findIndex((factor) => !isAbove(0, factor));
  if (bad !== -1) refuse(`scaled by factor ${factors[bad]} at pair ${bad}`, "it is a number above 0");
  return plain.map((frequency, i) => frequency / factors[i]!);
}

function checkFactor({ type, factor }: LinearRopeScaling | Llama3RopeScaling | YarnRopeScaling): void {
  if (!isAbove(0, factor) || factor < 1) {
    refuse(`scaled by ${JSON.stringify(type)} with factor ${factor}`, "it is a number of at least 1");
  }
}

function checkContext({ type, originalMaxPositionEmbeddings: original }: Llama3RopeScaling | YarnRopeScaling): void {
  if (!isAbove(0, original)) {
    refuse(`scaled by "${type}" with originalMaxPositionEmbeddings ${original}`, "it is a number above 0");
  }
}

/** Whether it is a finite number above a bound; from JavaScript anything may come. */
function isAbove(bound: number, value: unknown): boolean {
  return typeof value === "number" && value > bound && value < Infinity;
}

function clamp01(x: number): number {
  return Math.min(Math.max(x, 0), 1);
}

function refuse(what: string, why: string): never {
  throw new ShapeError(`Cannot make ropeFrequencies ${what}: ${why}`);
}
