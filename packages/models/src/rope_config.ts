/**
 * How a model's rotary frequencies are scaled, as Hugging Face's `rope_scaling` (or `rope_parameters`) and GGUF's
 * `llama.rope.scaling.*` and `rope_freqs.weight` say it.
 */
import { ropeFrequencies, type RopeScaling, ShapeError, type YarnRopeScaling } from "../../core/mod.ts";
import { FormatError, type TensorEntry, type TensorFile } from "../../formats/mod.ts";
import type { LlamaConfig } from "../../nn/mod.ts";
import { rotaryDim } from "../../nn/src/llama_config.ts";
import { type Lookup, lookupIn, maybeNumber, numberOf } from "./config_fields.ts";

/** Settings of {@linkcode ropeScalingFromJson}. */
export interface RopeScalingOptions {
  /** What messages call the file; `config.json` when left out. */
  readonly name?: string | undefined;
  /** The model's context, which YaRN takes for the original one where the file names none. */
  readonly maxPositionEmbeddings?: number | undefined;
}

/**
 * The scaling in Hugging Face's `rope_scaling` or `rope_parameters`.
 *
 * @param json the parsed field; null and undefined are no scaling
 * @returns undefined where frequencies are not scaled
 * @throws {FormatError} when the kind of scaling is not known, or a number of it is missing
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ropeScalingFromJson } from "@heed/heed/models";
 *
 * assertEquals(ropeScalingFromJson({ rope_type: "linear", factor: 4 }), { type: "linear", factor: 4 });
 * assertEquals(ropeScalingFromJson({ rope_type: "default" }), undefined);
 * ```
 */
export function ropeScalingFromJson(json: unknown, options: RopeScalingOptions = {}): RopeScaling | undefined {
  const { name = "config.json", maxPositionEmbeddings } = options;
  const get = lookupIn(json);
  const type: unknown = get("rope_type") ?? get("type") ?? (get("factor") === undefined ? "default" : undefined);
  const number = (key: string, fallback?: number): number => numberOf(name, get, key, fallback);
  switch (type) {
    case "default":
      return undefined;
    case "linear":
      return { type, factor: number("factor") };
    case "llama3":
      return {
        type,
        factor: number("factor"),
        lowFreqFactor: number("low_freq_factor"),
        highFreqFactor: number("high_freq_factor"),
        originalMaxPositionEmbeddings: number("original_max_position_embeddings"),
      };
    case "yarn":
      return yarnOfJson(name, get, number("original_max_position_embeddings", maxPositionEmbeddings));
    default:
      throw unknownScaling(name, type, '"linear", "llama3" and "yarn"');
  }
}

function yarnOfJson(name: string, get: Lookup, originalMaxPositionEmbeddings: number): YarnRopeScaling {
  const notZero: Lookup = (key) => get(key) || undefined; // transformers takes 0 for absent in these
  return {
    type: "yarn",
    factor: numberOf(name, get, "factor"),
    originalMaxPositionEmbeddings,
    betaFast: maybeNumber(name, notZero, "beta_fast"),
    betaSlow: maybeNumber(name, notZero, "beta_slow"),
    attentionFactor: maybeNumber(name, get, "attention_factor"),
    mscale: maybeNumber(name, notZero, "mscale"),
    mscaleAllDim: maybeNumber(name, notZero, "mscale_all_dim"),
    truncate: get("truncate") !== false,
  };
}

/**
 * The scaling as Hugging Face's `rope_scaling`.
 *
 * @returns null where there is none
 * @throws {FormatError} when Hugging Face has no field for it
 */
export function ropeScalingToJson(scaling: RopeScaling | undefined): Record<string, unknown> | null {
  if (scaling === undefined) return null;
  const { type } = scaling;
  switch (type) {
    case "linear":
      return { rope_type: type, factor: scaling.factor };
    case "llama3":
      return {
        rope_type: type,
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
      };
    case "yarn":
      return yarnToJson(scaling);
    case "factors":
      throw new FormatError(
        "Cannot write config.json: RoPE is scaled by factors, for which Hugging Face's Llama has no field; " +
          "set ropeScaling to the scaling they were made from",
      );
  }
}

