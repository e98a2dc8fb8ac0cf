/**
 * Options of one command, read by Node's own `parseArgs`, which Deno carries and types. Whatever is wrong with them
 * becomes a {@linkcode UsageError}.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "./errors.ts";

/** Options as `parseArgs` takes them, by name. */
export type Options = NonNullable<ParseArgsConfig["options"]>;

/** What a command line with options `O` says. */
export type CommandLine<O extends Options> = ReturnType<typeof parseArgs<Config<O>>>;

interface Config<O extends Options> {
  args: string[];
  options: O;
  allowPositionals: true;
}

/**
 * Reads options and the arguments between them.
 *
 * @param args the command line after the command's name
 * @param options the options the command takes
 * @throws {UsageError} for an unknown option, or one without its value
 */
export function parseCommandLine<O extends Options>(args: readonly string[], options: O): CommandLine<O> {
  try {
    return parseArgs<Config<O>>({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message.replaceAll("\n", " "));
  }
}

/** What a numeric option takes. */
export interface NumberRule {
  /** The least value. */
  readonly min: number;
  /** The greatest value; default none but, of whole ones, 2⁵³ - 1. */
  readonly max?: number;
  /** Whether it must be whole. */
  readonly whole?: boolean;
}

/**
 * The number an option's text says.
 *
 * @param name the option, for the message
 * @param text what was written; undefined where the option was not given
 * @returns the number, or undefined where the option was not given
 * @throws {UsageError} when it is not such a number
 */
export function numberOption(name: string, text: string | undefined, rule: NumberRule): number | undefined {
  if (text === undefined) return undefined;
  const { min, whole = false } = rule;
  const max = rule.max ?? (whole ? Number.MAX_SAFE_INTEGER : Infinity);
  const value = text.trim() === "" ? NaN : Number(text);
  const fits = whole ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (fits && value >= min && value <= max) return value;
  const kind = whole ? "a whole number" : "a number";
  const range = rule.max !== undefined || value > max ? `from ${min} to ${max}` : `of at least ${min}`;
  throw new UsageError(`Cannot use --${name} "${text}": it must be ${kind} ${range}`);
}

/**
 * The one argument a command wants.
 *
 * @param what what it is, for the message
 * @throws {UsageError} when there is none, an empty one, or more than one
 */
export function onlyArgument(positionals: readonly string[], what: string): string {
  const [first, second] = positionals;
  if (first === undefined) throw new UsageError(`Cannot go on without ${what}`);
  if (first === "") throw new UsageError(`Cannot go on without ${what}: what was given is empty`);
  if (second === undefined) return first;
  throw new UsageError(
    `Cannot take "${second}" after "${first}": only ${what} is wanted; put text with spaces in quotes`,
  );
}
