/**
 * What a header says about a model's shape, whatever its architecture: from a GGUF file's metadata
 * (`<architecture>.attention.head_count` and so on; ggml docs/gguf.md) or from Hugging Face's config.json.
 */
import type { GgufValue } from "../../../packages/heed/mod.ts";
import { ModelError } from "./errors.ts";
import type { OpenedModel } from "./open_model.ts";

/** The numbers a model is built by. */
export interface ModelFacts {
  /** What it calls its architecture: `llama`. */
  readonly architecture: string;
  /** Decoder layers. */
  readonly layers: number;
  /** E. */
  readonly hiddenSize: number;
  /** H. */
  readonly queryHeads: number;
  /** Hkv. */
  readonly keyValueHeads: number;
  /** D. */
  readonly headSize: number;
  /** Dv. */
  readonly valueHeadSize: number;
  /** V. */
  readonly vocabularySize: number;
  /** The longest context it was made for, in tokens. */
  readonly contextLength: number;
  /** RoPE's base; null where the header does not say. */
  readonly ropeTheta: number | null;
  /** Whether the output projection is the token embedding. */
  readonly tiedEmbeddings: boolean;
}

/**
 * Reads a model's facts from its header.
 *
 * @throws {ModelError} naming the first thing that is missing or makes no sense
 */
export function modelFacts(model: OpenedModel): ModelFacts {
  const facts = model.config === undefined ? factsOfGguf(model) : factsOfConfig(model, model.config);
  if (facts.queryHeads % facts.keyValueHeads === 0) return facts;
  const heads = `${facts.queryHeads} query heads and ${facts.keyValueHeads} key/value heads`;
  throw new ModelError(`Cannot describe ${model.name}: ${heads} do not make whole groups`);
}

function factsOfGguf(model: OpenedModel): ModelFacts {
  const { metadata, tensors } = model.file;
  const architecture = metadata.get("general.architecture");
  if (typeof architecture !== "string") throw missing(model, "general.architecture");
  const find = (key: string): unknown => uniform(metadata.get(`${architecture}.${key}`));
  const count = (key: string): number => wholeNumber(model, `${architecture}.${key}`, find(key));
  const countOr = (key: string, fallback: () => number): number => find(key) === undefined ? fallback() : count(key);
  const hiddenSize = count("embedding_length");
  const queryHeads = count("attention.head_count");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const headSize = countOr("attention.key_length", () => evenShare(model, hiddenSize, queryHeads));
  return {
    architecture,
    layers: count("block_count"),
    hiddenSize,
    queryHeads,
    keyValueHeads: countOr("attention.head_count_kv", () => queryHeads),
    headSize,
    valueHeadSize: countOr("attention.value_length", () => headSize),
    vocabularySize: countOr("vocab_size", () => Array.isArray(tokens) ? tokens.length : rowsOfEmbedding(model)),
    contextLength: count("context_length"),
    ropeTheta: numberOrNull(find("rope.freq_base")),
    tiedEmbeddings: !tensors.has("output.weight"),
  };
}

function factsOfConfig(model: OpenedModel, config: Readonly<Record<string, unknown>>): ModelFacts {
  const count = (key: string): number => wholeNumber(model, key, config[key] ?? undefined);
  const countOr = (key: string, fallback: () => number): number =>
    config[key] === undefined || config[key] === null ? fallback() : count(key);
  const architecture = config["model_type"];
  if (typeof architecture !== "string") throw missing(model, "model_type");
  const hiddenSize = count("hidden_size");
  const queryHeads = count("num_attention_heads");
  const headSize = countOr("head_dim", () => evenShare(model, hiddenSize, queryHeads));
  const ropeParameters = config["rope_parameters"]; // where transformers 5 has what was rope_theta
  const nested = isRecord(ropeParameters) ? ropeParameters["rope_theta"] : undefined;
  return {
    architecture,
    layers: count("num_hidden_layers"),
    hiddenSize,
    queryHeads,
    keyValueHeads: countOr("num_key_value_heads", () => queryHeads),
    headSize,
    valueHeadSize: headSize,
    vocabularySize: count("vocab_size"),
    contextLength: count("max_position_embeddings"),
    ropeTheta: numberOrNull(config["rope_theta"] ?? nested),
    tiedEmbeddings: !model.file.tensors.has("lm_head.weight"),
  };
}

/** Some keys may be a list with one number a layer; only lists of equal ones can be described by one number. */
function uniform(value: GgufValue | undefined): unknown {
  if (!Array.isArray(value)) return value;
  const numbers: readonly unknown[] = value;
  return numbers.every((number) => number === numbers[0]) ? numbers[0] : numbers;
}

function wholeNumber(model: OpenedModel, key: string, value: unknown): number {
  if (value === undefined) throw missing(model, key);
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  const found = Array.isArray(value) ? "a list that differs from layer to layer" : String(value);
  throw new ModelError(`Cannot describe ${model.name}: ${key} must be a whole number of at least 1 and is ${found}`);
}

function evenShare(model: OpenedModel, hiddenSize: number, heads: number): number {
  if (hiddenSize % heads === 0) return hiddenSize / heads;
  throw new ModelError(`Cannot describe ${model.name}: hidden size ${hiddenSize} is no multiple of its ${heads} heads`);
}

function rowsOfEmbedding(model: OpenedModel): number {
  return wholeNumber(model, "token_embd.weight", model.file.tensors.get("token_embd.weight")?.shape[0]);
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function missing(model: OpenedModel, key: string): ModelError {
  return new ModelError(`Cannot describe ${model.name}: its header lacks ${key}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
