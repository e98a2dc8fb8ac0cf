/** Every wrong call of a cache has its message, and changes nothing. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type Backend,
  BackendError,
  DTypeError,
  GrowableKvCache,
  type KvCache,
  type KvCacheDType,
  type KvCacheOptions,
  PagedKvCache,
  type PagedKvCacheOptions,
  randn,
  type SavedKvCache,
  ShapeError,
  SlidingWindowKvCache,
  type SlidingWindowKvCacheOptions,
  StaticKvCache,
  type StaticKvCacheOptions,
  type Tensor,
  zeros,
} from "../mod.ts";
import { FORMS, release } from "./kv_cache_model.ts";

const backend = createScalarBackend();

function t(...shape: number[]) {
  return zeros(shape, { backend });
}

/** A cache of 3 tokens, keys `[1, 2, 3, 4]`, values `[1, 2, 3, 8]`. */
function filled(cache: KvCache): KvCache {
  for (let layer = 0; layer < cache.layers; layer++) {
    release(cache.append(layer, randn([1, 2, 3, 4], { seed: 0, backend }), randn([1, 2, 3, 8], { seed: 1, backend })));
  }
  return cache;
}

const MAKING: readonly (readonly [() => unknown, typeof ShapeError | typeof DTypeError, string])[] = [
  [() => new GrowableKvCache(0), ShapeError, "Cannot make a cache of 0 layers: there must be at least one"],
  [() => new GrowableKvCache(1.5), ShapeError, "Cannot make a cache of 1.5 layers: there must be at least one"],
  [
    () => new GrowableKvCache(1, { dtype: "q4_0" as KvCacheDType }), // a caller without types
    DTypeError,
    'Cannot make a GrowableKvCache of dtype "q4_0": it is one of f32, f16, bf16, f64, q8_0',
  ],
  [
    () => new GrowableKvCache("2" as unknown as number), // likewise
    ShapeError,
    'Cannot make a cache of "2" layers: there must be at least one',
  ],
  [
    () => new GrowableKvCache(1, { capacity: 8 } as KvCacheOptions), // likewise
    ShapeError,
    'Cannot make a GrowableKvCache with an option "capacity": there is none; use a StaticKvCache',
  ],
  [
    () => new GrowableKvCache(1, "f16" as KvCacheOptions), // likewise
    ShapeError,
    'Cannot make a GrowableKvCache with options "f16": they are an object of dtype',
  ],
  [
    () => new StaticKvCache(1, { capacity: 8, maxLength: 8 } as StaticKvCacheOptions), // likewise
    ShapeError,
    'Cannot make a StaticKvCache with an option "maxLength": there is none; use capacity',
  ],
  [
    () => new StaticKvCache(1, undefined as unknown as StaticKvCacheOptions), // likewise
    ShapeError,
    "Cannot make a cache with capacity undefined: it is a whole number of tokens, at least 1",
  ],
  [
    () => new SlidingWindowKvCache(1, undefined as unknown as SlidingWindowKvCacheOptions), // likewise
    ShapeError,
    "Cannot make a cache with window undefined: it is a whole number of tokens, at least 1",
  ],
  [
    () => new SlidingWindowKvCache(1, { window: 4, sinktokens: 1 } as SlidingWindowKvCacheOptions), // likewise
    ShapeError,
    'Cannot make a SlidingWindowKvCache with an option "sinktokens": there is none; use dtype, window, sinkTokens, ' +
    "blockTokens",
  ],
  [
    () => new SlidingWindowKvCache(1, { left: 4 } as unknown as SlidingWindowKvCacheOptions), // likewise
    ShapeError,
    'Cannot make a SlidingWindowKvCache with an option "left": there is none; use window, which is left + 1',
  ],
  [
    () => new PagedKvCache(1, { capacity: 8, pageSize: 4 } as PagedKvCacheOptions), // likewise
    ShapeError,
    'Cannot make a PagedKvCache with an option "pageSize": there is none; use pageTokens',
  ],
  [
    () => new PagedKvCache(1, { capacity: "8" as unknown as number }), // likewise
    ShapeError,
    'Cannot make a cache with capacity "8": it is a whole number of tokens, at least 1',
  ],
  [
    () => new StaticKvCache(1, { capacity: 0 }),
    ShapeError,
    "Cannot make a cache with capacity 0: it is a whole number of tokens, at least 1",
  ],
  [
    () => new SlidingWindowKvCache(1, { window: 0 }),
    ShapeError,
    "Cannot make a cache with window 0: it is a whole number of tokens, at least 1",
  ],
  [
    () => new SlidingWindowKvCache(1, { window: 4, sinkTokens: -1 }),
    ShapeError,
    "Cannot make a cache with sinkTokens -1: it is a whole number of tokens, at least 0",
  ],
  [
    () => new SlidingWindowKvCache(1, { window: 4, blockTokens: 0.5 }),
    ShapeError,
    "Cannot make a cache with blockTokens 0.5: it is a whole number of tokens, at least 1",
  ],
  [
    () => new PagedKvCache(1, { capacity: Infinity }),
    ShapeError,
    "Cannot make a cache with capacity Infinity: it is a whole number of tokens, at least 1",
  ],
  [
    () => new PagedKvCache(1, { capacity: 4, pageTokens: 0 }),
    ShapeError,
    "Cannot make a cache with pageTokens 0: it is a whole number of tokens, at least 1",
  ],
];

