/**
 * The `heed` command: text to stdout, everything else to stderr. Exit codes: 0 done, 1 it could not be done, 2 the
 * command line is wrong, 130 interrupted, 143 asked to terminate. Who reads the text may leave early, as `head` does: then
 * it is done.
 */
import { chat } from "./src/chat.ts";
import { convert } from "./src/convert.ts";
import { Interrupted, isSystemError, Terminated, UsageError } from "./src/errors.ts";
import { generate } from "./src/generate.ts";
import { inspect } from "./src/inspect.ts";
import { serve } from "./src/serve.ts";

const HELP = `heed COMMAND

  generate PROMPT  write text with a model
  chat             talk with a model
  serve            answer programs over HTTP, as the OpenAI API does, and show the explorer
  inspect MODEL    show what a model is made of
  convert IN OUT   make a model with fewer key/value heads

  heed COMMAND --help  shows a command's options
  -h, --help           show this
  --version            show the version

Models that are fetched lie in HEED_CACHE, or in heed/ in this system's folder for caches.
`;

const COMMANDS: ReadonlyMap<string, (args: readonly string[]) => Promise<void>> = new Map([
  ["generate", generate],
  ["chat", chat],
  ["serve", serve],
  ["inspect", inspect],
  ["convert", convert],
]);

async function run([name, ...args]: readonly string[]): Promise<void> {
  if (name === undefined || name === "-h" || name === "--help") return console.log(HELP.trimEnd());
  if (name === "--version") return console.log(`heed ${await version()} (deno ${Deno.version.deno})`);
  const command = COMMANDS.get(name);
  if (command !== undefined) return await command(args);
  const kind = name.startsWith("-") ? "option" : "command";
  throw new UsageError(`Unknown ${kind} "${name}"; the commands are ${[...COMMANDS.keys()].join(", ")}`);
}

/** The version stands in one place, the file that publishing reads too. */
async function version(): Promise<string> {
  const config: { version: string } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  return config.version;
}

/** A fault of the program shows where it is; what a person can mend shows only what it is. */
function report(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  if (error instanceof Terminated) return 143;
  if (error instanceof Deno.errors.BrokenPipe) return 0;
  if (!(error instanceof Error)) console.error("heed:", error);
  else if (isFault(error)) console.error("heed: this is a fault of the program;", error);
  else console.error(`heed: ${error.message}`);
  if (!(error instanceof UsageError)) return 1;
  console.error("Run with --help to see what it takes");
  return 2;
}

function isFault(error: Error): boolean {
  const builtIn = [TypeError, RangeError, ReferenceError, SyntaxError, Error].some((it) => error.constructor === it);
  return error.message.startsWith("Internal:") || (builtIn && !isSystemError(error));
}

if (import.meta.main) {
  try {
    await run(Deno.args);
  } catch (error) {
    Deno.exitCode = report(error);
  }
}
