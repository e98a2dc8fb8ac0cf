/** What the page draws of a model. */
import type { ModelFacts } from "../protocol.ts";
import { frequenciesOf } from "./look.ts";
import type { FoundModel } from "./sources.ts";

/** Tokens that a page can still draw as a square of scores. */
export const MOST_TOKENS = 512;

/** A model's facts, from its header. */
export function factsOf({ name, byteLength, config }: FoundModel): ModelFacts {
  return {
    ...{ name, byteLength },
    layers: config.numHiddenLayers,
    heads: config.numAttentionHeads,
    kvHeads: config.numKeyValueHeads,
    headDim: config.headDim,
    ropeFrequencies: [...frequenciesOf(config).frequencies],
  };
}
