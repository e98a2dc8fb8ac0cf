/** Group `sampling`: the filters on rows of logits `[N, V]`, and the probabilities of what they leave. */
import { softmax, tensor } from "../../../../core/mod.ts";
import { filterLogits, type FilterOptions } from "../../../../text/mod.ts";
import type { Attrs } from "../attrs.ts";
import type { Call, OpTable, Results } from "../call.ts";
import type { StoredTensor } from "../vector_group.ts";

const OPTIONS: readonly (readonly [string, keyof FilterOptions])[] = [
  ["temperature", "temperature"],
  ["top_k", "topK"],
  ["top_p", "topP"],
  ["min_p", "minP"],
  ["repetition_penalty", "repetitionPenalty"],
];

/** The settings that the case has; null is off. */
function optionsOf(attrs: Attrs): FilterOptions {
  const there = OPTIONS.filter(([name]) => attrs.has(name));
  return Object.fromEntries(there.map(([name, option]) => [option, attrs.number(name)]));
}

/** Row `row` of ids `[N, T]`. */
function rowOf({ values, shape }: StoredTensor, row: number): number[] {
  const width = shape[1]!;
  return Array.from({ length: width }, (_, i) => Number(values[row * width + i]));
}

async function filterRows(c: Call): Promise<Results> {
  const { shape } = c.tensor("logits");
  const logits = Float32Array.from(await c.tensor("logits").data());
  const ids = c.has("input_ids") ? c.stored("input_ids") : undefined;
  const [rows, words] = [shape[0]!, shape[1]!];
  const filtered = new Float32Array(logits.length);
  for (let row = 0; row < rows; row++) {
    const of = logits.subarray(row * words, (row + 1) * words);
    filtered.set(filterLogits(of, optionsOf(c.attrs), ids && rowOf(ids, row)), row * words);
  }
  const output = tensor(filtered, { shape, backend: c.backend });
  return { logits: output, probs: softmax(output, -1) };
}

/** Mappings of group `sampling`. */
export const SAMPLING_OPS: OpTable = { sampling_filter: { runAsync: filterRows } };