Deno.test("wrong settings", () => {
  for (const [run, kind, message] of MAKING) assertThrows(run, kind, message);
});

const APPENDING: readonly (readonly [(cache: KvCache) => unknown, string])[] = [
  [(c) => c.append(2, t(1, 2, 1, 4), t(1, 2, 1, 8)), "Cannot append to layer 2 of a cache: it has layers 0 to 1"],
  [(c) => c.append(-1, t(1, 2, 1, 4), t(1, 2, 1, 8)), "Cannot append to layer -1 of a cache: it has layers 0 to 1"],
  [
    (c) => c.append("length" as unknown as number, t(1, 2, 1, 4), t(1, 2, 1, 8)), // a caller without types
    'Cannot append to layer "length" of a cache: it has layers 0 to 1',
  ],
  [(c) => c.lengthOf(2), "Cannot tell the length of layer 2 of a cache: it has layers 0 to 1"],
  [
    (c) => c.append(0, t(2, 1, 4), t(1, 2, 1, 8)),
    "Cannot append keys [2, 1, 4] and values [1, 2, 1, 8] to layer 0: each is [B, Hkv, T, D], with one T, B and Hkv",
  ],
  [
    (c) => c.append(0, t(1, 2, 1, 4), t(1, 2, 2, 8)),
    "Cannot append keys [1, 2, 1, 4] and values [1, 2, 2, 8] to layer 0: each is [B, Hkv, T, D], with one T, B and Hkv",
  ],
  [
    (c) => c.append(0, t(1, 2, 1, 4), t(1, 1, 1, 8)),
    "Cannot append keys [1, 2, 1, 4] and values [1, 1, 1, 8] to layer 0: each is [B, Hkv, T, D], with one T, B and Hkv",
  ],
  [
    (c) => c.append(1, t(1, 4, 1, 4), t(1, 4, 1, 8)),
    "Cannot append keys [1, 4, 1, 4] and values [1, 4, 1, 8] to layer 1: it holds keys [1, 2, T, 4] and values " +
    "[1, 2, T, 8]; use another cache",
  ],
  [
    (c) => c.append(0, t(1, 2, 1, 4), t(1, 2, 1, 4)),
    "Cannot append keys [1, 2, 1, 4] and values [1, 2, 1, 4] to layer 0: it holds keys [1, 2, T, 4] and values " +
    "[1, 2, T, 8]; use another cache",
  ],
  [
    (c) => c.append(0, t(3, 2, 1, 4), t(3, 2, 1, 8)),
    "Cannot append keys [3, 2, 1, 4] and values [3, 2, 1, 8] to layer 0: the cache holds 1 sequences; use another " +
    "cache for 3",
  ],
  [(c) => c.truncate(4), "Cannot truncate a cache of 3 tokens to 4: a length goes from 0 to 3"],
  [(c) => c.truncate(-1), "Cannot truncate a cache of 3 tokens to -1: a length goes from 0 to 3"],
  [(c) => c.truncate(1.5), "Cannot truncate a cache of 3 tokens to 1.5: a length goes from 0 to 3"],
];

Deno.test("wrong appends and truncations, in every form, change nothing", () => {
  for (const form of FORMS) {
    using cache = filled(form.make(2));
    const { byteLength } = cache;
    for (const [run, message] of APPENDING) assertThrows(() => run(cache), ShapeError, message, form.name);
    assertEquals([cache.length, cache.byteLength], [3, byteLength]);
  }
});

