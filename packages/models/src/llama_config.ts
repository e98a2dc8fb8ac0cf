/** A Llama's numbers, from GGUF metadata (`llama.*` keys) or a Hugging Face `config.json`, and back to the latter. */
import { FormatError, type TensorFile } from "../../formats/mod.ts";
import type { LlamaConfig } from "../../nn/mod.ts";
import { count, type Lookup, lookupIn, maybeNumber, numberOf } from "./config_fields.ts";
import { checkedRope, ropeScalingFromGguf, ropeScalingFromJson, ropeScalingToJson } from "./rope_config.ts";

function keyValueHeads(file: string, get: Lookup, key: string, heads: number): number {
  const shared = count(file, get, key, heads);
  if (heads % shared === 0) return shared;
  throw new FormatError(`Cannot load ${file}: ${heads} query heads do not share ${shared} key heads evenly`, { file });
}

/** What part of a head rotates, checked; undefined where all of it does. */
function rotatingPart(file: string, rotated: number, headDim: number): number | undefined {
  if (rotated === headDim) return undefined;
  if (rotated > headDim) {
    throw new FormatError(`Cannot load ${file}: RoPE turns ${rotated} of ${headDim} elements of a head`, { file });
  }
  const part = rotated / headDim;
  return Math.floor(headDim * part) === rotated ? part : part * (1 + Number.EPSILON); // 26 / 46 * 46 falls below 26
}

/**
 * The config of a GGUF file. Reads `rope_freqs.weight`, where there is one, and else nothing beyond the header.
 *
 * @throws {FormatError} when the architecture is not llama, a key is missing or no number, or the kind of RoPE is not known
 */
export async function llamaConfigFromGguf(file: TensorFile): Promise<LlamaConfig> {
  const { name, metadata } = file;
  const architecture = metadata.get("general.architecture");
  if (architecture !== "llama") {
    throw new FormatError(
      `Cannot load ${name}: its architecture is ${JSON.stringify(architecture) ?? "not named"}; known is "llama"`,
      { file: name },
    );
  }
  const get: Lookup = (key) => metadata.get(key);
  const heads = count(name, get, "llama.attention.head_count");
  const hiddenSize = count(name, get, "llama.embedding_length");
  const headDim = count(name, get, "llama.attention.key_length", hiddenSize / heads);
  const rotated = count(name, get, "llama.rope.dimension_count", headDim);
  const maxPositionEmbeddings = count(name, get, "llama.context_length");
  const config: LlamaConfig = {
    vocabSize: file.tensors.get("token_embd.weight")?.shape[0] ?? count(name, get, "llama.vocab_size"),
    hiddenSize,
    intermediateSize: count(name, get, "llama.feed_forward_length"),
    numHiddenLayers: count(name, get, "llama.block_count"),
    numAttentionHeads: heads,
    numKeyValueHeads: keyValueHeads(name, get, "llama.attention.head_count_kv", heads),
    headDim,
    maxPositionEmbeddings,
    rmsNormEps: numberOf(name, get, "llama.attention.layer_norm_rms_epsilon"),
    ropeTheta: numberOf(name, get, "llama.rope.freq_base", 10000),
    ropeScaling: await ropeScalingFromGguf(file, rotated / 2, maxPositionEmbeddings),
    partialRotaryFactor: rotatingPart(name, rotated, headDim),
    ropeInterleaved: true,
    attentionBias: file.tensors.has("blk.0.attn_q.bias"),
    mlpBias: false,
    tieWordEmbeddings: !file.tensors.has("output.weight"),
  };
  return checkedRope(config, name);
}

/**
 * The config in a Hugging Face `config.json`.
 *
 * @param json the parsed file
 * @param name what messages call it
 * @throws {FormatError} when it is not parsed, the model is no Llama, a field is missing or no number, or the kind of RoPE is not known
 */
