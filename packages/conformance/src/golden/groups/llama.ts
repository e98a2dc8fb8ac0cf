/** Group `llama`: the modules of Hugging Face's Llama, whole tiny models, caches and padding. */
import { cat, ropeFrequencies, type RopeTables, ropeTables, type Tensor } from "../../../../core/mod.ts";
import { llamaConfigFromJson } from "../../../../models/mod.ts";
import {
  fromStateDict,
  LlamaAttention,
  type LlamaConfig,
  LlamaDecoderLayer,
  LlamaForCausalLM,
  LlamaMLP,
  RMSNorm,
} from "../../../../nn/mod.ts";
import type { Call, Mapping, OpTable, Results } from "../call.ts";
import { cacheOf, chunksOf, contents } from "./cached.ts";
import { GENERATION_OPS } from "./generation.ts";

/** The case's config. */
function configOf(c: Call): LlamaConfig {
  return llamaConfigFromJson({ model_type: "llama", ...Object(c.attrs.raw("config")) });
}

/** The case's model, of its inputs themselves. */
export function causalLMOf(c: Call): LlamaForCausalLM {
  return new LlamaForCausalLM(configOf(c), fromStateDict(c.named("state_dict")));
}

function rotationsOf(c: Call, { headDim, ropeTheta, ropeScaling }: LlamaConfig): RopeTables {
  return ropeTables(ropeFrequencies(headDim, ropeTheta, ropeScaling), c.tensor("position_ids"));
}

/** Group `autograd` has it too. */
const decoderLayer: Mapping = (c) => {
  const config = configOf(c);
  const layer = new LlamaDecoderLayer(config, fromStateDict(c.named("state_dict")));
  return { output: layer.forward(c.tensor("hidden_states"), { rope: rotationsOf(c, config) }) };
};

const llamaAttention: Mapping = (c) => {
  const config = configOf(c);
  const layer = new LlamaAttention(config, fromStateDict(c.named("state_dict")));
  const x = c.tensor("hidden_states");
  using cache = cacheOf(c);
  const results = layer.outputs(x, { rope: rotationsOf(c, config), cache });
  if (!c.has("past_keys")) return { ...results };
  const { keys, values } = contents(c, cache, 0, [x.shape[0]!, config.numKeyValueHeads, config.headDim]);
  return { ...results, cache_keys: keys, cache_values: values };
};

/** The whole sequence at once; padded cases hold logits only, those of padding being 0 in the file and undefined. */
function causalLM(c: Call, positionIds: Tensor | undefined): Results {
  const attentionMask = c.maybe("attention_mask");
  const inputs = { attentionMask, positionIds, returns: ["hiddenStates"] as const };
  const { logits, hiddenStates } = causalLMOf(c).outputs(c.tensor("input_ids"), inputs);
  if (attentionMask === undefined) return { logits, hidden_states: hiddenStates! }; // asked for
  return { logits: logits.maskedFill(attentionMask.eq(0).unsqueeze(2), 0) };
}

const causalLMCached: Mapping = (c) => {
  const model = causalLMOf(c);
  const ids = c.tensor("input_ids");
  using cache = model.createCache();
  const logits = cat(chunksOf(c, ids).map((chunk) => model.forward(chunk, { cache })), 1);
  const { numHiddenLayers, numKeyValueHeads, headDim } = model.config;
  const shape = [ids.shape[0]!, numKeyValueHeads, headDim] as const;
  return {
    logits,
    cache_keys_first_layer: contents(c, cache, 0, shape).keys,
    cache_values_last_layer: contents(c, cache, numHiddenLayers - 1, shape).values,
  };
};

/** Mappings of group `llama`. */
export const LLAMA_OPS: OpTable = {
  LlamaRMSNorm: (c) => {
    const x = c.tensor("hidden_states");
    const norm = new RMSNorm(
      { size: x.shape.at(-1)!, eps: c.attrs.number("eps") },
      fromStateDict(c.named("state_dict")),
    );
    return { output: norm.forward(x) };
  },
  LlamaMLP: (c) => ({
    output: new LlamaMLP(configOf(c), fromStateDict(c.named("state_dict"))).forward(c.tensor("hidden_states")),
  }),
  LlamaAttention: llamaAttention,
  LlamaDecoderLayer: decoderLayer,
  causal_lm: [
    (c) => causalLM(c, c.maybe("position_ids")),
    (c) => causalLM(c, undefined), // counted from the mask
  ],
  causal_lm_cached: causalLMCached,
  ...GENERATION_OPS,
};
