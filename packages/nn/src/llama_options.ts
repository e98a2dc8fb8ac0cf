/** The names of a Llama's options, and what those of other libraries are called here. */
import { ShapeError } from "../../core/mod.ts";
import { checkNames, showValue } from "../../core/src/errors.ts";
import type { ForwardOptions, OutputsOptions } from "./llama.ts";
import type { LlamaInputs, LlamaReturn, LlamaTokenInputs } from "./llama_model.ts";

const TOKEN_INPUTS = { attentionMask: true, positionIds: true } as const satisfies Record<keyof LlamaTokenInputs, true>;

/** Names of {@linkcode LlamaInputs}. */
export const INPUTS = { ...TOKEN_INPUTS, cache: true } as const satisfies Record<keyof LlamaInputs, true>;

/** Names of {@linkcode ForwardOptions}. */
export const FORWARD = { ...INPUTS, logitsToKeep: true } as const satisfies Record<keyof ForwardOptions, true>;

/** Names of {@linkcode OutputsOptions}. */
export const OUTPUTS = { ...FORWARD, returns: true } as const satisfies Record<keyof OutputsOptions, true>;

const FOREIGN: Readonly<Record<string, string>> = {
  attention_mask: "attentionMask",
  position_ids: "positionIds",
  labels: "model.loss(ids, labels)",
  cache: "a pass over whole sequences; no gradient goes through a cache",
  use_cache: "cache: model.createCache()",
  past_key_values: "cache: model.createCache()",
  num_logits_to_keep: "logitsToKeep",
  logits_to_keep: "logitsToKeep",
  returns: "outputs(ids, { returns })",
  output_attentions: 'outputs(ids, { returns: ["attentions"] })',
  output_hidden_states: 'outputs(ids, { returns: ["hiddenStates"] })',
};

const RETURNS: readonly string[] = ["hiddenStates", "attentions"] satisfies LlamaReturn[];

/** @throws {ShapeError} when a pass is given an option that is not among `known` */
export function checkLlamaNames(options: unknown, known: Readonly<Record<string, true>>): void {
  checkNames("run a Llama", options, known, FOREIGN);
}

/** @throws {ShapeError} when a loss is given an option that there is none of, as a cache */
export function checkLossNames(options: unknown): void {
  checkNames("take the loss", options, TOKEN_INPUTS, FOREIGN);
}

/** @throws {ShapeError} when a pass is asked for what it does not give */
export function checkReturns(returns: readonly LlamaReturn[]): void {
  if (Array.isArray(returns) && returns.every((name) => RETURNS.includes(name))) return;
  throw new ShapeError(
    `Cannot run a Llama with returns ${showValue(returns)}: it is a list of ${RETURNS.map(showValue).join(", ")}`,
  );
}