Deno.test("layers that would come apart are refused, in every form", () => {
  for (const form of FORMS) {
    for (const past of [0, 3]) {
      using cache = form.make(3);
      if (past > 0) filled(cache);
      const add = (layer: number, count: number) => release(cache.append(layer, t(1, 2, count, 4), t(1, 2, count, 8)));
      add(0, 4);
      const { byteLength } = cache;
      assertThrows(
        () => add(1, 2),
        ShapeError,
        `Cannot append 2 tokens to layer 1: with the ${past} it has they are ${past + 2}, and layer 0 has ${
          past + 4
        }; ` +
          `append 4, or take the step back with truncate(${past})`,
        form.name,
      );
      assertEquals([cache.byteLength, cache.lengthOf(1)], [byteLength, past]);
      if (past === 0) add(1, 4); // before, layer 0 may have been used alone
      for (const count of past === 0 ? [] : [0, 1]) {
        assertThrows(
          () => add(0, count),
          ShapeError,
          `Cannot append ${count} tokens to layer 0: it has 7 and layer 1 has 3; append to that one first, or take the ` +
            `step back with truncate(3)`,
          form.name,
        );
      }
      cache.truncate(past);
      for (const layer of [2, 0, 1]) add(layer, 2); // in any order
      assertEquals(cache.length, past + 2);
    }
  }
});

Deno.test("keys and values that are no tensors", () => {
  const wrong = (x: unknown) => x as Tensor; // a caller without types
  for (const form of FORMS) {
    using cache = filled(form.make(1));
    assertThrows(
      () => cache.append(0, t(1, 2, 1, 4), wrong(undefined)),
      DTypeError,
      "Cannot append keys f32 [1, 2, 1, 4] and values undefined to layer 0: each is a Tensor [B, Hkv, T, D]; make one " +
        "with tensor()",
    );
    assertThrows(
      () => cache.append(0, wrong([[1]]), wrong([[1]])),
      DTypeError,
      "Cannot append keys [[1]] and values [[1]] to layer 0: each is a Tensor [B, Hkv, T, D]; make one with tensor()",
    );
    assertEquals(cache.length, 3);
  }
});

Deno.test("wrong dtypes", () => {
  for (const form of FORMS) {
    using ints = zeros([1, 1, 1, 4], { backend, dtype: "i32" });
    using floats = t(1, 1, 1, 4);
    using fresh = form.make(1);
    assertThrows(
      () => fresh.append(0, floats, ints),
      DTypeError,
      "Cannot append keys f32 [1, 1, 1, 4] and values i32 [1, 1, 1, 4] to layer 0: a cache takes floats and q8_0; " +
        'convert with to("f32")',
    );
    using blocks = form.make(1, "q8_0");
    assertThrows(
      () => blocks.append(0, t(1, 1, 1, 32), t(1, 1, 1, 40)),
      DTypeError,
      "Cannot append keys f32 [1, 1, 1, 32] and values f32 [1, 1, 1, 40] to layer 0: a q8_0 cache needs head sizes " +
        'that are multiples of 32, not 32 and 40; use dtype "f16"',
    );
    assertEquals([fresh.byteLength, blocks.byteLength], [0, 0]);
  }
});

Deno.test("keys of another backend", () => {
  const other = createScalarBackend();
  using keys = zeros([1, 2, 1, 4], { backend: other });
  using values = zeros([1, 2, 1, 8], { backend: other });
  for (const form of FORMS) {
    using cache = filled(form.make(1));
    assertThrows(
      () => cache.append(0, keys, values),
      BackendError,
      "Cannot append keys [1, 2, 1, 4] on scalar to layer 0: the cache lives on another instance of it; move them with " +
        "await keys.to(backend)",
    );
    assertThrows(() => cache.append(0, keys, t(1, 2, 1, 8)), BackendError, "Cannot append");
    assertEquals(cache.length, 3);
  }
});

Deno.test("static: beyond the capacity", () => {
  using cache = filled(new StaticKvCache(2, { capacity: 4 }));
  assertThrows(
    () => cache.append(1, t(1, 2, 2, 4), t(1, 2, 2, 8)),
    ShapeError,
    "Cannot append keys [1, 2, 2, 4] to layer 1: with the 3 tokens it has they pass the capacity of 4; truncate or " +
      "clear it, make one with a larger capacity, or use a GrowableKvCache",
  );
  assertEquals(cache.length, 3);
});

Deno.test("window: back beyond the last eviction", () => {
  using cache = new SlidingWindowKvCache(1, { window: 4, sinkTokens: 1, blockTokens: 2 });
  for (let i = 0; i < 4; i++) filled(cache);
  assertThrows(
    () => cache.truncate(7),
    ShapeError,
    "Cannot truncate a cache of 12 tokens to 7: positions 1 to 4 are evicted, and a window of 4 needs some of them; it " +
      "goes back to 8 tokens, or to 1 and fewer",
  );
  cache.truncate(8);
  cache.truncate(1);
  assertEquals(cache.length, 1);
});

