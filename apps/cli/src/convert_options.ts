/**
 * What `heed convert` was asked for.
 */
import type { HeadMethod } from "../../../packages/heed/mod.ts";
import { numberOption, parseCommandLine } from "./command_line.ts";
import { UsageError } from "./errors.ts";

/** What `heed convert --help` prints. */
export const CONVERT_HELP = `heed convert IN OUT --kv-heads N

Makes a model with fewer key/value heads: multi-head attention becomes grouped-query or
multi-query attention, which a cache of N / now of the size serves. Uptrain it before use.
IN is a Hugging Face folder (config.json and safetensors); OUT is the folder to make, which
other engines load. Weights pass through one tensor at a time.

  --kv-heads N     key/value heads afterwards; N divides the present number
  --method METHOD  what a new head is made of: mean, the average of those it stands for;
                   first, the first of them; random, drawn anew (default mean)
  --seed S         what random draws from (default 0)
  --overwrite      replace OUT, once the new one is complete
  -h, --help       show this
`;

/** A whole request. */
export interface ConvertRequest {
  /** The folder to read. */
  readonly input: string;
  /** The folder to make. */
  readonly output: string;
  /** Key/value heads afterwards, at least 1. */
  readonly kvHeads: number;
  /** How they are made. */
  readonly method: HeadMethod;
  /** What `random` draws from. */
  readonly seed: number;
  /** Whether an existing folder is replaced. */
  readonly overwrite: boolean;
}

const METHODS: ReadonlyMap<string, HeadMethod> = new Map([["mean", "mean"], ["first", "first"], ["random", "random"]]);

/**
 * Reads the command line after `convert`.
 *
 * @returns the request, or "help"
 * @throws {UsageError} saying which option is wrong, and what it takes
 */
export function parseConvert(args: readonly string[]): ConvertRequest | "help" {
  const { values, positionals } = parseCommandLine(args, {
    "kv-heads": { type: "string" },
    method: { type: "string", default: "mean" },
    seed: { type: "string" },
    overwrite: { type: "boolean", default: false },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) return "help";
  const [input, output, ...rest] = positionals;
  if (!input || !output || rest.length > 0) {
    throw new UsageError(
      `Cannot convert: two folders are wanted, the one to read and the one to make; found ${positionals.length}`,
    );
  }
  const kvHeads = numberOption("kv-heads", values["kv-heads"], { min: 1, whole: true });
  if (kvHeads === undefined) throw new UsageError("Cannot go on without --kv-heads: the key/value heads to end with");
  const method = METHODS.get(values.method);
  if (method === undefined) {
    throw new UsageError(`Cannot use --method "${values.method}": it must be one of ${[...METHODS.keys()].join(", ")}`);
  }
  const seed = numberOption("seed", values.seed, { min: 0, whole: true });
  if (seed !== undefined && method !== "random") {
    throw new UsageError(`Cannot use --seed with --method ${method}: only random draws`);
  }
  return { input, output, kvHeads, method, seed: seed ?? 0, overwrite: values.overwrite };
}
