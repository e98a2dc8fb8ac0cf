/**
 * A signal that also fires when the other side says nothing for too long.
 */

/** Aborts `signal` when the caller does, or when the thing awaited does not come in time. */
export class Watch implements Disposable {
  readonly #silence = new AbortController();
  readonly #caller: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** What the watched calls take. */
  readonly signal: AbortSignal;

  /** @param caller the caller's own signal, if any */
  constructor(caller?: AbortSignal) {
    this.#caller = caller;
    this.signal = caller ? AbortSignal.any([caller, this.#silence.signal]) : this.#silence.signal;
  }

  /**
   * Starts waiting anew.
   *
   * @param what the thing awaited, for the error: "no answer within 10 s"
   */
  expect(what: string, timeoutMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#silence.abort(new Error(`no ${what} within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
  }

  /** Throws the caller's reason if it was the caller who aborted. */
  throwIfCallerAborted(): void {
    this.#caller?.throwIfAborted();
  }

  /** Stops waiting, and closes a connection that is still open. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#silence.abort();
  }
}
