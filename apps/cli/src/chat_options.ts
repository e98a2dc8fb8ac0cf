/**
 * What `heed chat` was asked for.
 */
import { numberOption, parseCommandLine } from "./command_line.ts";
import { UsageError } from "./errors.ts";
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

/** What `heed chat --help` prints. */
export const CHAT_HELP = `heed chat

Talks with a model: a line is a message, its answer comes to stdout. What was said stays in
the key/value cache, so that a turn costs its own tokens. Ctrl-C stops an answer; Ctrl-C at
the prompt, Ctrl-D or /exit ends. /clear begins anew, /help shows what else there is.

${MODEL_HELP}
  --system TEXT          what the model is told first (default: what its template says)
  --max-tokens N         tokens of one answer at most (default 1024)
${SAMPLING_HELP};
                         each turn draws from the next one
  -h, --help             show this
`;

/** A whole request. */
export interface ChatRequest extends ModelRequest {
  /** What the model is told first. */
  readonly system: string | undefined;
  /** The most tokens of an answer. */
  readonly maxTokens: number;
  /** How tokens are chosen. */
  readonly sampling: Sampling;
}

/**
 * Reads the command line after `chat`.
 *
 * @returns the request, or "help"
 * @throws {UsageError} saying which option is wrong, and what it takes
 */
export function parseChat(args: readonly string[]): ChatRequest | "help" {
  const { values, positionals } = parseCommandLine(args, {
    ...MODEL_OPTIONS,
    ...SAMPLING_OPTIONS,
    system: { type: "string" },
    "max-tokens": { type: "string", default: "1024" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) return "help";
  const [extra] = positionals;
  if (extra !== undefined) throw new UsageError(`Cannot take "${extra}": chat reads messages from stdin, a line each`);
  return {
    ...readModelOptions(values),
    system: values.system,
    maxTokens: numberOption("max-tokens", values["max-tokens"], { min: 1, whole: true }) ?? 0,
    sampling: readSampling(values),
  };
}