function yarnToJson(scaling: YarnRopeScaling): Record<string, unknown> {
  const fields = {
    rope_type: scaling.type,
    factor: scaling.factor,
    original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
    beta_fast: scaling.betaFast,
    beta_slow: scaling.betaSlow,
    attention_factor: scaling.attentionFactor,
    mscale: scaling.mscale,
    mscale_all_dim: scaling.mscaleAllDim,
    truncate: scaling.truncate,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/**
 * The scaling of a GGUF file.
 *
 * @param pairs how many pairs of a head rotate
 * @param context the model's context, which YaRN takes for the original one where the file names none
 * @returns undefined where frequencies are not scaled
 * @throws {FormatError} when the kind of scaling is not known, a number of it is missing, or there are two of them
 */
export async function ropeScalingFromGguf(
  file: TensorFile,
  pairs: number,
  context: number,
): Promise<RopeScaling | undefined> {
  const scaling = scalingOfMetadata(file, context);
  const entry = file.tensors.get("rope_freqs.weight");
  if (entry === undefined) return scaling;
  if (scaling === undefined) return { type: "factors", factors: await readFactors(file.name, entry, pairs) };
  throw new FormatError(
    `Cannot load ${file.name}: its RoPE is scaled twice, by "${scaling.type}" and by rope_freqs.weight; one is known at a time`,
    { file: file.name },
  );
}

/** As llama.cpp reads them: a factor without a type is linear, 0 and absent are none. */
function scalingOfMetadata({ name, metadata }: TensorFile, context: number): RopeScaling | undefined {
  const get: Lookup = (key) => metadata.get(`llama.rope.${key}`) || undefined;
  const type: unknown = get("scaling.type") ?? "linear";
  const named: Lookup = (key) => get(key.slice("llama.rope.".length)); // messages give the whole key
  const number = (key: string, fallback?: number): number => numberOf(name, named, `llama.rope.${key}`, fallback);
  const attentionFactor = number("scaling.attn_factor", 1);
  if (type !== "yarn" && attentionFactor !== 1) {
    throw new FormatError(
      `Cannot load ${name}: llama.rope.scaling.attn_factor is ${attentionFactor} without YaRN, whose factor alone is known`,
      { file: name },
    );
  }
  if (type === "none") return undefined;
  if (type !== "linear" && type !== "yarn") throw unknownScaling(name, type, '"linear" and "yarn"');
  const factor = number("scaling.factor", number("scale_linear", 1));
  if (type === "linear") return factor === 1 ? undefined : { type, factor };
  return {
    type,
    factor,
    originalMaxPositionEmbeddings: number("scaling.original_context_length", context),
    betaFast: number("scaling.yarn_beta_fast", 32),
    betaSlow: number("scaling.yarn_beta_slow", 1),
    attentionFactor: attentionFactor * (0.1 * Math.log(factor) + 1), // it comes on top of YaRN's own
  };
}

async function readFactors(file: string, entry: TensorEntry, pairs: number): Promise<number[]> {
  const [expected, found] = [`f32 [${pairs}]`, `${entry.dtype} [${entry.shape.join(", ")}]`];
  if (found !== expected) {
    throw new FormatError(`Cannot load ${file}: tensor "${entry.name}" should be ${expected}, found ${found}`, {
      file,
      tensor: entry.name,
      expected,
      found,
    });
  }
  const bytes = await entry.source.read(entry.offsetBytes, entry.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: pairs }, (_, i) => view.getFloat32(4 * i, true));
}

/**
 * The config as it is, once its rotary numbers are seen to fit each other.
 *
 * @throws {FormatError} when they do not
 */
export function checkedRope(config: LlamaConfig, file: string): LlamaConfig {
  try {
    ropeFrequencies(rotaryDim(config), config.ropeTheta, config.ropeScaling);
    return config;
  } catch (cause) {
    if (!(cause instanceof ShapeError)) throw cause;
    throw new FormatError(`Cannot load ${file}: its RoPE does not fit: ${cause.message}`, { file, cause });
  }
}

function unknownScaling(file: string, type: unknown, known: string): FormatError {
  return new FormatError(
    `Cannot load ${file}: its RoPE is scaled by ${
      JSON.stringify(type) ?? "a kind it does not name"
    }; known are ${known}`,
    { file },
  );
}
