/** A window asked for, and the window a cache promises: a key counts when neither hides it, however tokens came. */
import { assertEquals, assertLess } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  attention,
  mods,
  randn,
  scaledDotProductAttention,
  SlidingWindowKvCache,
  type Tensor,
  tidy,
  where,
} from "../mod.ts";

const backend = createScalarBackend();

/** Numbers in [0, n) from a seed. */
function dice(seed: number): (n: number) => number {
  let state = seed * 7919 + 1;
  return (n) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (state >>> 8) % n;
  };
}

for (let seed = 0; seed < 40; seed++) {
  Deno.test(`a cache's window and an option's are intersected, seed ${seed}`, () => {
    const roll = dice(seed);
    const [tokens, window, sinkTokens] = [4 + roll(20), 1 + roll(6), roll(4)];
    const asked = { left: roll(8), sinkTokens: roll(4) };
    const draw = (i: number): Tensor => randn([1, 2, tokens, 4], { seed: 10 * seed + i, backend });
    using query = draw(0);
    using key = draw(1);
    using value = draw(2);
    using want = tidy(() => {
      const band = (left: number, sinks: number) =>
        mods.orMasks((_b, _h, t, s) => s.ge(t.sub(left)), (_b, _h, _t, s) => s.lt(sinks));
      const maskMod = mods.andMasks(mods.causal, band(window - 1, sinkTokens), band(asked.left, asked.sinkTokens));
      return scaledDotProductAttention(query, key, value, { maskMod });
    });
    using cache = new SlidingWindowKvCache(1, { window, sinkTokens, blockTokens: 1 + roll(window) });
    for (let start = 0; start < tokens;) {
      const count = Math.min(1 + roll(5), tokens - start);
      tidy(() => {
        const rows = (x: Tensor): Tensor => x.narrow(2, start, count);
        const view = cache.append(0, rows(key), rows(value));
        const options = { causal: "lower-right", window: asked } as const;
        const got = scaledDotProductAttention(rows(query), view, options);
        const composed = attention(rows(query), view, { ...options, returns: { weights: true } }).output;
        for (const output of [got, composed]) {
          assertLess(output.sub(rows(want)).abs().amax().dataSync()[0]!, 1e-5, `seed ${seed}, from ${start}`);
        }
      });
      start += count;
    }
  });
}

Deno.test("what no query may attend to may be NaN: outputs, weights, functions and gradients", () => {
  const before = backend.memory.liveStorages;
  tidy(() => {
    const [query, clean, value] = [0, 1, 2].map((i) => randn([2, 2, 5, 4], { seed: i, backend })) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const hidden = clean.slice(2, 0, 1).isnan().logicalNot().expand(clean.shape).clone();
    hidden.narrow(2, 0, 4).fill_(0); // the last key of each row
    const [key, dirty] = [where(hidden, NaN, clean), where(hidden, NaN, value)];
    const mask = hidden.narrow(3, 0, 1).transpose(2, 3).logicalNot(); // [2, 2, 1, 5]
    const additive = where(mask, query.narrow(2, 0, 1).narrow(3, 0, 1).mul(0), -Infinity);
    for (const options of [{ mask }, { mask: additive }, { maskMod: () => mask }]) {
      const run = (k: Tensor, v: Tensor) => {
        const q = query.clone().requiresGrad_();
        const output = scaledDotProductAttention(q, k, v, options);
        output.square().sum().backward();
        const { weights } = attention(query, k, v, { ...options, returns: { weights: true } });
        const bent = scaledDotProductAttention(query, k, v, { ...options, scoreMod: (score) => score.mul(2) });
        return [output, weights, bent, q.grad!].map((x) => [...x.dataSync()]);
      };
      assertEquals(run(key, dirty), run(clean, value));
    }
  });
  assertEquals(backend.memory.liveStorages, before);
});
