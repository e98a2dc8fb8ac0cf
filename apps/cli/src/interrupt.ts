/**
 * An interrupt (Ctrl-C) or a request to terminate, as a signal that what is going on can end at, tidily.
 */
import { Interrupted, Terminated } from "./errors.ts";

/** Turns the first of either into a signal; the system's own ways are back after it, or at the end of the block. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #interrupt = (): void => this.#end(new Interrupted());
  readonly #terminate = (): void => this.#end(new Terminated());
  #listens = true;

  /** Starts listening. */
  constructor() {
    Deno.addSignalListener("SIGINT", this.#interrupt);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", this.#terminate); // Windows has none
  }

  #end(reason: Error): void {
    this[Symbol.dispose]();
    this.#controller.abort(reason);
  }

  /** Aborts with {@linkcode Interrupted} or {@linkcode Terminated}. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    if (!this.#listens) return;
    this.#listens = false;
    Deno.removeSignalListener("SIGINT", this.#interrupt);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", this.#terminate);
  }
}