type Change = (saved: SavedKvCache) => SavedKvCache;

const RESTORING: readonly (readonly [Change, typeof ShapeError | typeof DTypeError, string])[] = [
  [
    () => null as unknown as SavedKvCache, // a caller without types
    ShapeError,
    "Cannot restore a cache from null: it takes what save gives, awaited",
  ],
  [
    () => Promise.resolve() as unknown as SavedKvCache, // likewise
    ShapeError,
    "Cannot restore a cache from an object of Promise: it takes what save gives, awaited",
  ],
  [
    (s) => JSON.parse(JSON.stringify(s)),
    ShapeError,
    "Cannot restore a cache: keys of layer 0 are an object of Object, and no shape with bytes in a Uint8Array; JSON " +
    "cannot carry them, structuredClone can",
  ],
  [
    (s) => ({ ...s, entries: [null, null] as unknown as SavedKvCache["entries"] }), // likewise
    ShapeError,
    "Cannot restore a cache: keys of layer 0 are undefined",
  ],
  [
    (s) => ({ ...s, entries: s.entries.map((e) => ({ ...e, dtype: "i32" as KvCacheDType })) }), // likewise
    DTypeError,
    'Cannot restore a growable cache of "i32": a cache holds one of f32, f16, bf16, f64, q8_0; save it again',
  ],
  [
    (s) => ({ ...s, form: "static" }),
    ShapeError,
    "Cannot restore a static cache of 3 tokens: this one is growable; make one of the same form",
  ],
  [
    (s) => ({ ...s, layers: 3 }),
    ShapeError,
    "Cannot restore a growable cache of 3 tokens: it has 3 layers and this one 2; make one of as many",
  ],
  [
    (s) => ({ ...s, entries: s.entries.slice(1) }),
    ShapeError,
    "Cannot restore a cache: it says 3 tokens in 2 layers and has 1 of 2 entries; save it again",
  ],
  [
    (s) => ({ ...s, tokens: -1 }),
    ShapeError,
    "Cannot restore a cache: it says -1 tokens in 2 layers and has 2 of 2 entries; save it again",
  ],
  [
    (s) => ({ ...s, tokens: 2 }),
    ShapeError,
    "Cannot restore a growable cache of 2 tokens: layer 0 has keys [1, 2, 3, 4] and values [1, 2, 3, 8]; save it again",
  ],
  [
    (s) => changed(s, { bytes: new Uint8Array(5) }),
    ShapeError,
    "Cannot restore a cache: values of layer 1, f32 [1, 2, 3, 8], come as 5 bytes, and take 192; save it again",
  ],
  [
    (s) => changed(s, { shape: [6, 8] }),
    ShapeError,
    "Cannot restore a cache: values of layer 1, f32 [6, 8], come as 192 bytes, and are no [B, Hkv, S, D]; save it again",
  ],
  [
    (s) => changed(s, { shape: [2, 1, 3, 8] }),
    ShapeError,
    "Cannot append keys [1, 2, 3, 4] and values [2, 1, 3, 8] to layer 1: each is [B, Hkv, T, D], with one T, B and Hkv",
  ],
];

/** The last layer's values changed. */
function changed(saved: SavedKvCache, values: Partial<SavedKvCache["entries"][number]["values"]>): SavedKvCache {
  const last = saved.entries.at(-1)!;
  return { ...saved, entries: [...saved.entries.slice(0, -1), { ...last, values: { ...last.values, ...values } }] };
}

Deno.test("saved data that do not fit leave the cache as it was", async () => {
  using origin = filled(new GrowableKvCache(2));
  const saved = await origin.save();
  for (const [change, kind, message] of RESTORING) {
    using fresh = new GrowableKvCache(2);
    const before = backend.memory.liveStorages;
    assertThrows(() => fresh.restore(change(saved), { backend }), kind, message);
    assertEquals([fresh.length, fresh.byteLength, backend.memory.liveStorages], [0, 0, before], message);
    using cleared = filled(new GrowableKvCache(2));
    cleared.clear();
    const { byteLength } = cleared;
    assertThrows(() => cleared.restore(change(saved), { backend }), kind, message);
    assertEquals([cleared.length, cleared.byteLength], [0, byteLength], message);
  }
});

