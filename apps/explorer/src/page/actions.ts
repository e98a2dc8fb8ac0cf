/** What people can do, as calls of the worker whose outcome goes into the store. */
import { isSameFile, tagOf } from "../file_on_server.ts";
import {
  type BackendChoice,
  type ModelFacts,
  type ModelSource,
  type News,
  NO_WEBGPU,
  type StoredModel,
} from "../protocol.ts";
import type { OfferedModel, PageStore, Speeds, State } from "./state.ts";
import { WorkerClient, WorkerError } from "./worker_client.ts";

/** The page's doings. */
export class Actions {
  readonly #store: PageStore;
  /** Lists that were begun: what comes late for an older one is dropped. */
  #lists = 0;
  /** The worker, for those who follow the store. */
  readonly worker: WorkerClient;

  constructor(store: PageStore) {
    this.#store = store;
    this.worker = new WorkerClient(
      new Worker("worker.js", { type: "module", name: "model" }),
      (news) => this.#hear(news),
    );
  }

  /** Lists models: those kept here, and those the page's server has. */
  async list(): Promise<void> {
    const list = ++this.#lists;
    const setOffered = (offered: readonly OfferedModel[]): void => {
      if (list === this.#lists) this.#store.set({ offered });
    };
    await this.#try(async () => {
      const asked = offeredModels();
      const stored = await this.worker.call("stored");
      this.#store.set({ stored }); // at once: the worker may tell of newer ones while the server is slow
      const offered = await asked;
      setOffered(offered);
      void tagged(offered, stored).then(setOffered); // nobody waits for a slow server
    });
  }

  /** Loads a model. */
  async load(name: string, source: ModelSource): Promise<void> {
    this.#store.set({ loading: { name, progress: undefined }, problem: undefined });
    try {
      const model = await this.#loadSomewhere(source);
      this.#store.set({ model, kvHeads: model.kvHeads, layer: Math.floor(model.layers / 2) });
    } catch (error) {
      this.#tell(error);
    } finally {
      this.#store.set({ loading: undefined });
    }
  }

  /** Loads on the chosen backend; on WebAssembly where that was WebGPU, and there is none. */
  async #loadSomewhere(source: ModelSource): Promise<ModelFacts> {
    const { backend } = this.#store.state;
    try {
      return await this.worker.call("load", { source, backend });
    } catch (error) {
      if (!(error instanceof WorkerError) || error.kind !== NO_WEBGPU) throw error;
      this.#store.set({ problem: `${error.message}. The model runs on WebAssembly instead.`, backend: "wasm" });
      return await this.#loadInstead(source, error.message);
    }
  }

  /** @param why the chosen backend is not there: told beside what goes wrong now */
  async #loadInstead(source: ModelSource, why: string): Promise<ModelFacts> {
    try {
      return await this.worker.call("load", { source, backend: "wasm" });
    } catch (error) {
      if (!(error instanceof WorkerError) || error.kind === "AbortError") throw error;
      throw new WorkerError(error.kind, `${why}. ${error.message}`);
    }
  }

  /** Ends loading; what was downloaded stays. */
  async cancel(): Promise<void> {
    await this.worker.call("cancel");
  }

  /** Removes a kept model. */
  async remove(key: string): Promise<void> {
    await this.#try(async () => this.#store.set({ stored: await this.worker.call("remove", { key }) }));
  }

  /** Generates, or stops. */
  async generate(args: { prompt: string; temperature: number; seed: number; maxTokens: number }): Promise<void> {
    this.#store.set({ generating: true, problem: undefined, follows: true });
    await this.#try(() => this.worker.call("generate", args));
    const { kvHeads, model } = this.#store.state;
    if (model !== undefined && kvHeads !== model.kvHeads) await this.regroup(kvHeads);
  }

  /** Stops generating; what is there stays. */
  async stop(): Promise<void> {
    await this.#try(() => this.worker.call("stop"));
  }

  /** Moves the model to another backend. */
  async switchBackend(choice: BackendChoice): Promise<void> {
    if (this.#store.state.model === undefined) return this.#store.set({ backend: choice });
    const before = this.#store.state.backend;
    this.#store.set({ backend: choice, switching: true, problem: undefined });
    try {
      const { description, difference } = await this.worker.call("backend", { choice });
      this.#store.set({ backendSays: description, difference: difference ?? this.#store.state.difference });
    } catch (error) {
      this.#store.set({ backend: before });
      this.#tell(error, ". The model stays on the backend that it was on.");
    } finally {
      this.#store.set({ switching: false });
    }
    const { kvHeads, model, generating } = this.#store.state;
    if (!generating && model !== undefined && kvHeads !== model.kvHeads) await this.regroup(kvHeads);
  }

  /** Shows the model with fewer key/value heads beside the original. */
  async regroup(kvHeads: number): Promise<void> {
    this.#store.set({ kvHeads, regrouping: true });
    await this.#try(async () => {
      const regroup = await this.worker.call("regroup", { kvHeads });
      const { kvHeads: wanted, generating } = this.#store.state; // what is being written now is compared when it is there
      if (wanted === kvHeads && !generating) this.#store.set({ regroup });
    });
    this.#store.set({ regrouping: false });
  }

  async #try(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#tell(error);
    }
  }

  /** @param then what the page does about it */
  #tell(error: unknown, then = ""): void {
    const { name, message, kind } = error as { name: string; message: string; kind?: string };
    if (name === "AbortError" || kind === "AbortError") return; // that is what was asked for
    this.#store.set({ problem: message + then });
  }

  #hear(news: News): void {
    const { state } = this.#store;
    if (news.news === "progress") {
      if (state.loading !== undefined) this.#store.set({ loading: { ...state.loading, progress: news.progress } });
    } else if (news.news === "stored") this.#store.set({ stored: news.models });
    else if (news.news === "backend") this.#store.set({ backend: news.choice, backendSays: news.description });
    else if (news.news === "released") this.#store.set(FRESH);
    else if (news.news === "finished") this.#store.set({ generating: false });
    else this.#hearText(news, state);
  }

  #hearText(news: News & { news: "prompt" | "token" }, { tokens: before, speeds, follows }: State): void {
    const isPrompt = news.news === "prompt";
    const tokens = isPrompt ? news.tokens : [...before, news.token];
    const { backend, tokensPerSecond, cacheBytes } = news.pace;
    const measured: Speeds = isPrompt ? { prompt: tokensPerSecond } : { writing: tokensPerSecond };
    this.#store.set({
      tokens,
      cacheBytes,
      speeds: { ...speeds, [backend]: { ...speeds[backend], ...measured } },
      ...(isPrompt ? { ...NO_LOOKS, promptTokens: tokens.length } : {}),
      ...(follows ? { token: tokens.length - 1, key: undefined } : {}),
    });
  }
}

