/** A Llama's numbers, from GGUF metadata (`llama.*` keys) or a Hugging Face `config.json`. */
import { FormatError, type GgufValue, type TensorFile } from "../../formats/mod.ts";
import type { LlamaConfig } from "../../nn/mod.ts";

type Lookup = (key: string) => GgufValue | unknown;

function numberOf(file: string, get: Lookup, key: string, fallback?: number): number {
  const value = get(key) ?? fallback;
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw new FormatError(
    `Cannot read ${file}: "${key}" should be a number above 0, found ${JSON.stringify(value) ?? "nothing"}`,
    { file },
  );
}

function count(file: string, get: Lookup, key: string, fallback?: number): number {
  const value = numberOf(file, get, key, fallback);
  if (Number.isSafeInteger(value)) return value;
  throw new FormatError(`Cannot read ${file}: "${key}" should be a whole number, found ${value}`, { file });
}

function keyValueHeads(file: string, get: Lookup, key: string, heads: number): number {
  const shared = count(file, get, key, heads);
  if (heads % shared === 0) return shared;
  throw new FormatError(`Cannot load ${file}: ${heads} query heads do not share ${shared} key heads evenly`, { file });
}

/**
 * The config of a GGUF file.
 *
 * @throws {FormatError} when the architecture is not llama, a key is missing or no number, or RoPE is scaled
 */
export function llamaConfigFromGguf(file: TensorFile): LlamaConfig {
  const { name, metadata } = file;
  const architecture = metadata.get("general.architecture");
  if (architecture !== "llama") {
    throw new FormatError(
      `Cannot load ${name}: its architecture is ${JSON.stringify(architecture) ?? "not named"}; known is "llama"`,
      { file: name },
    );
  }
  const get: Lookup = (key) => metadata.get(key);
  const scaling = metadata.get("llama.rope.scaling.type");
  if ((scaling !== undefined && scaling !== "none") || file.tensors.has("rope_freqs.weight")) {
    throw new FormatError(
      `Cannot load ${name}: its RoPE is scaled (${
        JSON.stringify(scaling ?? "rope_freqs")
      }), which this version does not do`,
      { file: name },
    );
  }
  const heads = count(name, get, "llama.attention.head_count");
  const hiddenSize = count(name, get, "llama.embedding_length");
  const headDim = count(name, get, "llama.attention.key_length", hiddenSize / heads);
  const rotated = count(name, get, "llama.rope.dimension_count", headDim);
  if (rotated !== headDim) {
    throw new FormatError(
      `Cannot load ${name}: RoPE turns ${rotated} of ${headDim} elements of a head, which this version does not do`,
      { file: name },
    );
  }
  return {
    vocabSize: file.tensors.get("token_embd.weight")?.shape[0] ?? count(name, get, "llama.vocab_size"),
    hiddenSize,
    intermediateSize: count(name, get, "llama.feed_forward_length"),
    numHiddenLayers: count(name, get, "llama.block_count"),
    numAttentionHeads: heads,
    numKeyValueHeads: keyValueHeads(name, get, "llama.attention.head_count_kv", heads),
    headDim,
    maxPositionEmbeddings: count(name, get, "llama.context_length"),
    rmsNormEps: numberOf(name, get, "llama.attention.layer_norm_rms_epsilon"),
    ropeTheta: numberOf(name, get, "llama.rope.freq_base", 10000),
    ropeInterleaved: true,
    attentionBias: file.tensors.has("blk.0.attn_q.bias"),
    mlpBias: false,
    tieWordEmbeddings: !file.tensors.has("output.weight"),
  };
}

/**
 * The config in a Hugging Face `config.json`.
 *
 * @param json the parsed file
 * @throws {FormatError} when the model is no Llama, a field is missing or no number, or RoPE is scaled
 */
export function llamaConfigFromJson(json: unknown, name = "config.json"): LlamaConfig {
  const fields = new Map(Object.entries(typeof json === "object" && json !== null ? json : {}));
  const get: Lookup = (key) => fields.get(key) ?? undefined;
  if (get("model_type") !== "llama") {
    throw new FormatError(
      `Cannot load ${name}: its model_type is ${JSON.stringify(get("model_type")) ?? "not named"}; known is "llama"`,
      { file: name },
    );
  }
  const nested = get("rope_parameters");
  const rope = new Map(Object.entries(typeof nested === "object" && nested !== null ? nested : {}));
  const scaling = get("rope_scaling") ?? (rope.get("rope_type") === "default" ? undefined : rope.get("rope_type"));
  if (scaling !== undefined) {
    throw new FormatError(
      `Cannot load ${name}: its RoPE is scaled (${JSON.stringify(scaling)}), which this version does not do`,
      { file: name },
    );
  }
  const activation = get("hidden_act") ?? "silu";
  if (activation !== "silu" && activation !== "swish") {
    throw new FormatError(
      `Cannot load ${name}: its hidden_act is ${JSON.stringify(activation)}; a Llama of this version has "silu"`,
      { file: name },
    );
  }
  const heads = count(name, get, "num_attention_heads");
  const hiddenSize = count(name, get, "hidden_size");
  return {
    vocabSize: count(name, get, "vocab_size"),
    hiddenSize,
    intermediateSize: count(name, get, "intermediate_size"),
    numHiddenLayers: count(name, get, "num_hidden_layers"),
    numAttentionHeads: heads,
    numKeyValueHeads: keyValueHeads(name, get, "num_key_value_heads", heads),
    headDim: count(name, get, "head_dim", hiddenSize / heads),
    maxPositionEmbeddings: count(name, get, "max_position_embeddings", 2048),
    rmsNormEps: numberOf(name, get, "rms_norm_eps", 1e-6),
    ropeTheta: numberOf(name, (key) => get(key) ?? rope.get(key), "rope_theta", 10000),
    ropeInterleaved: false,
    attentionBias: get("attention_bias") === true,
    mlpBias: get("mlp_bias") === true,
    tieWordEmbeddings: get("tie_word_embeddings") === true,
  };
}
