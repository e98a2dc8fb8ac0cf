/** Every form of cache against plain arrays: random histories of appends, failures, truncations, forks and saves. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type Backend,
  GrowableKvCache,
  type KvCache,
  type KvCacheDType,
  PagedKvCache,
  randn,
  ShapeError,
  SlidingWindowKvCache,
  StaticKvCache,
  type Tensor,
  tidy,
  viewOf,
} from "../mod.ts";
import {
  append,
  assertHolds,
  Draws,
  drawToken,
  DTYPES,
  type Form,
  FORMS,
  type Keeps,
  ModelLayer,
  read,
  release,
  sizesFor,
  stored,
  type Token,
} from "./kv_cache_model.ts";

const LAYERS = 3;

/** A cache and what it should hold. */
class Pair {
  readonly cache: KvCache;
  readonly model: ModelLayer[];

  constructor(cache: KvCache, model: ModelLayer[]) {
    this.cache = cache;
    this.model = model;
  }

  /** Tokens that all layers have. */
  get length(): number {
    return Math.min(...this.model.map((layer) => layer.length));
  }
}

/** A random history of some caches that started as one. */
class History {
  readonly #form: Form;
  readonly #dtype: KvCacheDType | undefined;
  readonly #draws: Draws;
  readonly #backend: Backend;
  readonly #message: string;
  #pairs: Pair[];

  constructor(form: Form, dtype: KvCacheDType | undefined, seed: number, backend: Backend) {
    this.#form = form;
    this.#dtype = dtype;
    this.#draws = new Draws(seed);
    this.#backend = backend;
    this.#message = `${form.name}, ${dtype}, seed ${seed}`;
    this.#pairs = [this.#fresh()];
  }

