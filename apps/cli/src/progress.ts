/**
 * How far something long is, on stderr: one line that is drawn over and over on a terminal, and a plain line every
 * tenth of the way elsewhere, so that a log stays short.
 */
import { formatBytes } from "./format_bytes.ts";

/** Where progress is written. */
export interface ProgressOutput {
  /** Whether lines can be drawn over. */
  isTerminal(): boolean;
  /** Writes text as it is. */
  write(text: string): void;
}

const BAR_WIDTH = 30;
const LINES_IN_A_LOG = 10;
const LOG_EVERY_BYTES = 100e6; // where nobody knows the total

/** A progress bar counted in bytes. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #output: ProgressOutput;
  #shown = "";
  #lastStep = 0;

  /** @param label what is going on, for example `Downloading` */
  constructor(label: string, output: ProgressOutput = STDERR) {
    this.#label = label;
    this.#output = output;
  }

  /** Shows that `done` of `total` bytes are done; `total` is undefined where nobody knows. */
  update(done: number, total: number | undefined): void {
    const step = total === undefined ? done / LOG_EVERY_BYTES : (done / Math.max(total, 1)) * LINES_IN_A_LOG;
    if (this.#output.isTerminal()) this.#draw(`${this.#label} ${bar(done, total)}${amount(done, total)}`);
    else if (Math.floor(step) > this.#lastStep) this.#output.write(`${this.#label}: ${amount(done, total)}\n`);
    this.#lastStep = Math.max(this.#lastStep, Math.floor(step));
  }

  /** Leaves the last state on the screen and ends its line. */
  end(): void {
    if (this.#shown !== "") this.#output.write("\n");
    this.#shown = "";
  }

  /** Ends the line, also when what was going on failed. */
  [Symbol.dispose](): void {
    this.end();
  }

  #draw(line: string): void {
    if (line === this.#shown) return; // a terminal is slow: only what differs is drawn
    this.#shown = line;
    this.#output.write(`\r${line}\x1b[K`);
  }
}

function bar(done: number, total: number | undefined): string {
  if (total === undefined) return "";
  const full = Math.min(BAR_WIDTH, Math.floor((done / Math.max(total, 1)) * BAR_WIDTH));
  return `[${"#".repeat(full)}${"-".repeat(BAR_WIDTH - full)}] `;
}

function amount(done: number, total: number | undefined): string {
  if (total === undefined) return formatBytes(done);
  const percent = Math.floor((done / Math.max(total, 1)) * 100);
  return `${percent}% of ${formatBytes(total)}`;
}

const STDERR: ProgressOutput = {
  isTerminal: () => Deno.stderr.isTerminal(),
  write: (text) => writeAllSync(new TextEncoder().encode(text)),
};

function writeAllSync(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
}
