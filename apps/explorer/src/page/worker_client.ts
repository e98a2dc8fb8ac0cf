/** The worker, as the page calls it: a promise for each call, and a listener for news. */
import type { ArgsOf, Calls, News, Reply, Request } from "../protocol.ts";

/** An error that came from the worker. */
export class WorkerError extends Error {
  override name = "WorkerError";
  /** The class of the error there. */
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The worker of a page. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #started = false;
  /** Why it did not start, where it did not. */
  #broken: WorkerError | undefined;

  /**
   * @param worker runs worker.ts
   * @param onNews is told what happens there
   */
  constructor(worker: Worker, onNews: (news: News) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      this.#started = true;
      if ("news" in data) return onNews(data);
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("failure" in data) waiting?.reject(new WorkerError(data.failure.name, data.failure.message));
      else waiting?.resolve(data.result);
    };
    worker.onerror = (event) => {
      event.preventDefault(); // it is told here
      const why = event.message || "it could not be fetched";
      const error = this.#started
        ? new WorkerError("Error", `The page's worker failed: ${why}`)
        : this.#broken = new WorkerError("Error", `Cannot start the page's worker: ${why}; reload the page`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  /** Asks the worker. @throws {WorkerError} what went wrong there */
  call<K extends keyof Calls>(call: K, ...[args]: Parameters<Calls[K]>): Promise<ReturnType<Calls[K]>> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      // the worker answers each call with what Calls says
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#worker.postMessage({ id, call, args: args as ArgsOf<K> } satisfies Request<K>);
    });
  }
}
