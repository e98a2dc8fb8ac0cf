/**
 * The machine's own limits, measured in the same rounds: multiply-adds, int8 dots, and reads of as many bytes as the work's
 * weights or keys and values take. Each thread is a worker with a memory of its own.
 */
import { DOT_OPERATIONS, LIMIT_MODULE, MULTIPLY_ADD_OPERATIONS, READ_BYTES } from "./limit_kernels.ts";
import type { Peer, PeerOptions, Way } from "./peer.ts";
import { demandOf, type Work } from "./work.ts";

/**
 * Runs a loop `calls` times and says so, or what went wrong: no event tells of an error in a promise. Bytes are written first:
 * unwritten pages are all the same page of zeros.
 */
const WORKER_SOURCE = `
let exports;
const work = async ({ module, bytes, name, calls, first, second }) => {
  if (module) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) + 1 });
    new Uint8Array(memory.buffer).fill(1);
    ({ exports } = (await WebAssembly.instantiate(module, { env: { memory } })).instance);
  } else {
    for (let i = 0; i < calls; i++) exports[name](first, second);
  }
};
onmessage = ({ data }) => work(data).then(() => postMessage(""), (error) => postMessage(String(error)));`;

/** One run is to take some 20 milliseconds, so that waking a worker does not show: turns of a call, and calls. */
const TURNS = 200_000;
const CALLS = 50;
const RUN_BYTES = 400e6;

class Crew {
  readonly #workers: Worker[];

  constructor(threads: number) {
    const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" }));
    this.#workers = Array.from({ length: threads }, () => new Worker(url, { type: "module" }));
  }

  /** Sends everyone the same and waits for all. */
  async all(message: object): Promise<void> {
    await Promise.all(this.#workers.map((worker) =>
      new Promise<void>((resolve, reject) => {
        worker.onmessage = ({ data: problem }): void => problem === "" ? resolve() : reject(new Error(problem));
        worker.onerror = (event): void => reject(new Error(event.message));
        worker.postMessage(message);
      })
    ));
  }

  end(): void {
    for (const worker of this.#workers) worker.terminate();
  }
}

async function way(name: string, threads: number, work: Work): Promise<Way> {
  const bytes = Math.ceil(demandOf(work).bytes / threads / READ_BYTES) * READ_BYTES;
  const passes = Math.max(1, Math.round(RUN_BYTES / threads / bytes));
  const call = {
    "multiply-adds": { name: "multiplyAdd", calls: CALLS, first: TURNS, second: 0 },
    "int8 dots": { name: "dot", calls: CALLS, first: TURNS, second: 0 },
    "reads": { name: "read", calls: passes, first: bytes, second: 0 },
  }[name];
  const amount = {
    "multiply-adds": threads * CALLS * TURNS * MULTIPLY_ADD_OPERATIONS,
    "int8 dots": threads * CALLS * TURNS * DOT_OPERATIONS,
    "reads": threads * passes * bytes,
  }[name];
  if (call === undefined || amount === undefined) throw new Error(`there is no limit called ${name}`);
  const crew = new Crew(threads);
  await crew.all({ module: LIMIT_MODULE, bytes: name === "reads" ? bytes : 0 });
  const run = (): Promise<void> => crew.all(call);
  return { name: call.name, amount, run, result: () => run().then(() => ""), free: () => crew.end() };
}

/** Starts one of the limits, which its name says. */
export function start({ name, threads }: PeerOptions): Promise<Peer> {
  const limit = name.slice("limit: ".length);
  return Promise.resolve({
    summary: `${limit}, ${threads} thread(s)`,
    ways: async (work: Work): Promise<Way[]> => [await way(limit, threads, work)],
    loadModel: () => Promise.resolve(),
  });
}
