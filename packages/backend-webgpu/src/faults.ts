/**
 * What went wrong on the device, and what went with it. WebGPU tells of it later and elsewhere: a wrong shader, a dispatch
 * beyond a limit or a buffer without room are noticed by an error scope whose answer is a promise. Each scope here carries
 * what was being done (the kernel's label, the shapes), and the first answer that is an error is thrown at the next flush
 * or read.
 *
 * The device refuses a batch as a whole when one of its commands is wrong or uses what could not be made, and later
 * batches then read what was not written. So an error loses the batch under way at its call and all recorded before the
 * answer came; buffers know which batch wrote them last, and recording on or reading one that a lost batch wrote throws.
 * To lose little, what is likely to fail (much memory, a compile) begins a batch of its own.
 */
import { BackendError } from "../../core/src/errors.ts";
import { LostBatches } from "./lost_batches.ts";

/** Scopes in order: an error goes to the innermost one that takes its kind. */
const KINDS = ["out-of-memory", "validation", "internal"] as const;

/**
 * Scopes of submits without an answer up to which descriptions are kept. A loop that waits for nothing gets no answers, and
 * what it recorded takes 2 kB a dispatch to tell of; of its errors the first matters, and that most likely came before.
 * What it compiles, binds and allocates it uses again, and a write is told of in a few words, so these always are.
 */
const MAX_DESCRIBED = 768;

/** The work that is being recorded, as far as faults go by it. */
export interface Recording {
  /** The number of the batch that is being recorded. */
  readonly batch: number;
  /** Submits what was recorded, and begins another batch. */
  flush(): void;
}

/** What is done where device calls fail, given the error and the batch that was under way. */
type Failed = (fault: Error, batch: number) => void;

/** Errors of one device that nobody has been told of. */
export class Faults {
  /** What was lost by errors, told or not. */
  readonly lost = new LostBatches();
  readonly #device: GPUDevice;
  readonly #recording: Recording;
  readonly #pending = new Set<Promise<void>>();
  readonly #pendingSubmits = new Set<Promise<void>>();
  #first: Error | undefined;

  /** Watches a device, and what is recorded for it. */
  constructor(device: GPUDevice, recording: Recording) {
    this.#device = device;
    this.#recording = recording;
  }

  /**
   * Runs device calls; when one of them fails, notes that, and that what was recorded since was lost.
   *
   * @param describe what is being done, as a message says it after "Cannot"; called only on failure
   * @param failed what to do then besides
   */
  watch<T>(describe: () => string, run: () => T, failed?: Failed): T {
    return this.#watch(describe, run, this.#pending, (fault, batch) => {
      this.#loseSince(fault, batch);
      failed?.(fault, batch);
    });
  }

  /** The same for a submit, which is told of in general words where many before it have no answer yet. */
  watchSubmit(describe: () => string, run: () => void): void {
    const told = this.#pendingSubmits.size < MAX_DESCRIBED ? describe : describeAnything;
    this.#watch(told, run, this.#pendingSubmits, this.#loseSince);
  }

  /** The same for what makes nothing that others read: only its own batch is lost with it. */
  watchRead<T>(describe: () => string, run: () => T): T {
    return this.#watch(describe, run, this.#pending, (fault, batch) => this.lost.add(batch, batch, fault));
  }

  /** Notes a failure that was found in another way, and loses nothing. */
  note(error: Error): void {
    this.#first ??= error;
  }

  /** Throws the first error noted, once. */
  throwFirst(): void {
    const error = this.#first;
    this.#first = undefined;
    if (error !== undefined) throw error;
  }

  /**
   * Refuses what was lost.
   *
   * @param batch the one that wrote it last
   * @param verb with `describe`, what is asked for
   * @throws {BackendError} the first error that nobody was told of, else that it was lost and why, each time
   */
  checkKept(batch: number, verb: string, describe: () => string): void {
    if (batch > this.lost.newest) return;
    const cause = this.lost.causeOf(batch);
    if (cause === undefined) return;
    this.throwFirst();
    throw new BackendError(
      `Cannot ${verb} ${describe()} on webgpu: elements were lost with work that failed before (${cause.message}); ` +
        "make the tensor, cache or model that held them again, if need be on await backend.restore()",
      { cause },
    );
  }

  /** Waits for the answers to all scopes so far; what they are is for `throwFirst` and `checkKept`. */
  async settle(): Promise<void> {
    await Promise.all([...this.#pending, ...this.#pendingSubmits]);
  }

  /** What was recorded so far goes with the batch that failed, and what follows begins another. */
  readonly #loseSince: Failed = (fault, batch) => {
    this.#recording.flush();
    this.lost.add(batch, this.#recording.batch - 1, fault);
  };

  #watch<T>(describe: () => string, run: () => T, pending: Set<Promise<void>>, failed: Failed): T {
    const { batch } = this.#recording;
    for (const kind of KINDS) this.#device.pushErrorScope(kind);
    try {
      return run();
    } finally {
      for (const kind of KINDS.toReversed()) {
        const answer = this.#answer(kind, describe, (fault) => failed(fault, batch));
        pending.add(answer);
        void answer.finally(() => pending.delete(answer));
      }
    }
  }

  #answer(kind: string, describe: () => string, failed: (fault: Error) => void): Promise<void> {
    return this.#device.popErrorScope().then((error) => {
      if (error === null) return;
      const remedy = kind === "out-of-memory" ? "; dispose of tensors (using, tidy)" : "";
      const fault = new BackendError(
        `Cannot ${describe()} on webgpu: ${kind} error: ${error.message.trim()}${remedy}`,
      );
      this.note(fault);
      failed(fault);
    }, () => {}); // the scope of a lost device; the loss itself is told elsewhere
  }
}

function describeAnything(): string {
  return "run one of many batches that were recorded without waiting";
}
