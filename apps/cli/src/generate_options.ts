/**
 * What `heed generate` was asked for.
 */
import { numberOption, onlyArgument, parseCommandLine } from "./command_line.ts";
import { UsageError } from "./errors.ts";
import { DEFAULT_MODEL } from "./pinned_models.ts";

/** What `heed generate --help` prints. */
export const GENERATE_HELP = `heed generate PROMPT

Goes on from PROMPT with a model: text to stdout, progress and speed to stderr.

  --model PATH|URL|NAME  a GGUF file, a Hugging Face folder, an https URL of a GGUF file,
                         or a known name (default ${DEFAULT_MODEL})
  --backend NAMES        where to compute: scalar, wasm, webgpu, or several with commas,
                         of which the first that is there is taken (default auto)
  --max-tokens N         stop after N tokens (default 128)
  --temperature T        0 takes the likeliest token each time (default); above 0 draws
  --top-k K              draw from the K likeliest tokens only
  --top-p P              draw from the likeliest tokens that make up the probability P only
  --seed N               what draws begin from (default 0)
  --check-weights        read all weights first, and name the first that is NaN or infinite
  -h, --help             show this
`;

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

/** A whole request. */
export interface GenerateRequest {
  /** What to go on from; never empty. */
  readonly prompt: string;
  /** A known name, a URL or a path. */
  readonly model: string;
  /** Backends in order of preference; absent lets the library choose. */
  readonly backends?: readonly string[];
  /** The most tokens to write. */
  readonly maxTokens: number;
  /** How tokens are chosen. */
  readonly sampling: Sampling;
  /** Whether all weights are looked at first. */
  readonly checkWeights: boolean;
}

/**
 * Reads the command line after `generate`.
 *
 * @returns the request, or "help"
 * @throws {UsageError} saying which option is wrong, and what it takes
 */
export function parseGenerate(args: readonly string[]): GenerateRequest | "help" {
  const { values, positionals } = parseCommandLine(args, {
    model: { type: "string", default: DEFAULT_MODEL },
    backend: { type: "string", default: "auto" },
    "max-tokens": { type: "string", default: "128" },
    temperature: { type: "string", default: "0" },
    "top-k": { type: "string" },
    "top-p": { type: "string" },
    seed: { type: "string" },
    "check-weights": { type: "boolean", default: false },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) return "help";
  const prompt = onlyArgument(positionals, "one prompt");
  if (prompt === "") throw new UsageError("Cannot go on from an empty prompt");
  const topK = numberOption("top-k", values["top-k"], { min: 1, whole: true });
  const topP = numberOption("top-p", values["top-p"], { min: 0, max: 1 });
  const seed = numberOption("seed", values.seed, { min: 0, whole: true });
  const backends = backendNames(values.backend);
  return {
    prompt,
    model: values.model,
    ...(backends && { backends }),
    maxTokens: numberOption("max-tokens", values["max-tokens"], { min: 1, whole: true }) ?? 0,
    sampling: {
      temperature: numberOption("temperature", values.temperature, { min: 0 }) ?? 0,
      ...(topK !== undefined && { topK }),
      ...(topP !== undefined && { topP }),
      ...(seed !== undefined && { seed }),
    },
    checkWeights: values["check-weights"],
  };
}

function backendNames(text: string): string[] | undefined {
  if (text === "auto") return undefined;
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => name !== "")) return names;
  throw new UsageError(`Cannot use --backend "${text}": it must be auto, or names with commas between them`);
}