Deno.test("restoring where it cannot be", async () => {
  using origin = filled(new GrowableKvCache(2));
  const saved = await origin.save();
  assertThrows(
    () => origin.restore(saved),
    ShapeError,
    "Cannot restore a growable cache of 3 tokens: this one is not empty; clear it first",
  );
  using half = new GrowableKvCache(2, { dtype: "f16" });
  assertThrows(
    () => half.restore(saved, { backend }),
    DTypeError,
    "Cannot restore a growable cache of f32: this one holds f16, and saved bytes are not converted; make one of dtype f32",
  );
  origin.clear();
  assertThrows(
    () => origin.restore(saved, { backend: createScalarBackend() }),
    BackendError,
    "Cannot restore a cache on scalar: it has its memory on scalar; use a fresh one",
  );
  assertThrows(
    () => origin.restore(saved, { backened: backend } as { backend?: Backend }), // a caller without types
    ShapeError,
    'Cannot restore a cache with an option "backened": there is none; use backend',
  );
  using homeless = new GrowableKvCache(2);
  assertThrows(() => homeless.restore(saved), BackendError, "no backend was given");
  using other = filled(new GrowableKvCache(2));
  other.clear();
  const small: SavedKvCache = {
    ...saved,
    entries: saved.entries.map((e) => ({ ...e, keys: e.values, values: e.keys })),
  };
  assertThrows(() => other.restore(small), ShapeError, "it holds keys [1, 2, T, 4] and values [1, 2, T, 8]");
});

Deno.test("restoring more than there is room for", async () => {
  using origin = filled(new StaticKvCache(1, { capacity: 4 }));
  using small = new StaticKvCache(1, { capacity: 2 });
  const saved = await origin.save();
  assertThrows(() => small.restore(saved, { backend }), ShapeError, "pass the capacity of 2");
  using pages = filled(new PagedKvCache(1, { capacity: 4, pageTokens: 2 }));
  using page = new PagedKvCache(1, { capacity: 2, pageTokens: 2 });
  const savedPages = await pages.save();
  assertThrows(() => page.restore(savedPages, { backend }), ShapeError, "(capacity 2 tokens");
  assertEquals([small.byteLength, page.byteLength], [0, 0]);
});

Deno.test("restoring another window, or one with too few rows", async () => {
  using origin = filled(new SlidingWindowKvCache(1, { window: 5, sinkTokens: 1 }));
  const saved = await origin.save();
  using other = new SlidingWindowKvCache(1, { window: 3, sinkTokens: 1 });
  assertThrows(
    () => other.restore(saved, { backend }),
    ShapeError,
    'Cannot restore a window cache of 3 tokens: its window is {"left":4,"sinkTokens":1} and this one\'s ' +
      '{"left":2,"sinkTokens":1}; make one with the same',
  );
  using same = new SlidingWindowKvCache(1, { window: 5, sinkTokens: 1 });
  assertThrows(
    () => same.restore({ ...saved, tokens: 9 }, { backend }),
    ShapeError,
    "Cannot restore a window cache of 9 tokens: layer 0 has keys [1, 2, 3, 4] and values [1, 2, 3, 8], and keeps at " +
      "least 5 tokens and no more than 9; save it again",
  );
  same.restore(saved, { backend });
  assertEquals(same.length, 3);
});

Deno.test("saved layers of two dtypes", async () => {
  using origin = filled(new GrowableKvCache(2));
  const saved = await origin.save();
  const [first, last] = saved.entries as [SavedKvCache["entries"][0], SavedKvCache["entries"][0]];
  using fresh = new GrowableKvCache(2);
  assertThrows(
    () => fresh.restore({ ...saved, entries: [first, { ...last, dtype: "f16" }] }, { backend }),
    DTypeError,
    "Cannot restore a growable cache of f16: its first layer is f32; save it again",
  );
  assertEquals(fresh.byteLength, 0);
});

Deno.test("saving fails as a promise does, and leaves nothing behind", async () => {
  for (const form of FORMS) {
    using probe = filled(form.make(2));
    const tight = createScalarBackend({ memoryBudgetBytes: probe.byteLength + 400 }); // appended tokens take 288
    using cache = form.make(2);
    for (const layer of [0, 1]) {
      using keys = zeros([1, 2, 3, 4], { backend: tight });
      using values = zeros([1, 2, 3, 8], { backend: tight });
      release(cache.append(layer, keys, values));
    }
    const { liveBytes } = tight.memory;
    const saving = cache.save(); // copies of both layers take 576
    assert(saving instanceof Promise);
    await assertRejects(() => saving, BackendError, "budget", form.name);
    assertEquals([tight.memory.liveBytes, cache.length], [liveBytes, 3], form.name);
  }
});