export function llamaConfigFromJson(json: unknown, name = "config.json"): LlamaConfig {
  if (typeof json === "string") {
    throw new FormatError(`Cannot read ${name}: it is text; give the parsed config.json (JSON.parse)`, { file: name });
  }
  const get = lookupIn(json);
  checkIsLlama(get, name);
  const rope = lookupIn(get("rope_parameters")); // transformers 5 has here what was beside it
  const either: Lookup = (key) => get(key) ?? rope(key);
  const heads = count(name, get, "num_attention_heads");
  const hiddenSize = count(name, get, "hidden_size");
  const maxPositionEmbeddings = count(name, get, "max_position_embeddings", 2048);
  const config: LlamaConfig = {
    vocabSize: count(name, get, "vocab_size"),
    hiddenSize,
    intermediateSize: count(name, get, "intermediate_size"),
    numHiddenLayers: count(name, get, "num_hidden_layers"),
    numAttentionHeads: heads,
    numKeyValueHeads: keyValueHeads(name, get, "num_key_value_heads", heads),
    headDim: count(name, get, "head_dim", hiddenSize / heads),
    maxPositionEmbeddings,
    rmsNormEps: numberOf(name, get, "rms_norm_eps", 1e-6),
    ropeTheta: numberOf(name, either, "rope_theta", 10000),
    ropeScaling: ropeScalingFromJson(get("rope_scaling") ?? get("rope_parameters"), { name, maxPositionEmbeddings }),
    partialRotaryFactor: maybeNumber(name, either, "partial_rotary_factor"),
    ropeInterleaved: false,
    attentionBias: get("attention_bias") === true,
    mlpBias: get("mlp_bias") === true,
    tieWordEmbeddings: get("tie_word_embeddings") === true,
    initializerRange: maybeNumber(name, get, "initializer_range"),
    padTokenId: maybeTokenId(name, get, "pad_token_id"),
  };
  if ((config.partialRotaryFactor ?? 1) > 1) {
    throw new FormatError(
      `Cannot read ${name}: "partial_rotary_factor" should be at most 1, found ${config.partialRotaryFactor}`,
      { file: name },
    );
  }
  return checkedRope(config, name);
}

/** A token's id; one below 0 counts from the vocabulary's end, as PyTorch does. */
function maybeTokenId(file: string, get: Lookup, key: string): number | undefined {
  const value = get(key);
  if (value === undefined || (typeof value === "number" && Number.isSafeInteger(value))) return value;
  throw new FormatError(
    `Cannot read ${file}: "${key}" should be a whole number, found ${JSON.stringify(value)}`,
    { file },
  );
}

function checkIsLlama(get: Lookup, file: string): void {
  const type = get("model_type");
  if (type !== "llama") {
    throw new FormatError(
      `Cannot load ${file}: its model_type is ${JSON.stringify(type) ?? "not named"}; known is "llama"`,
      { file },
    );
  }
  const activation = get("hidden_act") ?? "silu";
  if (activation !== "silu" && activation !== "swish") {
    throw new FormatError(
      `Cannot load ${file}: its hidden_act is ${JSON.stringify(activation)}; a Llama of this version has "silu"`,
      { file },
    );
  }
}

/**
 * The fields of a Hugging Face `config.json`, which {@linkcode llamaConfigFromJson} reads back.
 *
 * @param torchDtype how the weights beside it are stored
 * @returns an object for `JSON.stringify`
 * @throws {FormatError} when q and k rows are in GGUF's order, or RoPE is scaled as Hugging Face cannot say
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { llamaConfigFromJson, llamaConfigToJson } from "@heed/heed/models";
 *
 * const config = llamaConfigFromJson({
 *   ...{ model_type: "llama", vocab_size: 32, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 2 },
 *   ...{ num_attention_heads: 2, rope_scaling: { rope_type: "linear", factor: 4 } },
 * });
 * const json = llamaConfigToJson(config, "float32");
 * assertEquals(json["rope_scaling"], { rope_type: "linear", factor: 4 });
 * assertEquals(llamaConfigFromJson(json), config);
 * ```
 */
export function llamaConfigToJson(
  config: LlamaConfig,
  torchDtype: "float32" | "float16" | "bfloat16",
): Record<string, unknown> {
  if (config.ropeInterleaved) {
    throw new FormatError(
      "Cannot write config.json: the model's q and k rows pair 2i with 2i + 1, as GGUF has them, and Hugging Face's pair " +
        "i with i + D/2; permute the rows first and set ropeInterleaved to false",
    );
  }
  const { partialRotaryFactor, initializerRange, padTokenId } = config;
  return {
    architectures: ["LlamaForCausalLM"],
    attention_bias: config.attentionBias,
    head_dim: config.headDim,
    hidden_act: "silu",
    hidden_size: config.hiddenSize,
    ...(initializerRange === undefined ? {} : { initializer_range: initializerRange }),
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    mlp_bias: config.mlpBias,
    model_type: "llama",
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    num_key_value_heads: config.numKeyValueHeads,
    ...(partialRotaryFactor === undefined ? {} : { partial_rotary_factor: partialRotaryFactor }),
    ...(padTokenId === undefined ? {} : { pad_token_id: padTokenId }),
    rms_norm_eps: config.rmsNormEps,
    rope_scaling: ropeScalingToJson(config.ropeScaling),
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tieWordEmbeddings,
    torch_dtype: torchDtype,
    vocab_size: config.vocabSize,
  };
}
