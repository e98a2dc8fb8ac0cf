/** What a cache should hold, as plain arrays: the model that the tests of every form compare with. */
import { assert, assertEquals } from "@std/assert";
import {
  type Backend,
  dequantizeBlocks,
  GrowableKvCache,
  type KeyValueView,
  type KvCache,
  type KvCacheDType,
  PagedKvCache,
  quantizeBlocks,
  SlidingWindowKvCache,
  StaticKvCache,
  type Tensor,
  tensor,
} from "../mod.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../src/half.ts";

/** Every dtype a cache can be told to hold. */
export const DTYPES: readonly KvCacheDType[] = ["f32", "f16", "bf16", "f64", "q8_0"];

/** Which tokens a form keeps. */
export interface Keeps {
  readonly window: number;
  readonly sinkTokens: number;
  readonly blockTokens: number;
}

/** A form under test. */
export interface Form {
  readonly name: string;
  readonly keeps: Keeps;
  readonly capacity: number;
  readonly make: (layers: number, dtype?: KvCacheDType) => KvCache;
}

const EVERYTHING: Keeps = { window: Infinity, sinkTokens: 0, blockTokens: 1 };

function windowed(window: number, sinkTokens: number, blockTokens: number): Form {
  const keeps = { window, sinkTokens, blockTokens };
  return {
    name: `window of ${window}, ${sinkTokens} sinks, blocks of ${blockTokens}`,
    keeps,
    capacity: Infinity,
    make: (layers, dtype) => new SlidingWindowKvCache(layers, { ...keeps, dtype }),
  };
}

/** All forms, small enough to run full within a few appends. */
export const FORMS: readonly Form[] = [
  {
    name: "growable",
    keeps: EVERYTHING,
    capacity: Infinity,
    make: (layers, dtype) => new GrowableKvCache(layers, { dtype }),
  },
  {
    name: "static",
    keeps: EVERYTHING,
    capacity: 70,
    make: (layers, dtype) => new StaticKvCache(layers, { capacity: 70, dtype }),
  },
  windowed(7, 0, 3),
  windowed(5, 3, 4),
  windowed(1, 1, 1),
  windowed(12, 2, 1),
  {
    name: "paged",
    keeps: EVERYTHING,
    capacity: Infinity, // never reached: see kv_cache_paged_test.ts
    make: (layers, dtype) => new PagedKvCache(layers, { capacity: 1000, pageTokens: 5, dtype }),
  },
];

/** A generator of numbers that a seed determines (mulberry32). */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `low` to `high`. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
}

/** Sizes of what is appended. */
export interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly keySize: number;
  readonly valueSize: number;
}

/** Small ones; q8_0 needs whole blocks. */
export function sizesFor(dtype: KvCacheDType | undefined): Sizes {
  return dtype === "q8_0"
    ? { batch: 2, heads: 2, keySize: 32, valueSize: 64 }
    : { batch: 2, heads: 2, keySize: 3, valueSize: 2 };
}

