/**
 * Workers that share the kernels' memory and wait there for work: nothing is sent to them after the start.
 *
 * In Deno, Node and Bun they come from `node:worker_threads`, whose workers can be told not to keep the process alive;
 * elsewhere from a blob URL. Whoever cannot have them (no isolation, a policy against blobs) is told why, and does without.
 */
import type { Started } from "./instance.ts";
import { WORKER_SOURCE } from "./worker_source.ts";

/** Stack of a worker, which runs kernels and nothing else: whole pages. */
const STACK_BYTES = 2 ** 18;

/** A worker that does not say it is ready within this time will not. */
const START_TIMEOUT_MS = 10_000;

/** Of an error without a message: the text is at hand, so that what keeps it from loading is a policy. */
const NOT_LOADED = "it failed to load, most likely for the page's Content-Security-Policy; add blob: to its worker-src";

/** As much of a worker as is needed here. */
interface Thread {
  /** Resolves when it is ready; rejects when it will not be. */
  readonly ready: Promise<void>;
  /** Ends it, whatever it does. */
  terminate(): void;
}

/** As much of `node:worker_threads` as is needed here. */
interface WorkerThreads {
  readonly Worker: new (source: string, options: { eval: true; workerData: unknown }) => {
    on(event: string, listener: (value: unknown) => void): void;
    unref(): void;
    terminate(): Promise<unknown>;
  };
}

/** The workers of one backend. */
export class Workers {
  readonly #threads: readonly Thread[];

  private constructor(threads: readonly Thread[]) {
    this.#threads = threads;
  }

  /** How many there are. */
  get count(): number {
    return this.#threads.length;
  }

  /**
   * Starts workers and waits until all are ready.
   *
   * @param count how many
   * @param source what they run
   * @throws Error with the reason when one of them cannot be had; the others are ended
   */
  static async start({ module, memory }: Started, count: number, source: string = WORKER_SOURCE): Promise<Workers> {
    const data = { module, memory, stackBytes: STACK_BYTES };
    const threads: Thread[] = [];
    try {
      for (let i = 0; i < count; i++) threads.push(startThread(source, data));
      await Promise.all(threads.map(({ ready }) => ready));
      return new Workers(threads);
    } catch (error) {
      for (const thread of threads) thread.terminate();
      throw error;
    }
  }

  /** Ends all of them, also in the middle of work. */
  terminate(): void {
    for (const thread of this.#threads) thread.terminate();
  }
}

function startThread(source: string, data: unknown): Thread {
  const threads = workerThreads();
  return threads === undefined ? startWebWorker(source, data) : startNodeWorker(threads, source, data);
}

function workerThreads(): WorkerThreads | undefined {
  const process: unknown = Reflect.get(globalThis, "process");
  if (typeof process !== "object" || process === null || !("getBuiltinModule" in process)) return undefined;
  if (typeof process.getBuiltinModule !== "function") return undefined;
  return process.getBuiltinModule("node:worker_threads") as WorkerThreads | undefined; // it says what it is by its name
}

function startNodeWorker({ Worker }: WorkerThreads, source: string, data: unknown): Thread {
  const worker = new Worker(source, { eval: true, workerData: data });
  const ready = withTimeout((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", () => reject(new Error("it ended")));
  });
  return { ready: ready.finally(() => worker.unref()), terminate: () => void worker.terminate() };
}

function startWebWorker(source: string, data: unknown): Thread {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const ready = withTimeout((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => reject(new Error(event.message ?? NOT_LOADED));
    worker.postMessage(data);
  });
  return { ready: ready.finally(() => URL.revokeObjectURL(url)), terminate: () => worker.terminate() };
}

function withTimeout(
  start: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("it did not start in time")), START_TIMEOUT_MS);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      end();
    };
    start(() => settle(resolve), (reason) => settle(() => reject(reason)));
  });
}
