/**
 * Group `gqa_conversion`: state dicts with fewer key/value heads, and the logits of the models they make. What `random` draws
 * is the reference's own, so those parameters replace ours, which must have their names and shapes.
 */
import type { Tensor } from "../../../../core/mod.ts";
import { convertHeads, type HeadMethod, llamaConfigFromJson } from "../../../../models/mod.ts";
import { fromStateDict, type LlamaConfig, LlamaForCausalLM } from "../../../../nn/mod.ts";
import { isRecord } from "../attrs.ts";
import type { Call, OpTable } from "../call.ts";

const PROJECTION = /\.[kv]_proj\./;

/** Mappings of group `gqa_conversion`. */
export const GQA_CONVERSION_OPS: OpTable = {
  causal_lm: (c) => ({ logits: logits(c, stateOf(c, "state_dict"), configOf(c)) }),
  gqa_convert: (c) => {
    const { state, config } = convertHeads(stateOf(c, "state_dict"), configOf(c), {
      kvHeads: c.attrs.number("groups"),
      method: c.attrs.text("method") as HeadMethod, // an unknown one is refused by the call
    });
    const model = new LlamaForCausalLM(config, fromStateDict(state));
    model.loadStateDict(stateOf(c, "random_state"), { strict: false });
    const converted = [...state].filter(([name]) => PROJECTION.test(name));
    return {
      ...Object.fromEntries(converted.map(([name, x]) => [`converted.${name}`, x])),
      logits: model.forward(c.tensor("input_ids")),
    };
  },
};

/** The vectors leave out that it is a Llama. */
function configOf(c: Call): LlamaConfig {
  const config = c.attrs.raw("config");
  return llamaConfigFromJson({ model_type: "llama", ...(isRecord(config) ? config : {}) });
}

/** The inputs of a nested object. */
function stateOf(c: Call, name: string): Map<string, Tensor> {
  const inputs = [...c.leaves].filter(([leaf]) => leaf.startsWith(`${name}.`));
  return new Map(inputs.map(([leaf, x]) => [leaf.slice(name.length + 1), x]));
}

function logits(c: Call, state: ReadonlyMap<string, Tensor>, config: LlamaConfig): Tensor {
  return new LlamaForCausalLM(config, fromStateDict(state)).forward(c.tensor("input_ids"));
}
