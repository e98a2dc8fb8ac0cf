/**
 * What a model costs, from its header: parameters and bytes by dtype, the key/value cache, and what it would cost with
 * as many key/value heads as query heads (MHA) or with one (MQA).
 *
 *     cache bytes a token = layers * Hkv * (row of D + row of Dv)
 *     parameters with n key/value heads = parameters + (n - Hkv) * (key and value projections / Hkv)
 */
import { byteLengthOf, type DType, dtypeInfo, type TensorEntry } from "../../../packages/heed/mod.ts";
import { type ModelFacts, modelFacts } from "./model_facts.ts";
import type { OpenedModel } from "./open_model.ts";

/** The dtypes a cache can have. */
export const CACHE_DTYPES = ["f32", "f16", "q8_0"] as const satisfies readonly DType[];

/** A name from {@linkcode CACHE_DTYPES}. */
export type CacheDType = typeof CACHE_DTYPES[number];

/** Bytes of a key/value cache. */
export interface CacheCost {
  /** For one token. */
  readonly bytesPerToken: number;
  /** For the longest context. */
  readonly bytesAtFullContext: number;
}

/** Cache costs by dtype; null where heads are no whole number of the dtype's blocks. */
export type CacheCosts = Readonly<Record<CacheDType, CacheCost | null>>;

/** The model with another number of key/value heads. */
export interface Variant {
  /** Key/value heads. */
  readonly keyValueHeads: number;
  /** All parameters; null where keys and values have no projections of their own that could be counted. */
  readonly parameters: number | null;
  /** Its cache. */
  readonly cache: CacheCosts;
}

/** Tensors of one dtype. */
export interface DTypeShare {
  /** The dtype. */
  readonly dtype: DType;
  /** How many tensors have it. */
  readonly tensors: number;
  /** Their elements. */
  readonly parameters: number;
  /** Their bytes in the file. */
  readonly bytes: number;
}

/** All that `inspect` tells. */
export interface ModelDescription extends ModelFacts {
  /** What the model is called. */
  readonly name: string;
  /** The files' format. */
  readonly format: "gguf" | "safetensors";
  /** How heads share keys and values. */
  readonly attention: "MHA" | "GQA" | "MQA";
  /** G, query heads a key/value head. */
  readonly groupSize: number;
  /** Elements of all tensors. */
  readonly parameters: number;
  /** Files that hold the weights. */
  readonly files: number;
  /** Bytes of those files. */
  readonly fileBytes: number;
  /** Shares of the dtypes, largest first. */
  readonly dtypes: readonly DTypeShare[];
  /** The key/value cache. */
  readonly cache: CacheCosts;
  /** The same model with other numbers of key/value heads. */
  readonly variants: { readonly mha: Variant; readonly mqa: Variant };
}

/**
 * Describes a model without reading its weights.
 *
 * @throws {ModelError} when the header does not say enough
 */
export function describeModel(model: OpenedModel): ModelDescription {
  const facts = modelFacts(model);
  const { queryHeads, keyValueHeads } = facts;
  const entries = [...model.file.tensors.values()];
  const sources = new Set(entries.map(({ source }) => source));
  return {
    name: model.name,
    format: model.file.format,
    ...facts,
    attention: keyValueHeads === queryHeads ? "MHA" : keyValueHeads === 1 ? "MQA" : "GQA",
    groupSize: queryHeads / keyValueHeads,
    parameters: sum(entries, numelOf),
    files: sources.size,
    fileBytes: sum([...sources], ({ byteLength }) => byteLength),
    dtypes: sharesOf(entries),
    cache: cacheCosts(facts, keyValueHeads),
    variants: { mha: variant(facts, entries, queryHeads), mqa: variant(facts, entries, 1) },
  };
}

function variant(facts: ModelFacts, entries: readonly TensorEntry[], keyValueHeads: number): Variant {
  // GGUF: blk.0.attn_k.weight; Hugging Face: model.layers.0.self_attn.k_proj.weight
  const projections = entries.filter(({ name }) => /\.(attn_[kv]|[kv]_proj)\.(weight|bias)$/.test(name));
  const perHead = sum(projections, numelOf) / facts.keyValueHeads;
  const weights = projections.filter(({ name }) => name.endsWith(".weight"));
  const countable = weights.length === 2 * facts.layers && Number.isInteger(perHead);
  return {
    keyValueHeads,
    parameters: countable ? sum(entries, numelOf) + (keyValueHeads - facts.keyValueHeads) * perHead : null,
    cache: cacheCosts(facts, keyValueHeads),
  };
}

function cacheCosts(facts: ModelFacts, keyValueHeads: number): CacheCosts {
  const cost = (dtype: CacheDType): CacheCost | null => {
    const { blockSize } = dtypeInfo(dtype);
    if (facts.headSize % blockSize !== 0 || facts.valueHeadSize % blockSize !== 0) return null;
    const rows = byteLengthOf(dtype, facts.headSize) + byteLengthOf(dtype, facts.valueHeadSize);
    const bytesPerToken = facts.layers * keyValueHeads * rows;
    return { bytesPerToken, bytesAtFullContext: bytesPerToken * facts.contextLength };
  };
  return { f32: cost("f32"), f16: cost("f16"), q8_0: cost("q8_0") };
}

function sharesOf(entries: readonly TensorEntry[]): DTypeShare[] {
  const shares = [...Map.groupBy(entries, ({ dtype }) => dtype)].map(([dtype, same]) => ({
    dtype,
    tensors: same.length,
    parameters: sum(same, numelOf),
    bytes: sum(same, ({ byteLength }) => byteLength),
  }));
  return shares.sort((a, b) => b.bytes - a.bytes);
}

function numelOf({ shape }: TensorEntry): number {
  return shape.reduce((product, size) => product * size, 1);
}

function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0);
}
