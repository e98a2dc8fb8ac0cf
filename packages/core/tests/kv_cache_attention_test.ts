/** Attention through every form of cache: any split into chunks gives what one pass over all keys and values does. */
import { assert, assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type AttentionOptions,
  type KvCache,
  type KvCacheDType,
  PagedKvCache,
  randn,
  scaledDotProductAttention,
  SlidingWindowKvCache,
  type Tensor,
  tidy,
  trace,
} from "../mod.ts";
import {
  append,
  Draws,
  drawToken,
  DTYPES,
  type Form,
  FORMS,
  release,
  type Sizes,
  stored,
  tensorsOf,
  type Token,
} from "./kv_cache_model.ts";

const backend = createScalarBackend();

/** A drawn sequence: queries `[B, H, S, D]`, and the tokens they attend to. */
interface Sequence {
  readonly sizes: Sizes;
  readonly tokens: readonly Token[];
  readonly query: Tensor;
  readonly options: AttentionOptions;
}

function drawSequence(draws: Draws, dtype: KvCacheDType): Sequence {
  const block = dtype === "q8_0" ? 32 : 1;
  const sizes = {
    batch: draws.int(1, 2),
    heads: draws.int(1, 3),
    keySize: block * draws.int(1, block === 1 ? 9 : 2),
    valueSize: block * draws.int(1, block === 1 ? 9 : 2),
  };
  const tokens = Array.from({ length: draws.int(1, 50) }, () => drawToken(draws, sizes));
  const heads = sizes.heads * draws.int(1, 3);
  const query = randn([sizes.batch, heads, tokens.length, sizes.keySize], { seed: draws.int(0, 1e6), backend });
  const options = {
    causal: "lower-right" as const,
    softcap: draws.int(0, 1) === 0 ? undefined : 3,
    alibiSlopes: draws.int(0, 1) === 0 ? undefined : randn([heads], { seed: draws.int(0, 1e6), backend }),
    sinks: draws.int(0, 1) === 0 ? undefined : randn([heads], { seed: draws.int(0, 1e6), backend }),
  };
  return { sizes, tokens, query, options };
}

/** One pass over all keys and values, as the cache stores them. */
function inOnePass({ keeps }: Form, dtype: KvCacheDType, { sizes, tokens, query, options }: Sequence): Float32Array {
  const { keys, values } = tensorsOf(tokens.map((token) => stored(token, dtype)), sizes, backend);
  const { window, sinkTokens } = keeps;
  const seen = window === Infinity ? undefined : { left: window - 1, right: 0, sinkTokens };
  return values32(scaledDotProductAttention(query, keys, values, { ...options, window: seen }));
}

function values32(x: Tensor): Float32Array {
  return Float32Array.from(x.dataSync());
}

/** Feeds tokens from `start` on in chunks, and writes the outputs, `[B, H, S, Dv]`, where they belong. */
function inChunks(cache: KvCache, sequence: Sequence, start: number, cuts: readonly number[], out: Float32Array): void {
  const { sizes, tokens, query, options } = sequence;
  const [batch, heads, length] = query.shape as [number, number, number];
  let at = start;
  for (const count of cuts) {
    tidy(() => {
      const view = append(cache, 0, tokens.slice(at, at + count), sizes, backend);
      const chunk = values32(scaledDotProductAttention(query.narrow(2, at, count), view, options));
      const size = sizes.valueSize;
      for (let row = 0; row < batch * heads; row++) {
        out.set(chunk.subarray(row * count * size, (row + 1) * count * size), (row * length + at) * size);
      }
    });
    at += count;
  }
}

function drawCuts(draws: Draws, total: number): number[] {
  const cuts: number[] = [];
  for (let rest = total; rest > 0; rest -= cuts.at(-1)!) {
    cuts.push(Math.min(rest, draws.int(0, 2) === 0 ? draws.int(1, 30) : draws.int(1, 3)));
  }
  return cuts;
}

function assertClose(got: Float32Array, expected: Float32Array, message: string): void {
  assertEquals(got.length, expected.length, message);
  got.forEach((value, i) => {
    const far = Math.abs(value - expected[i]!) - 2e-5 * Math.abs(expected[i]!);
    assert(far <= 1e-5, `${message}: ${value} instead of ${expected[i]} at ${i}`);
  });
}

