/// <reference lib="dom" />
/** Lists of models come from worker and server, in any order; the newest ones are shown. */
import { assertEquals } from "@std/assert";
import { Actions } from "../src/page/actions.ts";
import { createStore } from "../src/page/state.ts";
import type { Reply, Request, StoredModel } from "../src/protocol.ts";

const KEPT: StoredModel = {
  key: "k",
  name: "m.gguf",
  byteLength: 8,
  storedBytes: 8,
  complete: true,
  tag: "1",
  remote: undefined,
};
const OFFERED = { name: "m.gguf", byteLength: 8, url: "https://host/m.gguf" };

/** A worker that keeps one model. */
class KeepingWorker {
  onmessage: ((event: { data: Reply }) => void) | null = null;

  postMessage({ id }: Request): void {
    queueMicrotask(() => this.onmessage?.({ data: { id, result: [KEPT] } }));
  }
}

/** A page's surroundings, whose server answers when a test says so. */
class Surroundings {
  /** The page's. */
  readonly worker = new KeepingWorker();
  /** Waiting requests, as methods and paths, in their order. */
  readonly asked: { readonly what: string; readonly answer: (response: Response) => void }[] = [];
  readonly #before = {
    Worker: globalThis.Worker,
    requestAnimationFrame: globalThis.requestAnimationFrame,
    location: globalThis.location,
    fetch: globalThis.fetch,
  };

  constructor() {
    const { worker, asked } = this;
    Object.assign(globalThis, {
      Worker: function () {
        return worker;
      },
      requestAnimationFrame: () => {}, // nothing is drawn
      location: { href: "https://host/" },
      fetch: (url: string, { method = "GET" }: RequestInit = {}) =>
        new Promise<Response>((answer) => asked.push({ what: `${method} ${url}`, answer })),
    });
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#before);
  }
}

/** Lets everything happen that waits for nothing. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("actions: what a server says late of an older list does not replace what it said of a newer one", async () => {
  using page = new Surroundings();
  const store = createStore();
  const actions = new Actions(store);
  for (let list = 0; list < 2; list++) {
    void actions.list();
    page.asked.at(-1)!.answer(Response.json([OFFERED]));
    await settled();
  }
  assertEquals(page.asked.map(({ what }) => what), [
    "GET models.json",
    "HEAD https://host/m.gguf",
    "GET models.json",
    "HEAD https://host/m.gguf",
  ]);
  for (const [at, tag] of [[3, "new"], [1, "old"]] as const) {
    page.asked[at]!.answer(new Response(null, { headers: { etag: tag } }));
    await settled();
    assertEquals(store.state.offered, [{ ...OFFERED, tag: "new" }]);
  }
});

Deno.test("actions: what is kept is shown before the server answers, and news of it stays when that does", async () => {
  using page = new Surroundings();
  const store = createStore();
  const listing = new Actions(store).list();
  await settled();
  assertEquals(store.state.stored, [KEPT]);
  page.worker.onmessage?.({ data: { news: "stored", models: [] } });
  page.asked[0]!.answer(Response.json([OFFERED]));
  await listing;
  assertEquals(store.state.stored, []);
  assertEquals(store.state.offered, [OFFERED]);
});
