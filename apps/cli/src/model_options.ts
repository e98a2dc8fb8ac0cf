/**
 * The options that commands share: which model, where to compute, how tokens are chosen.
 */
import { backends as known } from "../../../packages/heed/mod.ts";
import { numberOption } from "./command_line.ts";
import { UsageError } from "./errors.ts";
import { DEFAULT_MODEL } from "./pinned_models.ts";

/** Options that say which model, and where to compute. */
export const MODEL_OPTIONS = {
  model: { type: "string", default: DEFAULT_MODEL },
  backend: { type: "string", default: "auto" },
  "software-adapter": { type: "boolean", default: false },
  activations: { type: "string" },
  "check-weights": { type: "boolean", default: false },
} as const;

/** Their lines of help. */
export const MODEL_HELP = `  --model PATH|URL|NAME  a GGUF file, a Hugging Face folder, an https URL of a GGUF file,
                         or a known name (default ${DEFAULT_MODEL})
  --backend NAMES        where to compute: scalar, wasm, webgpu, or several with commas,
                         of which the first that is there is taken (default auto)
  --software-adapter     take webgpu also where its adapter is software, slower than wasm
  --activations KIND     what quantised weights are multiplied by: f32, exactly, or int8,
                         rounded as llama.cpp does, which changes answers of small models;
                         give f32 where answers seem wrong
                         (default int8 on wasm, f32 on webgpu; scalar knows f32 alone)
  --check-weights        read all weights first, and name the first that is NaN or infinite`;

/** Options that say how tokens are chosen. */
export const SAMPLING_OPTIONS = {
  temperature: { type: "string", default: "0" },
  "top-k": { type: "string" },
  "top-p": { type: "string" },
  seed: { type: "string" },
} as const;

/** Their lines of help. */
export const SAMPLING_HELP = `  --temperature T        0 takes the likeliest token each time (default); above 0 draws
  --top-k K              draw from the K likeliest tokens only
  --top-p P              draw from the likeliest tokens that make up the probability P only
                         (--top-k, --top-p and --seed go with a --temperature above 0)
  --seed N               what draws begin from (default 0)`;

/** Which model, and where to compute. */
export interface ModelRequest {
  /** A known name, a URL or a path. */
  readonly model: string;
  /** Backends in order of preference; absent lets the library choose. */
  readonly backends?: readonly string[];
  /** Whether WebGPU is taken where its adapter is software. */
  readonly softwareAdapter: boolean;
  /** What quantised weights are multiplied by; absent lets the backend choose. */
  readonly activations?: "int8" | "f32";
  /** Whether all weights are looked at first. */
  readonly checkWeights: boolean;
}

/** How a token is chosen; what is absent is the library's default. */
export interface Sampling {
  /** 0 is greedy. */
  readonly temperature: number;
  /** At least 1. */
  readonly topK?: number;
  /** Above 0, up to 1. */
  readonly topP?: number;
  /** Where draws begin. */
  readonly seed?: number;
}

/** What the parser gives for {@linkcode MODEL_OPTIONS}. */
interface ModelValues {
  readonly model: string;
  readonly backend: string;
  readonly "software-adapter": boolean;
  readonly activations?: string | undefined;
  readonly "check-weights": boolean;
}

/** What the parser gives for {@linkcode SAMPLING_OPTIONS}. */
interface SamplingValues {
  readonly temperature: string;
  readonly "top-k"?: string | undefined;
  readonly "top-p"?: string | undefined;
  readonly seed?: string | undefined;
}

/**
 * Reads which model, and where to compute.
 *
 * @throws {UsageError} when the model is empty, a backend unknown, activations are of no such kind, or options do not fit
 * one another
 */
export function readModelOptions(values: ModelValues): ModelRequest {
  const backends = backendNames(values.backend);
  const { model, activations, "check-weights": checkWeights, "software-adapter": softwareAdapter } = values;
  if (model === "") throw new UsageError("Cannot use an empty --model: it must be a path, a URL or a known name");
  if (softwareAdapter && backends?.includes("webgpu") !== true) {
    throw new UsageError("Cannot use --software-adapter without --backend webgpu: no other backend has adapters");
  }
  if (activations !== undefined && activations !== "int8" && activations !== "f32") {
    throw new UsageError(`Cannot use --activations "${activations}": it must be int8 or f32`);
  }
  if (activations === "int8" && backends?.every((name) => name === "scalar")) {
    throw new UsageError('Cannot use --activations "int8" with --backend "scalar": it computes f32 alone');
  }
  return { model, ...(backends && { backends }), ...(activations && { activations }), softwareAdapter, checkWeights };
}

/**
 * Reads how tokens are chosen.
 *
 * @throws {UsageError} saying which option is wrong, and what it takes; or that draws are spoken of and nothing is drawn
 */
export function readSampling(values: SamplingValues): Sampling {
  const topK = numberOption("top-k", values["top-k"], { min: 1, whole: true });
  const topP = numberOption("top-p", values["top-p"], { min: 0, max: 1 });
  const seed = numberOption("seed", values.seed, { min: 0, whole: true });
  const temperature = numberOption("temperature", values.temperature, { min: 0 }) ?? 0;
  const drawing = (["top-k", "top-p", "seed"] as const).find((name) => values[name] !== undefined);
  if (temperature === 0 && drawing !== undefined) {
    throw new UsageError(
      `Cannot use --${drawing} with --temperature 0, which draws nothing: give a --temperature above 0, such as 0.7`,
    );
  }
  return {
    temperature,
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(seed !== undefined && { seed }),
  };
}

function backendNames(text: string): string[] | undefined {
  if (text === "auto") return undefined;
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => known.names.includes(name))) return names;
  throw new UsageError(
    `Cannot use --backend "${text}": it must be auto, or some of ${known.names.join(", ")} with commas between them`,
  );
}
