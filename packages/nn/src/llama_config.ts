/** What a Llama is made of, checked: Hugging Face's config fields in camelCase. */
import { type RopeScaling, ShapeError } from "../../core/mod.ts";

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

/** Elements of a head that rotate, R. */
export function rotaryDim({ headDim, partialRotaryFactor = 1 }: LlamaConfig): number {
  return Math.floor(headDim * partialRotaryFactor);
}

/** @throws {ShapeError} when the config's numbers are no counts, or do not fit each other */
export function checkLlamaConfig(config: LlamaConfig): void {
  const refuse = (why: string) => new ShapeError(`Cannot make a Llama: ${why}`);
  for (const name of COUNTS) {
    if (!Number.isSafeInteger(config[name]) || config[name] < 1) {
      throw refuse(`${name} is ${config[name]}, and should be a whole number above 0`);
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
}