/** Keys and values of one token, `[B, Hkv, D]` in order. */
export interface Token {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** A token of drawn numbers. */
export function drawToken(draws: Draws, { batch, heads, keySize, valueSize }: Sizes): Token {
  const fill = (size: number) => Float32Array.from({ length: batch * heads * size }, () => draws.next() * 4 - 2);
  return { keys: fill(keySize), values: fill(valueSize) };
}

/** What a cache makes of a token. */
export function stored({ keys, values }: Token, dtype: KvCacheDType | undefined): Token {
  return { keys: rounded(keys, dtype), values: rounded(values, dtype) };
}

function rounded(x: Float32Array, dtype: KvCacheDType | undefined): Float32Array {
  if (dtype === "q8_0") return dequantizeBlocks("q8_0", quantizeBlocks("q8_0", x));
  if (dtype === "bf16") return x.map((value) => bf16ToF32(f32ToBf16(value)));
  return dtype === "f16" ? x.map((value) => f16ToF32(f32ToF16(value))) : x;
}

/** Tokens as keys `[B, Hkv, T, D]` and values `[B, Hkv, T, Dv]`. */
export function tensorsOf(tokens: readonly Token[], sizes: Sizes, backend: Backend): { keys: Tensor; values: Tensor } {
  const { batch, heads, keySize, valueSize } = sizes;
  const make = (pick: (token: Token) => Float32Array, size: number) => {
    const data = new Float32Array(batch * heads * tokens.length * size);
    tokens.forEach((token, t) => {
      for (let row = 0; row < batch * heads; row++) {
        data.set(pick(token).subarray(row * size, (row + 1) * size), (row * tokens.length + t) * size);
      }
    });
    return tensor(data, { shape: [batch, heads, tokens.length, size], backend });
  };
  return { keys: make((t) => t.keys, keySize), values: make((t) => t.values, valueSize) };
}

/** Appends tokens to a layer; the caller disposes of the view. */
export function append(
  cache: KvCache,
  layer: number,
  tokens: readonly Token[],
  sizes: Sizes,
  backend: Backend,
): KeyValueView {
  const { keys, values } = tensorsOf(tokens, sizes, backend);
  try {
    return cache.append(layer, keys, values);
  } finally {
    keys.dispose();
    values.dispose();
  }
}

/** Lets go of a view. */
export function release(view: KeyValueView): void {
  for (const x of [view.keys, view.values, view.pageTable, view.keyPositions]) x?.dispose();
}

/** A token with its position. */
export interface Kept extends Token {
  readonly position: number;
}

/** What a view shows, through its page table and positions. */
export function read(view: KeyValueView, { batch, heads, keySize, valueSize }: Sizes): Kept[] {
  const floats = (x: Tensor) => {
    using wide = x.to("f32");
    return Float32Array.from(wide.dataSync());
  };
  const [keys, values] = [floats(view.keys), floats(view.values)];
  const table = view.pageTable?.dataSync();
  const slots = view.keys.shape[2]!;
  const pages = view.pageTable?.shape[1] ?? 0;
  const positions = view.keyPositions?.dataSync();
  const row = (data: Float32Array, size: number, s: number) => {
    const out = new Float32Array(batch * heads * size);
    for (let b = 0; b < batch; b++) {
      const [block, slot] = table === undefined ? [b, s] : [table[b * pages + Math.floor(s / slots)]!, s % slots];
      for (let h = 0; h < heads; h++) {
        const from = ((block * heads + h) * slots + slot) * size;
        out.set(data.subarray(from, from + size), (b * heads + h) * size);
      }
    }
    return out;
  };
  return Array.from({ length: view.keyCount }, (_, s) => ({
    position: positions?.[s] ?? s,
    keys: row(keys, keySize, s),
    values: row(values, valueSize, s),
  }));
}

/** One layer of the model. */
export class ModelLayer {
  readonly #keeps: Keeps;
  length = 0;
  kept: Kept[] = [];

  constructor(keeps: Keeps) {
    this.#keeps = keeps;
  }

  /** Forgets blocks that no query to come can see, then takes tokens. */
  append(tokens: readonly Token[]): void {
    const { window, sinkTokens, blockTokens } = this.#keeps;
    for (;;) {
      const last = this.kept[sinkTokens + blockTokens - 1];
      if (last === undefined || last.position > this.length - window) break;
      this.kept.splice(sinkTokens, blockTokens);
    }
    tokens.forEach((token, i) => this.kept.push({ ...token, position: this.length + i }));
    this.length += tokens.length;
  }

  /** Whether all that a query at position `length` sees is there. */
  reaches(length: number): boolean {
    const { window, sinkTokens } = this.#keeps;
    const there = new Set(this.kept.map((token) => token.position));
    for (let p = 0; p < length; p++) if ((p < sinkTokens || p > length - window) && !there.has(p)) return false;
    return true;
  }

  truncate(length: number): void {
    this.kept = this.kept.filter((token) => token.position < length);
    this.length = length;
  }

  copy(): ModelLayer {
    const copy = new ModelLayer(this.#keeps);
    copy.length = this.length;
    copy.kept = [...this.kept];
    return copy;
  }
}

/** Checks a view against the model. */
export function assertHolds(view: KeyValueView, layer: ModelLayer, keeps: Keeps, sizes: Sizes, message: string): void {
  const got = read(view, sizes);
  assertEquals(got.map((token) => token.position), layer.kept.map((token) => token.position), message);
  got.forEach((token, s) => {
    assertEquals(token.keys, layer.kept[s]!.keys, `${message}: keys at ${token.position}`);
    assertEquals(token.values, layer.kept[s]!.values, `${message}: values at ${token.position}`);
  });
  assertEquals(view.tokens, layer.length, message);
  const window = keeps.window === Infinity ? undefined : { left: keeps.window - 1, sinkTokens: keeps.sinkTokens };
  assertEquals(view.window, window, message);
  assert(layer.kept.length === layer.length || view.keyPositions !== undefined, message);
}
