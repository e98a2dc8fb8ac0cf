/**
 * Runs one participant, in a page or a process of its own, and does what bench_peers.ts asks for: start, prepare a piece of
 * work, time it once, and so on in turns with the other participants.
 */
import type { Peer, PeerOptions, Prompt, StartPeer, Way } from "./peer.ts";
import type { Participant } from "./participants.ts";
import { objection } from "./reference.ts";
import { FIRST_WORK, isModelWork, matmulInputs, type Work } from "./work.ts";

const ADAPTERS: Readonly<Record<Participant["adapter"], () => Promise<{ start: StartPeer }>>> = {
  heed: () => import("./heed.ts"),
  onnxruntime: () => import("./onnxruntime.ts"),
  tfjs: () => import("./tfjs.ts"),
  jax: () => import("./jax.ts"),
  wllama: () => import("./wllama.ts"),
  llamacpp: () => import("./llamacpp.ts"),
  limits: () => import("./limits.ts"),
  dispatches: () => import("./dispatches.ts"),
};

/** How to start a participant. */
export interface StartOptions extends PeerOptions {
  readonly adapter: Participant["adapter"];
}

/** What came of a way of doing the work: milliseconds of a run, or what is wrong with it. */
export interface Trial {
  readonly way: string;
  readonly milliseconds?: number;
  readonly wrong?: string;
  /** A model's text, for comparing. */
  readonly text?: string;
}

/** A timing is to take this long, so that the clock's grain and a call's jitter do not show. */
const TIMING_MS = 25;
/** So long are ways tried, the compiler's second stage included. */
const WARM_UP_MS = 250;
const MOST_REPEATS = 2000;

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 300);
}

/** One participant. */
export class Host {
  #peer: Peer | undefined;
  #ways: Way[] = [];
  #way: Way | undefined;
  #repeats = 1;

  /** Starts the participant. */
  async start(options: StartOptions): Promise<string> {
    // jax-js starts as many workers as there are cores, and has no setting.
    Object.defineProperty(navigator, "hardwareConcurrency", { value: options.threads, configurable: true });
    const { start } = await ADAPTERS[options.adapter]();
    this.#peer = await start(options);
    return this.#peer.summary;
  }

  /** Milliseconds from nothing to the first product read, its operands drawn before. */
  async first(options: StartOptions): Promise<number> {
    matmulInputs(FIRST_WORK); // drawing is compiled
    const before = performance.now();
    await this.start(options);
    const ways = await this.#peer!.ways(FIRST_WORK, () => ({ ids: [], text: "" }));
    const got = await ways[0]!.result();
    const milliseconds = performance.now() - before;
    const wrong = typeof got === "string" ? got : objection(FIRST_WORK, got);
    if (wrong !== undefined) throw new Error(wrong);
    return milliseconds;
  }

  /** Milliseconds of loading the model that lies at `url`, once its bytes are here. */
  async loadModel(url: string): Promise<number> {
    const blob = await (await fetch(url)).blob();
    const before = performance.now();
    await this.#peer!.loadModel!(blob, url);
    return performance.now() - before;
  }

  /** Tries every way; the fastest right one is taken. None if the participant has nothing for this work. */
  async prepare(work: Work, prompts: Readonly<Record<number, Prompt>>): Promise<Trial[]> {
    this.#ways = await this.#peer!.ways(work, (length) => prompts[length]!);
    const trials: Trial[] = [];
    let best = Infinity;
    for (const way of this.#ways) {
      const trial = await this.#try(way, work).catch((error) => ({ way: way.name, wrong: messageOf(error) }));
      trials.push(trial);
      if (!("milliseconds" in trial) || trial.milliseconds === undefined || trial.milliseconds >= best) continue;
      best = trial.milliseconds;
      this.#way = way;
      this.#repeats = way.reset ? 1 : Math.min(MOST_REPEATS, Math.max(1, Math.round(TIMING_MS / best)));
    }
    return trials;
  }

  async #try(way: Way, work: Work): Promise<Trial> {
    const before = performance.now();
    const got = await way.result();
    const milliseconds = performance.now() - before;
    const wrong = isModelWork(work) || typeof got === "string" ? undefined : objection(work, got);
    if (wrong !== undefined) return { way: way.name, wrong };
    if (typeof got === "string" && got !== "") return { way: way.name, milliseconds, text: got }; // long enough to warm up
    const end = performance.now() + WARM_UP_MS;
    let best = Infinity;
    do best = Math.min(best, await secondsOf(way, 1)); while (performance.now() < end);
    return { way: way.name, milliseconds: best * 1000 };
  }

  /** Seconds of a run, and its operations where the way has its own count. */
  async time(): Promise<{ seconds: number; amount?: number }> {
    const way = this.#way!;
    const seconds = await secondsOf(way, this.#repeats);
    return { seconds, ...(way.amount !== undefined && { amount: way.amount }) };
  }

  /** Frees what the work took. */
  async release(): Promise<void> {
    for (const way of this.#ways) await way.free?.();
    this.#ways = [];
    this.#way = undefined;
  }
}

/** Seconds of a run, over `repeats` of them. A synchronous one is not awaited: that would add a turn of the event loop. */
async function secondsOf(way: Way, repeats: number): Promise<number> {
  await way.reset?.();
  const before = performance.now();
  for (let i = 0; i < repeats; i++) {
    const pending = way.run();
    if (pending !== undefined) await pending;
  }
  return (performance.now() - before) / 1000 / repeats;
}
