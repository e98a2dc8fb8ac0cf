/**
 * What `heed generate` was asked for.
 */
import { numberOption, onlyArgument, parseCommandLine } from "./command_line.ts";
import {
  MODEL_HELP,
  MODEL_OPTIONS,
  type ModelRequest,
  readModelOptions,
  readSampling,
  type Sampling,
  SAMPLING_HELP,
  SAMPLING_OPTIONS,
} from "./model_options.ts";

/** What `heed generate --help` prints. */
export const GENERATE_HELP = `heed generate PROMPT

Goes on from PROMPT with a model: text to stdout, progress and speed to stderr.

${MODEL_HELP}
  --max-tokens N         stop after N tokens (default 128)
${SAMPLING_HELP}
  -h, --help             show this
`;

/** A whole request. */
export interface GenerateRequest extends ModelRequest {
  /** What to go on from; never empty. */
  readonly prompt: string;
  /** The most tokens to write. */
  readonly maxTokens: number;
  /** How tokens are chosen. */
  readonly sampling: Sampling;
}

/**
 * Reads the command line after `generate`.
 *
 * @returns the request, or "help"
 * @throws {UsageError} saying which option is wrong, and what it takes
 */
export function parseGenerate(args: readonly string[]): GenerateRequest | "help" {
  const { values, positionals } = parseCommandLine(args, {
    ...MODEL_OPTIONS,
    ...SAMPLING_OPTIONS,
    "max-tokens": { type: "string", default: "128" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) return "help";
  return {
    prompt: onlyArgument(positionals, "one prompt"),
    ...readModelOptions(values),
    maxTokens: numberOption("max-tokens", values["max-tokens"], { min: 1, whole: true }) ?? 0,
    sampling: readSampling(values),
  };
}
