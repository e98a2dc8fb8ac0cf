/** A Llama of a few hundred random weights, for tests. */
import { type Backend, full, randn, tidy } from "../../core/mod.ts";
import { type LlamaConfig, LlamaForCausalLM } from "../../nn/mod.ts";

/** Its numbers: 17 words, a context of 24 tokens, two query heads for each key head. */
export const TINY: LlamaConfig = {
  vocabSize: 17,
  hiddenSize: 16,
  intermediateSize: 24,
  numHiddenLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 4,
  maxPositionEmbeddings: 24,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeInterleaved: false,
  attentionBias: false,
  mlpBias: false,
  tieWordEmbeddings: true,
};

/**
 * The model, its weights drawn from fixed seeds.
 *
 * @param bad the name of a parameter to fill with NaN
 */
export function tinyLlama(backend: Backend, bad?: string): LlamaForCausalLM {
  let seed = 0;
  return new LlamaForCausalLM(TINY, {
    take: (name, shape) =>
      name === bad ? full(shape, NaN, { backend }) : tidy(() => randn(shape, { seed: seed++, backend }).mul(0.5)),
  });
}
