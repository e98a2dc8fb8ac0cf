/** Pages: how many are taken, shared, copied and given back, and what happens when there are none left. */
import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, BackendError, PagedKvCache, ShapeError, trace } from "../mod.ts";
import { append, assertHolds, Draws, drawToken, ModelLayer, read, release, type Sizes } from "./kv_cache_model.ts";

const SIZES: Sizes = { batch: 2, heads: 2, keySize: 4, valueSize: 8 };
const KEEPS = { window: Infinity, sinkTokens: 0, blockTokens: 1 };

/** Appends drawn tokens to every layer. */
function feed(cache: PagedKvCache, count: number, backend: Backend, seed = 0): void {
  const draws = new Draws(seed);
  for (let layer = 0; layer < cache.layers; layer++) {
    const tokens = Array.from({ length: count }, () => drawToken(draws, SIZES));
    release(append(cache, layer, tokens, SIZES, backend));
  }
}

function make(capacity = 32): PagedKvCache {
  return new PagedKvCache(2, { capacity, pageTokens: 4 });
}

Deno.test("paged: capacity is in whole pages, for each sequence; bytes are the pool's", () => {
  const backend = createScalarBackend();
  using cache = make(30);
  assertEquals([cache.capacity, cache.pageTokens, cache.freePages, cache.byteLength], [32, 4, 0, 0]);
  feed(cache, 1, backend);
  const pool = 2 * (2 * 8) * 4 * 2 * (4 + 8) * 4; // layers, pages of both sequences, tokens, heads, sizes, bytes
  assertEquals([cache.freePages, cache.byteLength], [14, pool + 2 * 4]); // a table of [2, 1]
  assertEquals(backend.memory.liveBytes, cache.byteLength);
  feed(cache, 31, backend);
  assertEquals([cache.freePages, cache.length], [0, 32]);
});

Deno.test("paged: 64 tokens a page by default", () => {
  using cache = new PagedKvCache(1, { capacity: 65 });
  assertEquals([cache.pageTokens, cache.capacity], [64, 128]);
});

Deno.test("paged: a fork takes no page until one side writes into a shared one", () => {
  const backend = createScalarBackend();
  using cache = make();
  feed(cache, 6, backend); // two pages a sequence, the second half full
  const bytes = backend.memory.liveBytes;
  using copy = cache.fork();
  assertEquals([copy.length, copy.freePages, backend.memory.liveBytes], [6, 12, bytes]);
  feed(copy, 1, backend);
  assertEquals(cache.freePages, 10); // the second page of both sequences was copied, once for both layers
  feed(cache, 2, backend);
  assertEquals(cache.freePages, 10); // it is the origin's alone now
  feed(copy, 1, backend);
  assertEquals(cache.freePages, 10);
  feed(copy, 1, backend);
  assertEquals(cache.freePages, 8); // a third page
});

Deno.test("paged: full pages stay shared, so a fork at a page's end copies nothing", () => {
  const backend = createScalarBackend();
  using cache = make();
  feed(cache, 8, backend);
  using copy = cache.fork();
  const { calls } = trace(() => feed(copy, 1, backend));
  assertEquals(cache.freePages, 10);
  assertEquals(calls.filter((call) => call.kernel === "copy").length, 2 * 2 * 2); // layers, sequences, keys and values
});

