/** What a Llama is made of, checked: Hugging Face's config fields in camelCase. */
import { ropeFrequencies, type RopeScaling, ShapeError } from "../../core/mod.ts";
import { checkNames, showValue } from "../../core/src/errors.ts";
import { checkEps } from "./norm.ts";

/** What a Llama is made of; Hugging Face's config fields in camelCase. */
export interface LlamaConfig {
  /** V. */
  readonly vocabSize: number;
  /** E. */
  readonly hiddenSize: number;
  /** Width of the MLP. */
  readonly intermediateSize: number;
  /** Layers. */
  readonly numHiddenLayers: number;
  /** H. */
  readonly numAttentionHeads: number;
  /** Hkv; it divides H. */
  readonly numKeyValueHeads: number;
  /** D. */
  readonly headDim: number;
  /** Tokens the model was made for. */
  readonly maxPositionEmbeddings: number;
  /** Added to mean squares. */
  readonly rmsNormEps: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** How the rotary frequencies are changed for longer contexts; not at all when left out. */
  readonly ropeScaling?: RopeScaling | undefined;
  /** The part of a head that rotates, from its start; 1, all of it, when left out. */
  readonly partialRotaryFactor?: number | undefined;
  /** Whether q and k rows pair 2i with 2i + 1, as GGUF stores them, instead of i with i + D/2. */
  readonly ropeInterleaved: boolean;
  /** Whether q, k, v and o have biases. */
  readonly attentionBias: boolean;
  /** Whether the MLP's products have biases. */
  readonly mlpBias: boolean;
  /** Whether the output product uses the embeddings. */
  readonly tieWordEmbeddings: boolean;
  /** Token that pads; its embedding stays as it is in training, as Hugging Face's does. */
  readonly padTokenId?: number | undefined;
  /** Standard deviation of fresh weights; 0.02 when left out. */
  readonly initializerRange?: number | undefined;
}

const COUNTS = [
  "vocabSize",
  "hiddenSize",
  "intermediateSize",
  "numHiddenLayers",
  "numAttentionHeads",
  "numKeyValueHeads",
  "headDim",
  "maxPositionEmbeddings",
] as const;
const SWITCHES = ["ropeInterleaved", "attentionBias", "mlpBias", "tieWordEmbeddings"] as const;
const NAMES = {
  vocabSize: true,
  hiddenSize: true,
  intermediateSize: true,
  numHiddenLayers: true,
  numAttentionHeads: true,
  numKeyValueHeads: true,
  headDim: true,
  maxPositionEmbeddings: true,
  rmsNormEps: true,
  ropeTheta: true,
  ropeScaling: true,
  partialRotaryFactor: true,
  ropeInterleaved: true,
  attentionBias: true,
  mlpBias: true,
  tieWordEmbeddings: true,
  padTokenId: true,
  initializerRange: true,
} as const satisfies Record<keyof LlamaConfig, true>;

/** Hugging Face's own names: each of ours with underscores, and what their files begin with. */
const FOREIGN: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...Object.keys(NAMES).map((name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)),
    "architectures",
    "model_type",
  ]
    .map((name) => [name, "llamaConfigFromJson(json), which reads a config.json"]),
);

/** Elements of a head that rotate, R. */
export function rotaryDim({ headDim, partialRotaryFactor = 1 }: LlamaConfig): number {
  return Math.floor(headDim * partialRotaryFactor);
}

/**
 * Checks all of a config, so that no parameter is made for one that does not work.
 *
 * @throws {ShapeError} when its numbers are no counts, or do not fit each other
 */
export function checkLlamaConfig(config: LlamaConfig): void {
  const refuse = (why: string) => new ShapeError(`Cannot make a Llama: ${why}`);
  checkNames("make a Llama", config, NAMES, FOREIGN);
  for (const name of COUNTS) {
    if (!Number.isSafeInteger(config[name]) || config[name] < 1) {
      throw refuse(`${name} is ${showValue(config[name])}, and should be a whole number above 0`);
    }
  }
  for (const name of SWITCHES) {
    if (typeof config[name] !== "boolean") {
      throw refuse(`${name} is ${showValue(config[name])}, and should be true or false`);
    }
  }
  const { numAttentionHeads, numKeyValueHeads, headDim } = config;
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw refuse(`${numAttentionHeads} query heads do not share ${numKeyValueHeads} key heads evenly`);
  }
  const turning = rotaryDim(config);
  if (!(turning >= 2 && turning <= headDim && turning % 2 === 0)) {
    throw refuse(`RoPE would turn ${turning} of a head's ${headDim} elements; it turns pairs, at most all of them`);
  }
  if (config.ropeScaling === null) throw refuse("ropeScaling is null; leave it out where frequencies are not scaled");
  ropeFrequencies(turning, config.ropeTheta, config.ropeScaling); // throws for what it cannot compute
  checkEps("a Llama", "rmsNormEps", config.rmsNormEps);
  checkFreshWeights(config, refuse);
}

function checkFreshWeights(config: LlamaConfig, refuse: (why: string) => ShapeError): void {
  const { vocabSize, padTokenId = 0, initializerRange = 0 } = config;
  if (!(Number.isInteger(padTokenId) && padTokenId >= -vocabSize && padTokenId < vocabSize)) {
    throw refuse(`padTokenId is ${showValue(padTokenId)}, which is outside the vocabulary of ${vocabSize}`);
  }
  if (!(Number.isFinite(initializerRange) && initializerRange >= 0)) {
    throw refuse(`initializerRange is ${showValue(initializerRange)}, and should be a finite number of at least 0`);
  }
}
