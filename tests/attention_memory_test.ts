/** Attention of long sequences holds no [T, S] matrix, forward or backward. */
import { assertEquals, assertLess } from "@std/assert";
import { createBackend, gradients, randn, scaledDotProductAttention, type Tensor, tidy } from "../packages/heed/mod.ts";

const MIB = 2 ** 20;
const D = 64;

/** Operands of one head. */
async function operands(length: number, keys: number): Promise<Tensor[]> {
  const backend = await createBackend("scalar");
  return [length, keys, keys].map((count, i) => randn([1, 1, count, D], { seed: i, backend }));
}

/** One output row by its definition, in doubles. */
function rowOf(query: Float32Array, key: Float32Array, value: Float32Array, t: number, keys: number): Float64Array {
  const scores = Float64Array.from({ length: keys }, (_, s) => {
    let dot = 0;
    for (let d = 0; d < D; d++) dot += query[t * D + d]! * key[s * D + d]!;
    return dot / Math.sqrt(D);
  });
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const powers = scores.map((x) => Math.exp(x - highest));
  const sum = powers.reduce((a, b) => a + b);
  return Float64Array.from({ length: D }, (_, d) => powers.reduce((x, p, s) => x + p * value[s * D + d]!, 0) / sum);
}

Deno.test("attention at T = S = 8192, D = 64 takes less than 16 MiB beyond inputs and output", async () => {
  const n = 8192;
  const [query, key, value] = await operands(n, n) as [Tensor, Tensor, Tensor]; // three counts
  const { memory } = query.backend;
  const floats = await Promise.all([query, key, value].map((x) => x.data())) as Float32Array[]; // all are f32
  for (const causal of [undefined, "upper-left"] as const) {
    const before = memory.peakBytes = memory.liveBytes;
    const rssBefore = Deno.memoryUsage().rss;
    using output = scaledDotProductAttention(query, key, value, { causal });
    const outputBytes = n * D * 4;
    assertLess(memory.peakBytes - before - outputBytes, 16 * MIB);
    assertLess(Deno.memoryUsage().rss - rssBefore, 64 * MIB); // a [T, S] matrix of f32 would be 256
    const got = await output.data();
    for (const t of [0, 1, 4097, n - 1]) {
      const want = rowOf(floats[0]!, floats[1]!, floats[2]!, t, causal === undefined ? n : t + 1);
      for (let d = 0; d < D; d++) assertLess(Math.abs(got[t * D + d]! - want[d]!), 1e-5, `row ${t}, ${d}`);
    }
  }
  for (const x of [query, key, value]) x.dispose();
});

Deno.test("attention's gradient at T = 1024, S = 8192 takes less than 16 MiB beyond inputs and gradients", async () => {
  const [length, keys] = [1024, 8192]; // the scores alone would be 32 MiB
  const inputs = await operands(length, keys);
  const { memory } = inputs[0]!.backend;
  for (const x of inputs) x.requiresGrad_();
  const before = memory.peakBytes = memory.liveBytes;
  const grads = tidy(() => {
    const [query, key, value] = inputs as [Tensor, Tensor, Tensor]; // three counts
    return gradients(scaledDotProductAttention(query, key, value, { causal: "lower-right" }).sum(), inputs);
  });
  const gradientBytes = (length + 2 * keys) * D * 4;
  assertLess(memory.peakBytes - before - gradientBytes, 16 * MIB);
  assertEquals(grads.map(({ shape }) => shape), inputs.map(({ shape }) => shape));
  for (const x of [...inputs, ...grads]) x.dispose();
});