Deno.test("paged: forks of forks share, and each disposal gives back only what nobody else holds", () => {
  const backend = createScalarBackend();
  const cache = make();
  feed(cache, 6, backend);
  const [second, third] = [cache.fork(), cache.fork()];
  const fourth = second.fork();
  feed(fourth, 4, backend); // one copied page, one new, for both sequences
  assertEquals(cache.freePages, 8);
  second.dispose();
  assertEquals(cache.freePages, 8);
  cache.dispose();
  assertEquals(third.freePages, 8);
  fourth.dispose();
  assertEquals([third.freePages, third.length], [12, 6]);
  third.truncate(4);
  assertEquals(third.freePages, 14);
  third.clear();
  assertEquals([third.freePages, third.byteLength > 0], [16, true]);
  third.dispose();
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("paged: a page that was shared and then truncated into is copied before it is written", () => {
  const backend = createScalarBackend();
  const draws = new Draws(5);
  const draw = (count: number) => Array.from({ length: count }, () => drawToken(draws, SIZES));
  using cache = new PagedKvCache(1, { capacity: 32, pageTokens: 4 });
  const model = new ModelLayer(KEEPS);
  const start = draw(7);
  release(append(cache, 0, start, SIZES, backend));
  model.append(start);
  using copy = cache.fork();
  const other = model.copy();
  copy.truncate(2); // back into the first page
  other.truncate(2);
  for (const [side, expected] of [[copy, other], [cache, model]] as const) {
    const next = draw(1);
    const view = append(side, 0, next, SIZES, backend);
    expected.append(next);
    assertHolds(view, expected, KEEPS, SIZES, "after the fork went back");
    release(view);
  }
});

Deno.test("paged: an empty cache's forks share its pool", () => {
  const backend = createScalarBackend();
  using cache = make(8);
  using copy = cache.fork();
  feed(copy, 4, backend);
  feed(cache, 4, backend);
  assertEquals(cache.freePages, 0);
  assertThrows(() => feed(cache, 1, backend), ShapeError);
});

Deno.test("paged: without a free page an append throws, and nothing has changed", () => {
  const backend = createScalarBackend();
  using cache = make(12); // 3 pages for each of 2 sequences
  feed(cache, 6, backend);
  using copy = cache.fork();
  const { liveStorages } = backend.memory;
  assertThrows(
    () => feed(copy, 3, backend), // copies a page and takes another, for both sequences
    ShapeError,
    "Cannot append keys [2, 2, 3, 4] to layer 0: that takes 4 more pages of 4 tokens, and 2 of 6 are free (capacity 12 " +
      "tokens for 2 sequences, used by 2 caches); truncate or dispose of a fork, or make it with a larger capacity",
  );
  assertEquals([copy.length, copy.freePages, backend.memory.liveStorages], [6, 2, liveStorages]);
  feed(copy, 2, backend); // the copy alone fits
  assertEquals([copy.freePages, cache.length], [0, 6]);
});

Deno.test("paged: one table serves all layers of a step, and goes on while no page is added", () => {
  const backend = createScalarBackend();
  using cache = make();
  const tables = new Set<unknown>();
  const step = (): void => {
    for (let layer = 0; layer < 2; layer++) {
      const view = append(cache, layer, [drawToken(new Draws(1), SIZES)], SIZES, backend);
      tables.add(view.pageTable!.storage);
      release(view);
    }
  };
  for (let i = 0; i < 4; i++) step();
  assertEquals(tables.size, 1);
  step();
  assertEquals(tables.size, 2);
});

Deno.test("paged: views are the pools themselves", () => {
  const backend = createScalarBackend();
  using cache = make();
  const views = [1, 2].map((seed) => append(cache, 0, [drawToken(new Draws(seed), SIZES)], SIZES, backend));
  assertEquals(views[0]!.keys.storage === views[1]!.keys.storage, true);
  assertEquals([views[1]!.keys.shape, views[1]!.pageTable!.shape], [[16, 2, 4, 4], [2, 1]]);
  assertEquals(read(views[1]!, SIZES).length, 2);
  views.forEach(release);
});

Deno.test("paged: a page that the budget has no room to copy stays shared", () => {
  const [pool, table, tokens] = [2 * 16 * 4 * 2 * 12 * 4, 8, 2 * 2 * 12 * 4];
  const backend = createScalarBackend({ memoryBudgetBytes: pool + table + tokens + 64 });
  using cache = make();
  feed(cache, 1, backend);
  using copy = cache.fork();
  assertThrows(() => feed(copy, 1, backend), BackendError, "budget");
  assertEquals([copy.length, copy.freePages, backend.memory.liveBytes], [1, 14, pool + table]);
});