/** What there is before a text was looked at. */
const NO_LOOKS = {
  look: undefined,
  weights: undefined,
  row: undefined,
  regroup: undefined,
  regroupedLook: undefined,
} as const satisfies Partial<State>;

/** What there is without a model. */
const FRESH = {
  model: undefined,
  ...{ tokens: [], promptTokens: 0, cacheBytes: 0, token: 0, head: 0, key: undefined, follows: true, speeds: {} },
  ...NO_LOOKS,
  difference: undefined,
} as const satisfies Partial<State>;

/** The models of the page's own server; none where it has no list. */
async function offeredModels(): Promise<readonly OfferedModel[]> {
  try {
    const response = await fetch("models.json");
    if (!response.ok) return [];
    const models: readonly OfferedModel[] = await response.json();
    return models.map((model) => ({ ...model, url: new URL(model.url, location.href).href }));
  } catch {
    return []; // a page of files alone
  }
}

/** The offered models, with tags where it needs one to tell whether a kept model is still the same. */
async function tagged(
  offered: readonly OfferedModel[],
  stored: readonly StoredModel[],
): Promise<readonly OfferedModel[]> {
  return await Promise.all(offered.map(async (model) => {
    const isInDoubt = model.sha256 === undefined && stored.some((kept) => isSameFile(kept, model));
    return isInDoubt ? { ...model, tag: await tagAt(model.url) } : model;
  }));
}

/** What a server says that changes with a file. */
async function tagAt(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { method: "HEAD", cache: "no-store" });
    return response.ok ? tagOf(response.headers) : undefined;
  } catch {
    return undefined; // what is kept is opened without the server too
  }
}
