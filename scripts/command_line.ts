/**
 * The frame of a script: its command line is read as that of `heed` is. `--help` prints what it takes; a wrong command line is
 * a message on stderr, and code 2.
 */
import { type CommandLine, type Options, parseCommandLine } from "../apps/cli/src/command_line.ts";
import { UsageError } from "../apps/cli/src/errors.ts";

const HELP_OPTION = { help: { type: "boolean", short: "h" } } as const;

/** What a script takes. */
export interface Takes<O extends Options> {
  /** What `--help` prints. */
  readonly help: string;
  /** Its options besides `--help`. */
  readonly options: O;
  /** How many arguments there may be between the options; default none. */
  readonly maxArguments?: number;
}

/**
 * Runs a script.
 *
 * @param takes what its command line may be
 * @param run does the work; a {@linkcode UsageError} from it is a wrong command line too
 */
export async function runScript<O extends Options>(
  { help, options, maxArguments = 0 }: Takes<O>,
  run: (line: CommandLine<O & typeof HELP_OPTION>) => void | Promise<void>,
): Promise<void> {
  try {
    const line = parseCommandLine(Deno.args, { ...options, ...HELP_OPTION });
    if ("help" in line.values) return console.log(help.trimEnd());
    const extra = line.positionals[maxArguments];
    if (extra !== undefined) throw new UsageError(`Cannot take "${extra}": that is an argument too many`);
    await run(line);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nRun with --help to see what it takes`);
    Deno.exit(2);
  }
}
