/**
 * Fewer key/value heads for a trained model: multi-head to grouped-query or multi-query attention, and grouped to fewer
 * groups (Ainslie et al., 2023, "GQA: Training Generalized Multi-Query Transformer Models", section 2.1). Only `k_proj` and
 * `v_proj` change, `[Hkv * D, E] -> [kvHeads * D, E]`; how is in convert_projection.ts.
 */
import { DTypeError, isFloat, ShapeError, Tensor } from "../../core/mod.ts";
import { checkNames, showShape, showValue } from "../../core/src/errors.ts";
import { seedWords } from "../../core/src/ops/primitives/random.ts";
import { sameShape } from "../../core/src/shape.ts";
import { convertParameter, projectionShape, projectionWeights } from "./convert_projection.ts";

/** How a new head is made of the heads it stands for: their mean (the paper's choice), the first of them, or drawn anew. */
export type HeadMethod = "mean" | "first" | "random";

/** What conversion needs of a config; a `LlamaConfig` has it all. */
export interface HeadConfig {
  /** E. */
  readonly hiddenSize: number;
  /** Layers. */
  readonly numHiddenLayers: number;
  /** Hkv. */
  readonly numKeyValueHeads: number;
  /** D. */
  readonly headDim: number;
  /** Standard deviation of the weights that `random` draws; 0.02 when left out. */
  readonly initializerRange?: number | undefined;
}

/** Settings of {@linkcode convertHeads}. */
export interface ConvertHeadsOptions {
  /** Key/value heads afterwards; it divides the present number. */
  readonly kvHeads: number;
  /** How they are made. */
  readonly method: HeadMethod;
  /** What `random` draws from; 0 when left out. The same seed gives the same model, on every backend. */
  readonly seed?: number | undefined;
}

/** A model's parameters and config after {@linkcode convertHeads}. */
export interface ConvertedHeads<C extends HeadConfig> {
  /** All parameters by name, each a tensor of the caller's own. */
  readonly state: Map<string, Tensor>;
  /** The config given, with the new number of key/value heads. */
  readonly config: C;
}

const METHODS: readonly string[] = ["mean", "first", "random"] satisfies HeadMethod[];
/** The names of those settings. */
export const CONVERT_OPTIONS = {
  kvHeads: true,
  method: true,
  seed: true,
} as const satisfies Record<keyof ConvertHeadsOptions, true>;
/** What other libraries call them. */
export const FOREIGN_CONVERT_OPTIONS: Readonly<Record<string, string>> = {
  kv_heads: "kvHeads",
  num_kv_heads: "kvHeads",
  numKvHeads: "kvHeads",
  num_key_value_heads: "kvHeads",
  numKeyValueHeads: "kvHeads",
};

/**
 * Converts a state dict, in Hugging Face's names, to fewer key/value heads. It runs where the tensors are and keeps their
 * dtypes: a mean of f16 or bf16 is computed in f32 and rounded once. Parameters that do not change share their storage with
 * the ones given.
 *
 * @param state every parameter by name; block-quantised projections have to be dequantised first
 * @param config the config that belongs to it
 * @returns new parameters, to be disposed of like the old, and the config that belongs to them
 * @throws {ShapeError} when kvHeads does not divide the present number, the method or an option is unknown, the seed is no
 * whole number, the state is no map of tensors, or a projection is missing or misshapen
 * @throws {DTypeError} when a projection is not of floats
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { tensor } from "@heed/heed/core";
 * import { convertHeads } from "@heed/heed/models";
 *
 * const backend = createScalarBackend();
 * const config = { hiddenSize: 3, numHiddenLayers: 1, numKeyValueHeads: 2, headDim: 1 };
 * const rows = tensor([[0, 2, 4], [2, 4, 6]], { backend }); // a head is one row here
 * const state = new Map(["k", "v"].map((p) => [`model.layers.0.self_attn.${p}_proj.weight`, rows]));
 *
 * const converted = convertHeads(state, config, { kvHeads: 1, method: "mean" });
 * const mean = converted.state.get("model.layers.0.self_attn.k_proj.weight")!;
 * assertEquals(await mean.toArray(), [[1, 3, 5]]);
 * assertEquals(converted.config.numKeyValueHeads, 1);
 * ```
 */
