/**
 * The error of a file that is not what it claims to be: truncated, corrupt, of an unknown version or dtype, missing.
 * Messages have one form, `Cannot read model.gguf: tensor "a.weight": …: expected …, found …`; the parts are also
 * properties, for programs. After one of these nothing is half loaded.
 */

/** The parts of a {@linkcode FormatError}, for programs. */
export interface FormatErrorDetails {
  /** The file, as its source names it. */
  readonly file?: string;
  /** The tensor in it. */
  readonly tensor?: string;
  /** What should have been there. */
  readonly expected?: string;
  /** What was there. */
  readonly found?: string;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/**
 * A file that cannot be read as what it claims to be.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { bytesSource, FormatError, openGguf } from "@heed/heed/formats";
 *
 * const zeros = bytesSource(new Uint8Array(100), "zeros.gguf");
 * await assertRejects(() => openGguf(zeros), FormatError, "Cannot read zeros.gguf: it is not GGUF");
 * ```
 */
export class FormatError extends Error {
  /** The class's name, for messages. */
  override name = "FormatError";
  /** The file, as its source names it. */
  readonly file: string | undefined;
  /** The tensor in it. */
  readonly tensor: string | undefined;
  /** What should have been there. */
  readonly expected: string | undefined;
  /** What was there. */
  readonly found: string | undefined;

  /**
   * Makes the error of a message.
   *
   * @param message the whole message, in the house's form
   * @param details its parts
   */
  constructor(message: string, details: FormatErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.file = details.file;
    this.tensor = details.tensor;
    this.expected = details.expected;
    this.found = details.found;
  }
}

/** Composes `Cannot read <file>: tensor "<tensor>": <problem>: expected <expected>, found <found>`. */
export function formatError(
  file: string,
  problem: string,
  details: Omit<FormatErrorDetails, "file"> = {},
): FormatError {
  const { tensor, expected, found } = details;
  let message = `Cannot read ${file}: `;
  if (tensor !== undefined) message += `tensor ${quote(tensor)}: `;
  message += problem;
  if (expected !== undefined) message += `: expected ${expected}`;
  if (found !== undefined) message += `${expected === undefined ? ":" : ","} found ${found}`;
  return new FormatError(message, { file, ...details });
}

/** What a file says, as messages show it: in JSON, and cut where it is long. */
export function quote(value: unknown): string {
  if (typeof value === "string" && value.length > 100) value = value.slice(0, 100); // a name may be megabytes long
  const text = JSON.stringify(value, (_, part) => typeof part === "bigint" ? String(part) : part) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