for (const form of FORMS) {
  for (const dtype of DTYPES) {
    Deno.test(`${form.name}, ${dtype}: chunks, detours and forks attend as one pass does`, () => {
      for (let seed = 0; seed < 8; seed++) {
        tidy(() => {
          const draws = new Draws(seed);
          const sequence = drawSequence(draws, dtype);
          const total = sequence.tokens.length;
          const expected = inOnePass(form, dtype, sequence);
          const message = `${form.name}, ${dtype}, seed ${seed}, ${total} tokens`;
          using cache = form.make(1, dtype);
          const out = new Float32Array(expected.length);
          const turn = draws.int(0, total);
          inChunks(cache, sequence, 0, drawCuts(draws, turn), out);
          using copy = cache.fork();
          inChunks(copy, sequence, turn, drawCuts(draws, total - turn), out);
          assertClose(out, expected, `${message}, fork at ${turn}`);
          if (turn < total) { // a token of the wrong sequence, taken back
            release(append(cache, 0, [drawToken(draws, sequence.sizes)], sequence.sizes, backend));
            cache.truncate(turn);
          }
          const size = sequence.sizes.valueSize;
          out.forEach((_, i) => out[i] = Math.floor(i / size) % total < turn ? out[i]! : NaN);
          inChunks(cache, sequence, turn, drawCuts(draws, total - turn), out);
          assertClose(out, expected, `${message}, detour at ${turn}`);
        });
      }
      assertEquals(backend.memory.liveStorages, 0);
    });
  }
}

Deno.test("nothing of the past is copied or dequantised to be attended to", () => {
  const sizes = { batch: 1, heads: 2, keySize: 32, valueSize: 32 };
  const draws = new Draws(0);
  using query = randn([1, 4, 1, 32], { seed: 0, backend });
  for (const form of FORMS) {
    for (const dtype of DTYPES) {
      using cache = form.make(1, dtype);
      release(append(cache, 0, Array.from({ length: 40 }, () => drawToken(draws, sizes)), sizes, backend));
      release(append(cache, 0, [drawToken(draws, sizes)], sizes, backend)); // evicts, where it does
      const view = append(cache, 0, [drawToken(draws, sizes)], sizes, backend);
      const { result, calls } = trace(() => scaledDotProductAttention(query, view, { causal: "lower-right" }));
      assertEquals(calls.map((call) => call.kernel), ["attention"], `${form.name}, ${dtype}`);
      assertEquals(calls[0]!.copied, [], `${form.name}, ${dtype}`);
      assertEquals(calls[0]!.inputs[1]!.startsWith(`${dtype} [`), true, `${form.name}, ${dtype}`);
      result.dispose();
      release(view);
    }
  }
});

Deno.test("forks of a paged cache attend to the beginning they share", () => {
  const sizes = { batch: 1, heads: 1, keySize: 4, valueSize: 4 };
  const draws = new Draws(2);
  const draw = (count: number) => Array.from({ length: count }, () => drawToken(draws, sizes));
  using cache = new PagedKvCache(1, { capacity: 40, pageTokens: 4 });
  using query = randn([1, 1, 1, 4], { seed: 1, backend });
  const prefix = draw(10);
  release(append(cache, 0, prefix, sizes, backend));
  for (let i = 0; i < 3; i++) {
    tidy(() => {
      using copy = cache.fork();
      const own = draw(3);
      const view = append(copy, 0, own, sizes, backend);
      const { keys, values } = tensorsOf([...prefix, ...own], sizes, backend);
      const got = values32(scaledDotProductAttention(query, view));
      assertClose(got, values32(scaledDotProductAttention(query, keys, values)), `fork ${i}`);
    });
  }
});

Deno.test("a window's outputs do not depend on the size of blocks", () => {
  const sizes = { batch: 1, heads: 1, keySize: 4, valueSize: 4 };
  const draws = new Draws(4);
  const tokens = Array.from({ length: 30 }, () => drawToken(draws, sizes));
  using query = randn([1, 2, 30, 4], { seed: 3, backend });
  const outputs = [1, 2, 5, 100].map((blockTokens) => {
    using cache = new SlidingWindowKvCache(1, { window: 6, sinkTokens: 2, blockTokens });
    const out = new Float32Array(2 * 30 * 4);
    const cuts = Array<number>(30).fill(1);
    inChunks(cache, { sizes, tokens, query, options: { causal: "lower-right" } }, 0, cuts, out);
    return out;
  });
  for (const out of outputs) assertClose(out, outputs[0]!, "another size of blocks");
});
