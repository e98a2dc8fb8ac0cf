/**
 * Lines a person or a program writes on stdin. On a terminal they are edited, remembered and asked for by a prompt on
 * stderr; elsewhere they are taken as they come. Interrupts go to whoever is busy, and end the lines when nobody is.
 */
import process from "node:process";
import { createInterface, type Interface } from "node:readline";

/** Lines from stdin. */
export class ChatLines implements Disposable {
  readonly #lines: Interface;
  readonly #terminal = Deno.stdin.isTerminal();
  readonly #interrupt = (): void => this.#interrupted();
  #busy: AbortController | undefined;
  #ended = false;

  /** Starts reading. */
  constructor() {
    const { stdin, stderr } = process;
    this.#lines = createInterface(
      this.#terminal
        ? { input: stdin, output: stderr, terminal: true, prompt: "> " }
        : { input: stdin, terminal: false },
    );
    this.#lines.on("SIGINT", this.#interrupt); // a terminal that is being edited on sends no signal
    Deno.addSignalListener("SIGINT", this.#interrupt);
  }

  /** Whether an interrupt ended the lines. */
  get interrupted(): boolean {
    return this.#ended;
  }

  #interrupted(): void {
    if (this.#busy !== undefined) return this.#busy.abort();
    this.#ended = true;
    this.#lines.close();
  }

  /** The lines, each when the one before was dealt with. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    const lines = this.#lines[Symbol.asyncIterator]();
    for (this.#prompt();; this.#prompt()) {
      const { done, value } = await lines.next();
      if (done || this.#ended) return;
      yield value;
    }
  }

  #prompt(): void {
    if (this.#terminal && !this.#ended) this.#lines.prompt();
  }

  /**
   * Runs something that an interrupt stops, and not the lines.
   *
   * @param run takes the signal that it stops at
   */
  async stoppable(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const busy = new AbortController();
    this.#busy = busy;
    try {
      await run(busy.signal);
    } catch (error) {
      if (error !== busy.signal.reason) throw error;
    } finally {
      this.#busy = undefined;
    }
  }

  /** Stops reading. */
  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGINT", this.#interrupt);
    this.#lines.close();
  }
}
