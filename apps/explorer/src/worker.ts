/**
 * The explorer's worker: all work with models and files. It answers the page's calls (protocol.ts), each when it is done;
 * what the calls do is in worker/.
 */
import type { ArgsOf, Calls, News, Progress, Reply, Request } from "./protocol.ts";
import { checkWebGpu } from "./worker/backends.ts";
import { Library } from "./worker/library.ts";
import { alone } from "./worker/locks.ts";
import { Session } from "./worker/session.ts";
import { findModel } from "./worker/sources.ts";

/** What a worker's global scope has, which the library of types for pages does not know. */
interface WorkerScope {
  postMessage(reply: Reply, transfer?: readonly Transferable[]): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}
const scope = globalThis as unknown as WorkerScope;

const PROGRESS_MS = 100;

const tell = slowProgress((news) => scope.postMessage(news));
const session = new Session(tell);
const library = Library.open();
let loading = new AbortController();

/** Passes news on, of progress only so much as eyes can follow, and always the latest. */
function slowProgress(pass: (news: News) => void): (news: News) => void {
  let last = 0;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  return (news) => {
    clearTimeout(waiting); // what is newer takes its place
    const isLast = news.news !== "progress" || news.progress.doneBytes >= news.progress.totalBytes;
    const wait = isLast ? 0 : last + PROGRESS_MS - performance.now();
    const now = (): void => {
      last = performance.now();
      pass(news);
    };
    if (wait <= 0) now();
    else waiting = setTimeout(now, wait);
  };
}

async function tellStored(): Promise<void> {
  tell({ news: "stored", models: await (await library)?.list() ?? [] });
}

async function load({ source, backend }: ArgsOf<"load">): ReturnOf<"load"> {
  loading.abort(); // one at a time
  const { signal } = loading = new AbortController();
  const onProgress = (progress: Progress) => tell({ news: "progress", progress });
  try {
    await checkWebGpu(backend);
    const found = await findModel(source, { library: await library, backend, signal, onProgress });
    return await session.use(found, backend, signal);
  } finally {
    await tellStored();
  }
}

async function remove({ key }: ArgsOf<"remove">): ReturnOf<"remove"> {
  const kept = await library;
  await alone(key, "Cannot remove the model: it is in use, here or in another tab", async () => await kept?.drop(key));
  return await kept?.list() ?? [];
}

type ReturnOf<K extends keyof Calls> = Promise<ReturnType<Calls[K]>>;

const CALLS: { readonly [K in keyof Calls]: (args: ArgsOf<K>) => ReturnOf<K> } = {
  stored: async () => await (await library)?.list() ?? [],
  remove,
  load,
  cancel: async () => await Promise.resolve(loading.abort()),
  generate: (args) => session.generate(args),
  stop: () => session.stop(),
  look: (args) => session.look(args),
  row: (args) => session.row(args),
  backend: (args) => session.backend(args),
  regroup: (args) => session.regroup(args),
};

/** The buffers of a result, which are moved and not copied. */
function buffersOf(result: unknown): Transferable[] {
  if (result instanceof Float32Array) return [result.buffer as ArrayBuffer]; // no result lies in shared memory
  return typeof result === "object" && result !== null ? Object.values(result).flatMap(buffersOf) : [];
}

async function answer<K extends keyof Calls>({ id, call, args }: Request<K>): Promise<void> {
  try {
    const result = await CALLS[call](args);
    scope.postMessage({ id, result }, buffersOf(result));
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(`${error}`);
    scope.postMessage({ id, failure: { name, message } });
  }
}

scope.onmessage = ({ data }) => void answer(data);