  #fresh(): Pair {
    const model = Array.from({ length: LAYERS }, () => new ModelLayer(this.#form.keeps));
    return new Pair(this.#form.make(LAYERS, this.#dtype), model);
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const pair = this.#pairs[this.#draws.int(0, this.#pairs.length - 1)]!;
      const kind = this.#draws.int(0, 11);
      if (kind <= 5) this.#append(pair, LAYERS);
      else if (kind === 6) this.#fail(pair);
      else if (kind === 7) this.#truncate(pair, this.#draws.int(0, pair.length));
      else if (kind === 8) this.#truncate(pair, Math.max(0, pair.length - this.#draws.int(0, 3)));
      else if (kind === 9) this.#fork(pair);
      else if (kind === 10) await this.#saveAndRestore(pair);
      else if (this.#draws.int(0, 2) === 0) this.#clear(pair);
      for (const { cache, length } of this.#pairs) assertEquals(cache.length, length, this.#message);
    }
    for (const { cache } of this.#pairs) cache.dispose();
    assertEquals([this.#backend.memory.liveStorages, this.#backend.memory.liveBytes], [0, 0], this.#message);
  }

  /** A step that reaches the first `layers` layers. */
  #append(pair: Pair, layers: number): void {
    const sizes = sizesFor(this.#dtype);
    const count = this.#draws.int(0, 3) === 0 ? this.#draws.int(0, 40) : this.#draws.int(0, 5);
    if (pair.length + count > this.#form.capacity) return this.#refuse(pair, count);
    for (let layer = 0; layer < layers; layer++) {
      const tokens = Array.from({ length: count }, () => drawToken(this.#draws, sizes));
      const view = append(pair.cache, layer, tokens, sizes, this.#backend);
      pair.model[layer]!.append(tokens.map((token) => stored(token, this.#dtype)));
      assertHolds(view, pair.model[layer]!, this.#form.keeps, sizes, this.#message);
      release(view);
    }
  }

  #refuse(pair: Pair, count: number): void {
    const tokens = Array.from({ length: count }, () => drawToken(this.#draws, sizesFor(this.#dtype)));
    const refused = () => append(pair.cache, 0, tokens, sizesFor(this.#dtype), this.#backend);
    assertThrows(refused, ShapeError, "capacity", this.#message);
  }

  /** A step that broke off between layers, and was taken back. */
  #fail(pair: Pair): void {
    const { length } = pair;
    this.#append(pair, this.#draws.int(1, LAYERS - 1));
    this.#truncate(pair, length);
    assertEquals(pair.length, length, `${this.#message}: one step can always be taken back`);
  }

  #truncate(pair: Pair, length: number): void {
    if (pair.model.every((layer) => layer.reaches(length))) {
      pair.cache.truncate(length);
      for (const layer of pair.model) layer.truncate(length);
    } else assertThrows(() => pair.cache.truncate(length), ShapeError, "evicted", this.#message);
  }

  #clear(pair: Pair): void {
    const before = this.#backend.memory.liveBytes;
    pair.cache.clear();
    for (const layer of pair.model) layer.truncate(0);
    const tableBytes = this.#form.name === "paged" ? 4 * 1000 : 0; // the page table may go, all else stays
    assert(this.#backend.memory.liveBytes >= before - tableBytes, this.#message);
  }

  #fork(pair: Pair): void {
    const copy = tidy(() => pair.cache.fork());
    this.#pairs.push(new Pair(copy, pair.model.map((layer) => layer.copy())));
    if (this.#pairs.length <= 3) return;
    const [gone] = this.#pairs.splice(this.#draws.int(0, 3), 1);
    gone!.cache.dispose();
    gone!.cache.dispose(); // harmless
  }

  /** Goes on in another cache, which the saved tokens are put into. */
  async #saveAndRestore(pair: Pair): Promise<void> {
    const saved = structuredClone(await pair.cache.save());
    const cleared = this.#pairs.length > 1 && this.#pairs[0] !== pair && this.#draws.int(0, 1) === 0;
    const target = cleared ? this.#pairs[0]! : this.#fresh();
    for (const layer of target.model) layer.truncate(0);
    target.cache.clear();
    target.cache.restore(saved, { backend: this.#backend });
    const model = pair.model.map((layer) => layer.copy());
    pair.cache.dispose();
    if (cleared) this.#pairs.shift();
    this.#pairs[this.#pairs.indexOf(pair)] = new Pair(target.cache, model);
  }
}

for (const form of FORMS) {
  for (const dtype of [undefined, "f16", "bf16", "q8_0"] as const) {
    Deno.test(`${form.name}, ${dtype ?? "dtype of the keys"}: random histories hold what plain arrays do`, async () => {
      for (let seed = 0; seed < 6; seed++) {
        await new History(form, dtype, seed, createScalarBackend()).run(40);
      }
    });
  }
}

const SIZES = { batch: 1, heads: 2, keySize: 4, valueSize: 8 };
const ROW_BYTES = 2 * (4 + 8) * 4; // f32, both heads

function tokens(count: number, seed = 0): Token[] {
  const draws = new Draws(seed);
  return Array.from({ length: count }, () => drawToken(draws, SIZES));
}

function feed(cache: KvCache, count: number, backend: Backend, seed = 0): void {
  for (let layer = 0; layer < cache.layers; layer++) {
    release(append(cache, layer, tokens(count, seed), SIZES, backend));
  }
}

Deno.test("growable: capacity and bytes double, each token is written once", () => {
  const backend = createScalarBackend();
  using cache = new GrowableKvCache(2);
  assertEquals([cache.capacity, cache.byteLength, cache.dtype, cache.layers], [0, 0, undefined, 2]);
  for (const [count, capacity] of [[1, 64], [63, 64], [1, 128], [200, 512]] as const) {
    feed(cache, count, backend);
    assertEquals([cache.capacity, cache.byteLength], [capacity, 2 * capacity * ROW_BYTES]);
    assertEquals(backend.memory.liveBytes, cache.byteLength);
  }
  assertEquals([cache.length, cache.dtype], [265, "f32"]);
});

Deno.test("growable: between doublings a step writes its token alone", () => {
  const backend = createScalarBackend();
  using cache = new GrowableKvCache(1);
  const grown: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const before = cache.byteLength;
    feed(cache, 1, backend);
    if (cache.byteLength !== before) grown.push(i);
  }
  assertEquals(grown, [0, 64, 128, 256, 512]);
});

Deno.test("static: a step allocates nothing that the one before did not give back", () => {
  const backend = createScalarBackend();
  for (const dtype of ["f32", "f16"] as const) {
    using cache = new StaticKvCache(2, { capacity: 16, dtype });
    feed(cache, 3, backend);
    const bytes = 2 * 16 * ROW_BYTES / (dtype === "f32" ? 1 : 2);
    assertEquals([cache.capacity, cache.byteLength, cache.dtype], [16, bytes, dtype]);
    using keys = randn([1, 2, 1, 4], { seed: 1, backend });
    using values = randn([1, 2, 1, 8], { seed: 2, backend });
    const { liveStorages, liveBytes } = backend.memory;
    backend.memory.peakBytes = liveBytes;
    for (let step = 0; step < 10; step++) {
      for (let layer = 0; layer < 2; layer++) release(cache.append(layer, keys, values));
      assertEquals([backend.memory.liveStorages, backend.memory.liveBytes], [liveStorages, liveBytes]);
    }
    assertEquals(backend.memory.peakBytes, liveBytes, "nothing was allocated on the way");
  }
});

Deno.test("window: memory does not grow with tokens, and a long chunk's buffer goes with the next eviction", () => {
  const backend = createScalarBackend();
  using cache = new SlidingWindowKvCache(2, { window: 8, sinkTokens: 2, blockTokens: 4 });
  const usual = 2 + 8 + 4 - 1;
  feed(cache, 1, backend);
  assertEquals([cache.capacity, cache.byteLength], [Infinity, 2 * usual * ROW_BYTES]);
  for (let i = 0; i < 50; i++) feed(cache, 1, backend);
  const steady = 3 * usual * ROW_BYTES + 4 * usual; // two layers, the second buffer, the positions
  assertEquals([cache.length, cache.byteLength], [51, steady]);
  feed(cache, 100, backend);
  assert(cache.byteLength > 2 * 100 * ROW_BYTES);
  feed(cache, 1, backend);
  assert(cache.byteLength <= steady, `${cache.byteLength} bytes, ${steady} before the long chunk`);
  assertEquals(backend.memory.liveBytes, cache.byteLength);
});

Deno.test("window: the default block is a quarter of the window", () => {
  const backend = createScalarBackend();
  using cache = new SlidingWindowKvCache(1, { window: 10 });
  feed(cache, 1, backend);
  assertEquals(cache.byteLength, (10 + 3 - 1) * ROW_BYTES);
});

Deno.test("window: layers of different shapes evict each for itself", () => {
  const backend = createScalarBackend();
  using cache = new SlidingWindowKvCache(2, { window: 3, blockTokens: 2 });
  const wide = { ...SIZES, keySize: 6 };
  const keeps = { window: 3, sinkTokens: 0, blockTokens: 2 };
  const [narrowLayer, wideLayer] = [new ModelLayer(keeps), new ModelLayer(keeps)];
  const draws = new Draws(1);
  for (let i = 0; i < 12; i++) {
    for (const [layer, sizes, model] of [[0, SIZES, narrowLayer], [1, wide, wideLayer]] as const) {
      const token = drawToken(draws, sizes);
      const view = append(cache, layer, [token], sizes, backend);
      model.append([token]);
      assertHolds(view, model, keeps, sizes, `layer ${layer}, token ${i}`);
      release(view);
    }
  }
});

Deno.test("any split into chunks holds the same tokens, as far as queries to come can see", () => {
  const backend = createScalarBackend();
  const draws = new Draws(7);
  const sees = ({ window, sinkTokens }: Keeps, length: number) => (p: number) => p < sinkTokens || p > length - window;
  for (const form of FORMS) {
    for (const dtype of DTYPES) {
      const sizes = sizesFor(dtype);
      const all = Array.from({ length: 60 }, () => drawToken(draws, sizes));
      const held = (cuts: readonly number[]) => {
        using cache = form.make(1, dtype);
        let start = 0;
        let last: { position: number }[] = [];
        for (const count of cuts) {
          const view = append(cache, 0, all.slice(start, start + count), sizes, backend);
          last = read(view, sizes);
          release(view);
          start += count;
        }
        return last.filter((token) => sees(form.keeps, all.length)(token.position));
      };
      const whole = held([60]);
      for (const cuts of [[1, 59], [59, 1], [20, 20, 20], [7, 0, 30, 1, 1, 1, 20], Array<number>(60).fill(1)]) {
        assertEquals(held(cuts), whole, `${form.name}, ${dtype}, ${cuts}`);
      }
    }
  }
});

Deno.test("a fork and its origin go on apart, whichever writes first", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    for (const forkFirst of [true, false]) {
      const sizes = sizesFor(undefined);
      const draws = new Draws(3);
      const draw = (count: number) => Array.from({ length: count }, () => drawToken(draws, sizes));
      using cache = form.make(1);
      const model = new ModelLayer(form.keeps);
      const start = draw(8);
      release(append(cache, 0, start, sizes, backend));
      model.append(start);
      using copy = cache.fork();
      const other = model.copy();
      const sides = [[copy, other], [cache, model]] as const;
      for (let round = 0; round < 3; round++) {
        for (const [side, expected] of forkFirst ? sides : sides.toReversed()) {
          const next = draw(2);
          const view = append(side, 0, next, sizes, backend);
          expected.append(next);
          assertHolds(view, expected, form.keeps, sizes, `${form.name}, fork first: ${forkFirst}`);
          release(view);
        }
      }
      assertEquals(copy.dtype, "f32");
    }
  }
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("buffers outlive tidy, views made in it do not", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    const cache = form.make(1);
    const view = tidy(() => {
      const seen = append(cache, 0, tokens(30), SIZES, backend);
      assertEquals(seen.keys.isDisposed, false);
      return { inside: [seen] as const, wrapped: () => seen }.wrapped; // a function hides it from tidy
    });
    assertEquals(view().keys.isDisposed, true);
    assertEquals(cache.length, 30);
    const next = append(cache, 0, tokens(1, 5), SIZES, backend);
    assertEquals(read(next, SIZES).at(-1)!.keys, tokens(1, 5)[0]!.keys);
    release(next);
    cache.dispose();
  }
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("a cache that was disposed of is empty, and starts anew", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    const cache = form.make(1);
    feed(cache, 20, backend);
    cache.dispose();
    assertEquals([cache.length, cache.byteLength, cache.dtype], [0, 0, undefined]);
    const sizes = sizesFor("q8_0");
    release(append(cache, 0, [drawToken(new Draws(0), sizes)], sizes, backend));
    assertEquals(cache.length, 1);
    cache.dispose();
  }
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("what is cached carries no gradient", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    using cache = form.make(1);
    using keys = randn([1, 2, 3, 4], { seed: 0, backend }).requiresGrad_();
    const view = cache.append(0, keys, keys);
    assertEquals([view.keys.requiresGrad, view.values.requiresGrad], [false, false]);
    release(view);
  }
});

Deno.test("strided and wider keys are converted on the way", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    using cache = form.make(1, "f16");
    using x = randn([1, 3, 2, 4], { seed: 0, backend, dtype: "f64" });
    using keys = x.transpose(1, 2); // [1, 2, 3, 4], as projections give them
    const view = cache.append(0, keys, keys);
    assertEquals(view.keys.dtype, "f16");
    using half = keys.to("f16");
    const got = read(view, { ...SIZES, valueSize: 4 });
    const expected = half.dataSync();
    const flat = (s: number) => [0, 1].flatMap((h) => [...expected.slice((h * 3 + s) * 4, (h * 3 + s + 1) * 4)]);
    got.forEach((token, s) => assertEquals([...token.keys], flat(s)));
    release(view);
  }
});

Deno.test("out of memory, an append changes nothing", () => {
  for (const form of FORMS) {
    const roomy = createScalarBackend();
    using probe = form.make(1);
    feed(probe, 1, roomy);
    const backend = createScalarBackend({ memoryBudgetBytes: probe.byteLength + 250 }); // a token takes 96
    using cache = form.make(1);
    const model = new ModelLayer(form.keeps);
    const token = tokens(1, 3);
    assertThrows(() => {
      for (let i = 0; i < 200; i++) {
        release(append(cache, 0, token, SIZES, backend));
        model.append(token);
      }
    });
    const { liveStorages, liveBytes } = backend.memory;
    assertThrows(() => append(cache, 0, token, SIZES, backend));
    assertEquals([backend.memory.liveStorages, backend.memory.liveBytes], [liveStorages, liveBytes], form.name);
    assertEquals(cache.length, model.length, form.name);
    cache.truncate(cache.length - 1);
    model.truncate(model.length - 1);
    if (form.keeps.window < Infinity) continue; // the next append would evict, for which there is no room
    const view = append(cache, 0, tokens(1, 4), SIZES, backend);
    model.append(tokens(1, 4));
    assertHolds(view, model, form.keeps, SIZES, form.name);
    release(view);
  }
});

Deno.test("save takes the tokens as they are, whatever happens while it reads", async () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    using cache = form.make(1);
    feed(cache, 4, backend);
    const saving = cache.save();
    cache.clear();
    feed(cache, 4, backend, 9);
    using restored = form.make(1);
    restored.restore(await saving, { backend });
    const model = new ModelLayer(form.keeps);
    model.append(tokens(4));
    const view = append(restored, 0, tokens(1, 5), SIZES, backend);
    model.append(tokens(1, 5));
    assertHolds(view, model, form.keeps, SIZES, form.name);
    release(view);
  }
});

Deno.test("saved tokens go on on another backend, bit for bit", async () => {
  const [here, there] = [createScalarBackend(), createScalarBackend()];
  for (const form of FORMS) {
    for (const dtype of DTYPES) {
      const sizes = sizesFor(dtype);
      const draws = new Draws(11);
      using cache = form.make(2, dtype);
      using restored = form.make(2, dtype);
      const start = Array.from({ length: 33 }, () => drawToken(draws, sizes));
      for (const layer of [0, 1]) release(append(cache, layer, start, sizes, here));
      const saved = await cache.save();
      restored.restore(saved, { backend: there });
      assertEquals([restored.length, restored.dtype], [33, dtype]);
      const next = [drawToken(draws, sizes)];
      const views = [append(cache, 1, next, sizes, here), append(restored, 1, next, sizes, there)] as const;
      assertEquals(read(views[1], sizes), read(views[0], sizes), `${form.name}, ${dtype}`);
      assertEquals(views[1].keys.backend === there, true);
      views.forEach(release);
    }
  }
  assertEquals([here.memory.liveStorages, there.memory.liveStorages], [0, 0]);
});

Deno.test("a cache without tokens is saved and restored as one", async () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    using cache = form.make(2);
    release(append(cache, 0, tokens(3), SIZES, backend)); // the other layer has none
    const saved = await cache.save();
    assertEquals([saved.tokens, saved.entries.length], [0, 0]);
    using other = form.make(2);
    other.restore(saved);
    assertEquals([other.length, other.byteLength], [0, 0]);
  }
});

Deno.test("a window can be saved, and a step taken back, between layers", async () => {
  const backend = createScalarBackend();
  using cache = new SlidingWindowKvCache(2, { window: 2, blockTokens: 1 });
  feed(cache, 8, backend);
  release(append(cache, 0, tokens(3, 1), SIZES, backend)); // evicts all that a query at 8 cannot see
  using restored = new SlidingWindowKvCache(2, { window: 2, blockTokens: 1 });
  restored.restore(await cache.save(), { backend });
  cache.truncate(8);
  for (const side of [cache, restored]) {
    const view = append(side, 0, tokens(1, 2), SIZES, backend);
    const seen = read(view, SIZES).filter(({ position }) => position >= 7);
    assertEquals(seen.map(({ position }) => position), [7, 8]);
    assertEquals(seen.map(({ keys }) => keys), [tokens(8)[7]!.keys, tokens(1, 2)[0]!.keys]);
    release(view);
  }
});

Deno.test("lengthOf tells each layer's tokens, and a layer used alone leaves the others at none", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    using cache = form.make(3);
    for (const count of [5, 0, 1, 2]) release(append(cache, 1, tokens(count), SIZES, backend));
    assertEquals([0, 1, 2].map((layer) => cache.lengthOf(layer)), [0, 8, 0], form.name);
    assertEquals(cache.length, 0);
    release(append(cache, 0, tokens(8), SIZES, backend)); // joins in, with as many
    release(append(cache, 1, tokens(1), SIZES, backend));
    release(append(cache, 0, tokens(1), SIZES, backend));
    using copy = cache.fork();
    for (const side of [cache, copy]) assertEquals([0, 1, 2].map((layer) => side.lengthOf(layer)), [9, 9, 0]);
    copy.clear();
    assertEquals([copy.lengthOf(1), cache.lengthOf(1)], [0, 9]);
  }
});

Deno.test("the first keys decide what a cache holds, values too, whatever dtype could have been asked for", () => {
  const backend = createScalarBackend();
  for (const form of FORMS) {
    for (const dtype of DTYPES) {
      using cache = form.make(1);
      using keys = randn([1, 2, 3, 32], { seed: 0, backend }).to(dtype);
      using values = randn([1, 2, 3, 64], { seed: 1, backend });
      const view = cache.append(0, keys, values);
      assertEquals([cache.dtype, view.keys.dtype, view.values.dtype], [dtype, dtype, dtype], form.name);
      release(view);
    }
  }
});

Deno.test("forks that share a pool agree on what is in it, whichever was first, until the last one goes", () => {
  const backend = createScalarBackend();
  using cache = new PagedKvCache(1, { capacity: 8, pageTokens: 4 });
  using copy = cache.fork();
  using half = randn([1, 1, 1, 4], { seed: 0, backend, dtype: "f16" });
  release(copy.append(0, half, half));
  assertEquals([cache.dtype, cache.length], ["f16", 0]);
  feedRefused(cache, backend);
  copy.dispose();
  assertEquals([cache.dtype, copy.dtype], ["f16", undefined]);
  cache.dispose();
  feed(cache, 1, backend);
  assertEquals(cache.dtype, "f32");
});

/** Tokens of other shapes than the pool has. */
function feedRefused(cache: KvCache, backend: Backend): void {
  assertThrows(() => append(cache, 0, tokens(1), SIZES, backend), ShapeError, "it holds keys [1, 1, T, 4]");
}

Deno.test("viewOf: plain keys and values as a cache shows them", () => {
  const backend = createScalarBackend();
  using keys = randn([1, 2, 5, 4], { seed: 0, backend });
  using values = randn([1, 2, 5, 8], { seed: 1, backend });
  assertEquals(viewOf(keys, values), { keys, values, keyCount: 5, tokens: 5 });
});

Deno.test("a chunk that is a view of the cache itself is appended as it was", () => {
  const backend = createScalarBackend();
  using cache = new GrowableKvCache(1);
  const first = append(cache, 0, tokens(40), SIZES, backend);
  const second: { keys: Tensor; values: Tensor } = first;
  const view = cache.append(0, second.keys, second.values);
  const expected = [...tokens(40), ...tokens(40)];
  read(view, SIZES).forEach((token, s) => assertEquals(token.keys, expected[s]!.keys));
  release(first);
  release(view);
});