export function convertHeads<C extends HeadConfig>(
  state: ReadonlyMap<string, Tensor>,
  config: C,
  options: ConvertHeadsOptions,
): ConvertedHeads<C> {
  checkNames("convert heads", options, CONVERT_OPTIONS, FOREIGN_CONVERT_OPTIONS);
  checkHeads(config, options);
  checkState(state);
  for (const name of projectionWeights(config)) {
    if (!state.has(name)) throw missing(name, state.size);
  }
  for (const [name, x] of state) checkProjection(name, x, config);
  return {
    state: convertAll(state, config, options),
    config: { ...config, numKeyValueHeads: options.kvHeads },
  };
}

function convertAll(
  state: ReadonlyMap<string, Tensor>,
  config: HeadConfig,
  options: ConvertHeadsOptions,
): Map<string, Tensor> {
  const converted = new Map<string, Tensor>();
  const unchanged = new Map<Tensor, Tensor>(); // one tensor under two names, as tied embeddings, stays one
  try {
    for (const [name, x] of state) {
      const result = unchanged.get(x) ?? convertParameter(name, x, config, options);
      if (projectionShape(name, config, 1) === undefined) unchanged.set(x, result);
      converted.set(name, result);
    }
    return converted;
  } catch (error) {
    for (const x of converted.values()) x.dispose();
    throw error;
  }
}

/**
 * Checks what was asked for, before any tensor is looked at.
 *
 * @throws {ShapeError} as {@linkcode convertHeads}
 */
export function checkHeads(config: HeadConfig, options: ConvertHeadsOptions): void {
  if (typeof options !== "object" || options === null) { // from JavaScript anything may come
    throw new ShapeError(
      `Cannot convert heads with options ${
        showValue(options)
      }: say how many and how, as { kvHeads: 1, method: "mean" }`,
    );
  }
  const heads = config?.numKeyValueHeads;
  if (!Number.isSafeInteger(heads)) {
    throw new ShapeError(
      `Cannot convert heads of a config with numKeyValueHeads ${showValue(heads)}: give the model's config, as ` +
        `llamaConfigFromJson reads it`,
    );
  }
  const { kvHeads, method, seed = 0 } = options;
  if (!METHODS.includes(method)) {
    throw new ShapeError(`Cannot convert heads by ${showValue(method)}: the method is one of ${METHODS.join(", ")}`);
  }
  if (!Number.isSafeInteger(kvHeads) || kvHeads < 1 || heads % kvHeads !== 0) {
    const divisors = Array.from({ length: heads }, (_, i) => i + 1).filter((n) => heads % n === 0);
    throw new ShapeError(
      `Cannot convert ${heads} key/value heads to ${showValue(kvHeads)}: the new number must divide ${heads}; use ` +
        divisors.join(", "),
    );
  }
  seedWords(seed); // throws for what is no seed
}

function checkState(state: ReadonlyMap<string, Tensor>): void {
  if (typeof state?.get === "function" && [...state.values()].every((x) => x instanceof Tensor)) return;
  throw new ShapeError(
    `Cannot convert heads of ${showValue(state)}: it is no map of tensors by name; give model.stateDict()`,
  );
}

function checkProjection(name: string, { shape, dtype }: Tensor, config: HeadConfig): void {
  const { numKeyValueHeads, headDim } = config;
  const expected = projectionShape(name, config, numKeyValueHeads);
  if (expected === undefined) return;
  if (!sameShape(shape, expected)) {
    throw new ShapeError(
      `Cannot convert heads of "${name}" ${showShape(shape)}: expected ${
        showShape(expected)
      } for ${numKeyValueHeads} ` +
        `key/value heads of ${headDim} rows; give the config that belongs to the state dict`,
    );
  }
  if (isFloat(dtype)) return;
  throw new DTypeError(
    `Cannot convert heads of "${name}" ${dtype} ${showShape(shape)}: it takes floats; use to("f32")`,
  );
}

function missing(name: string, size: number): ShapeError {
  return new ShapeError(
    `Cannot convert heads of a state dict of ${size} tensors: "${name}" is missing; names are Hugging Face's, as ` +
      `stateDict() of LlamaForCausalLM gives them`,
  );
}
