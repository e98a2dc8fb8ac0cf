/** Group `llama`'s op `generate_greedy`: ids after a batch of prompts padded on the left, sequences padded after the end. */
import { tensor } from "../../../../core/mod.ts";
import { llamaConfigFromJson } from "../../../../models/mod.ts";
import { fromStateDict, LlamaForCausalLM } from "../../../../nn/mod.ts";
import { generateTokens } from "../../../../text/mod.ts";
import type { Call, OpTable, Results } from "../call.ts";
import type { StoredTensor } from "../vector_group.ts";

/** The case's model, of its inputs themselves: whoever made the call disposes of them. */
function modelOf(c: Call): LlamaForCausalLM {
  const config = llamaConfigFromJson({ model_type: "llama", ...Object(c.attrs.raw("config")) });
  return new LlamaForCausalLM(config, fromStateDict(c.named("state_dict")));
}

/** The rows of a matrix of integers. */
function rowsOf({ values, shape }: StoredTensor): number[][] {
  const [rows, columns] = [shape[0]!, shape[1]!];
  return Array.from({ length: rows }, (_, row) => Array.from(values.subarray(row * columns, (row + 1) * columns)));
}

async function generateGreedy(c: Call): Promise<Results> {
  const sequences = rowsOf(c.stored("input_ids"));
  const mask = c.has("attention_mask") ? rowsOf(c.stored("attention_mask")) : undefined;
  const prompts = sequences.map((ids, row) => ids.filter((_, i) => mask === undefined || mask[row]![i] !== 0));
  const end = c.attrs.maybeNumber("eos_token_id");
  const steps = generateTokens(modelOf(c), prompts, {
    temperature: 0,
    maxTokens: c.attrs.number("max_new_tokens"),
    endIds: new Set(end === undefined ? [] : [end]),
  });
  for await (const ids of steps) {
    for (const [row, id] of ids.entries()) sequences[row]!.push(id ?? c.attrs.number("pad_token_id"));
  }
  const shape = [sequences.length, sequences[0]!.length];
  return { sequences: tensor(Int32Array.from(sequences.flat()), { shape, backend: c.backend }) };
}

/** The mapping of `generate_greedy`. */
export const GENERATION_OPS: OpTable = { generate_greedy: { runAsync: generateGreedy } };
