/**
 * What went wrong on the device. WebGPU tells of it later and elsewhere: a wrong shader, a dispatch beyond a limit or a
 * buffer without room are noticed by an error scope whose answer is a promise. Each scope here carries what was being
 * done (the kernel's label, the shapes), and the first answer that is an error is thrown at the next flush or read.
 */
import { BackendError } from "../../core/src/errors.ts";

/** Scopes in order: an error goes to the innermost one that takes its kind. */
const KINDS = ["out-of-memory", "validation", "internal"] as const;

/**
 * Scopes of submits without an answer up to which descriptions are kept. A loop that waits for nothing gets no answers, and
 * what it recorded takes 2 kB a dispatch to tell of; of its errors the first matters, and that most likely came before.
 * What it compiles, binds and allocates it uses again, so there is little of that, and it is always described.
 */
const MAX_DESCRIBED = 768;

/** Errors of one device that nobody has been told of. */
export class Faults {
  readonly #device: GPUDevice;
  readonly #pending = new Set<Promise<void>>();
  readonly #pendingSubmits = new Set<Promise<void>>();
  #first: Error | undefined;

  /** Watches a device. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * Runs device calls and notes it when one of them fails.
   *
   * @param describe what is being done, as a message says it after "Cannot"; called only on failure
   */
  watch<T>(describe: () => string, run: () => T): T {
    return this.#watch(describe, run, this.#pending);
  }

  /** The same for a submit, which is told of in general words where many before it have no answer yet. */
  watchSubmit(describe: () => string, run: () => void): void {
    const told = this.#pendingSubmits.size < MAX_DESCRIBED ? describe : describeAnything;
    this.#watch(told, run, this.#pendingSubmits);
  }

  /** Notes a failure that was found in another way. */
  note(error: Error): void {
    this.#first ??= error;
  }

  /** Throws the first error noted, once. */
  throwFirst(): void {
    const error = this.#first;
    this.#first = undefined;
    if (error !== undefined) throw error;
  }

  /** Waits for the answers to all scopes so far; what they are is for `throwFirst`. */
  async settle(): Promise<void> {
    await Promise.all([...this.#pending, ...this.#pendingSubmits]);
  }

  #watch<T>(describe: () => string, run: () => T, pending: Set<Promise<void>>): T {
    for (const kind of KINDS) this.#device.pushErrorScope(kind);
    try {
      return run();
    } finally {
      for (const kind of KINDS.toReversed()) this.#await(kind, describe, pending);
    }
  }

  #await(kind: string, describe: () => string, pending: Set<Promise<void>>): void {
    const answer = this.#device.popErrorScope().then((error) => {
      if (error === null) return;
      const remedy = kind === "out-of-memory" ? "; dispose of tensors (using, tidy)" : "";
      const message = `Cannot ${describe()} on webgpu: ${kind} error: ${error.message.trim()}${remedy}`;
      this.note(new BackendError(message));
    }, () => {}); // the scope of a lost device; the loss itself is told elsewhere
    pending.add(answer);
    void answer.finally(() => pending.delete(answer));
  }
}

function describeAnything(): string {
  return "run one of many batches that were recorded without waiting";
}
