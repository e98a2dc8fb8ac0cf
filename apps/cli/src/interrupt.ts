/**
 * An interrupt (Ctrl-C) as a signal that what is going on can end at, tidily.
 */
import { Interrupted } from "./errors.ts";

/** Turns the first interrupt into a signal; the system's own way is back after it, or at the end of the block. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #stop = (): void => {
    this[Symbol.dispose]();
    this.#controller.abort(new Interrupted());
  };

  /** Starts listening. */
  constructor() {
    Deno.addSignalListener("SIGINT", this.#stop);
  }

  /** Aborts with {@linkcode Interrupted}. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGINT", this.#stop);
  }
}
