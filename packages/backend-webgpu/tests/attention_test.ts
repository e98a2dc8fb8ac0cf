import { assert, assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type AttentionOptions,
  type Backend,
  type DType,
  full,
  ones,
  randn,
  scaledDotProductAttention,
  StaticKvCache,
  type Tensor,
  tensor,
  tidy,
} from "../../core/mod.ts";
import type { AttentionAttrs } from "../../core/src/backend.ts";
import { createWebGpuBackend, type WebGpuBackend } from "../mod.ts";
import type { Gpu } from "../src/gpu.ts";
import { attention } from "../src/kernels/attention/attention.ts";
import { limitedDevice, poisoned, testGpu } from "./operands.ts";
import { anyAdapter, softwareBackend } from "./software_backend.ts";

/** Software that says it is hardware, and so gets the kernels that GPUs get. */
async function hardwareBackend(workgroupBytes?: number): Promise<WebGpuBackend & Disposable> {
  const real = await anyAdapter();
  const requestDevice = (descriptor: GPUDeviceDescriptor) => real.requestDevice(descriptor);
  const info = { vendor: "", architecture: "", device: "", description: "pretended hardware" };
  const limits = new Proxy(real.limits, {
    get: (own, name) =>
      name === "maxComputeWorkgroupStorageSize" && workgroupBytes !== undefined
        ? workgroupBytes
        : Reflect.get(own, name, own),
  });
  const adapter = { requestDevice, features: real.features, limits, info } as unknown as GPUAdapter;
  const backend = await createWebGpuBackend({ adapter });
  return Object.assign(backend, { [Symbol.dispose]: () => backend.dispose() });
}

const ADAPTERS = {
  software: softwareBackend,
  hardware: hardwareBackend,
  "hardware of 16 KiB": () => hardwareBackend(16384), // what all devices have
};

/** Sizes `[H, Hkv, T, S, D, Dv]` that take each kernel through whole and cut tiles, one part of the keys and many. */
interface Case {
  readonly name: string;
  readonly sizes: readonly [number, number, number, number, number, number];
  readonly dtype?: DType;
  readonly options?: AttentionOptions;
}

const CASES: readonly Case[] = [
  { name: "prefill", sizes: [9, 3, 70, 70, 32, 32], options: { causal: "lower-right" } },
  { name: "lines of more than a slice", sizes: [2, 2, 33, 45, 80, 136], options: { causal: "lower-right" } },
  { name: "a window", sizes: [4, 1, 50, 120, 32, 32], options: { window: { left: 20, right: 3 } } },
  { name: "first tokens kept", sizes: [2, 1, 40, 130, 16, 16], options: { window: { left: 9, sinkTokens: 3 } } },
  { name: "a token", sizes: [9, 3, 1, 200, 32, 32] },
  { name: "a token, seven heads a group", sizes: [7, 1, 1, 77, 40, 24] },
  { name: "a token, large heads", sizes: [2, 1, 1, 100, 256, 128] },
  { name: "large heads", sizes: [2, 1, 12, 40, 256, 128] },
  { name: "heads too large for tiles", sizes: [2, 1, 3, 20, 320, 300] },
  { name: "a few tokens", sizes: [4, 2, 4, 90, 16, 16], options: { causal: "lower-right", softcap: 3 } },
  { name: "elements singly", sizes: [2, 1, 20, 33, 6, 7], options: { causal: "upper-left" } },
  { name: "halves", sizes: [6, 2, 12, 50, 32, 32], dtype: "f16" },
  { name: "brain halves, a token", sizes: [6, 2, 1, 50, 32, 32], dtype: "bf16" },
  { name: "blocks", sizes: [2, 1, 30, 41, 32, 32], dtype: "q8_0" },
  { name: "one key", sizes: [3, 1, 1, 1, 8, 8] },
];

/** The difference of the two backends' outputs, as the largest of any element. */
async function difference(backend: WebGpuBackend, { sizes, dtype = "f32", options = {} }: Case): Promise<number> {
  const scalar = createScalarBackend();
  const [heads, keyHeads, times, keys, size, valueSize] = sizes;
  using query = randn([2, heads, times, size], { seed: 1, backend: scalar });
  using wideKey = randn([2, keyHeads, keys, size], { seed: 2, backend: scalar });
  using wideValue = randn([2, keyHeads, keys, valueSize], { seed: 3, backend: scalar });
  using key = wideKey.to(dtype);
  using value = wideValue.to(dtype);
  const operands = await Promise.all([query, key, value].map((x) => x.to(backend))) as [Tensor, Tensor, Tensor]; // as many
  using want = scaledDotProductAttention(query, key, value, options);
  using got = scaledDotProductAttention(...operands, options);
  operands.forEach((x) => x.dispose());
  const [ours, theirs] = [await got.data(), await want.data()];
  return Math.max(...Array.from(ours, (x, i) => Math.abs(Number(x) - Number(theirs[i]))));
}

/** What the kernel is asked: query `[B, Hkv, 1, T, D]`, and 3 keys. */
function asked(gpu: Gpu, [batch, heads, times, size]: readonly [number, number, number, number]) {
  const attrs: AttentionAttrs = {
    ...{ extras: [], offset: 0, left: Infinity, right: Infinity, sinkTokens: 0 },
    ...{ scale: 1, softcap: 0, dropout: undefined, keyCount: 3 },
  };
  const [query, key] = [poisoned(gpu, [batch, heads, 1, times, size]), poisoned(gpu, [batch, heads, 3, size])];
  return { inputs: [query, key, key], out: poisoned(gpu, query.shape), attrs };
}

Deno.test("a GPU gets its own kernels in 16 KiB of workgroup memory", async () => {
  const device = await limitedDevice({ maxComputeWorkgroupStorageSize: 16384 });
  using gpu = await testGpu({ device, software: false });
  const labels: string[] = [];
  Object.assign(gpu, { run: ({ label }: { readonly label: string }) => labels.push(label) });
  for (const size of [32, 64, 128, 256]) {
    for (const [times, variant] of [[1, "few_rows"], [40, "tile"]] as const) {
      const { inputs, out, attrs } = asked(gpu, [1, 2, times, size]);
      labels.length = 0;
      attention(gpu).run(inputs, [out], attrs);
      assertEquals(labels[0], `attention_${variant}_f32`, `D ${size}, T ${times}`);
    }
  }
});

Deno.test("more batch rows, heads or queries than a grid has room for are left to the composition", async () => {
  const device = await limitedDevice({ maxComputeWorkgroupsPerDimension: 64 });
  for (const software of [true, false]) {
    using gpu = await testGpu({ device, software });
    for (const shape of [[64, 1, 2048, 4], [1, 64, 1, 4], [65, 1, 1, 4], [1, 65, 1, 4], [1, 1, 2049, 4]] as const) {
      const { inputs, attrs } = asked(gpu, shape);
      const fits = shape.every((size) => size <= 64 || size === 2048);
      assertEquals(attention(gpu).supports!(inputs, attrs), fits, `${shape}`);
    }
  }
  using backend = await softwareBackend();
  using query = ones([65_536, 1, 1, 4], { backend });
  using output = scaledDotProductAttention(query, query, query);
  assert((await output.data()).every((x) => x === 1));
});

for (const [adapter, make] of Object.entries(ADAPTERS)) {
  Deno.test(`attention as the scalar backend has it, by the kernels for ${adapter}`, async () => {
    using backend = await make();
    for (const shape of CASES) {
      const error = await difference(backend, shape);
      assert(error < 3e-6, `${shape.name}, seeds 1, 2, 3: differs by ${error}`);
    }
  });

  Deno.test(`what is hidden from all rows may be NaN, in the kernels for ${adapter}`, async () => {
    using backend = await make();
    for (const times of [1, 40]) {
      using query = randn([1, 2, times, 16], { seed: 4, backend });
      using key = full([1, 1, 50, 16], NaN, { backend });
      using shown = key.narrow(2, 0, 20);
      shown.fill_(0.5);
      using keyLengths = tensor([20], { dtype: "i32", backend });
      using output = scaledDotProductAttention(query, key, key, { keyLengths });
      assert((await output.data()).every((x) => Math.abs(Number(x) - 0.5) < 1e-6), `${times} queries`);
    }
  });

  Deno.test(`what is hidden from some rows may be NaN or infinite, in the kernels for ${adapter}`, async () => {
    using backend = await make();
    for (const [times, keys] of [[1, 40], [3, 7], [5, 5], [12, 12], [33, 90], [40, 40]] as const) {
      for (const [at, spoiler] of [[keys - 1, NaN], [keys - Math.ceil(times / 2), Infinity]] as const) {
        const run = async (where: Backend): Promise<number[]> => {
          using query = randn([1, 2, times, 16], { seed: 5, backend: where });
          using key = randn([1, 1, keys, 16], { seed: 6, backend: where });
          using value = randn([1, 1, keys, 16], { seed: 7, backend: where });
          using spoilt = value.narrow(2, at, 1);
          spoilt.fill_(spoiler);
          using mask = full([1, 2, 1, keys], 1, { dtype: "bool", backend: where });
          using hidden = mask.narrow(1, 1, 1);
          using cell = hidden.narrow(3, at, 1);
          cell.fill_(0); // from the second head, whose rows are among those of the first
          const options: AttentionOptions = times === 1 ? { mask } : { causal: "lower-right" };
          using output = scaledDotProductAttention(query, key, value, options);
          return Array.from(await output.data(), Number);
        };
        const [want, got] = [await run(createScalarBackend()), await run(backend)];
        const whole = want.filter(Number.isFinite).length;
        assert(whole > 0 && whole < want.length, "some rows see it and some do not");
        const wrong = got.findIndex((x, i) => !Object.is(x, want[i]) && !(Math.abs(x - want[i]!) < 3e-6));
        assertEquals(wrong, -1, `${times} queries, ${keys} keys, ${spoiler} at ${at}, seeds 5, 6, 7`);
      }
    }
  });

  Deno.test(`lengths may be any i32, in the kernels for ${adapter}`, async () => {
    using backend = await make();
    const calls: readonly AttentionOptions[] = [
      {},
      { causal: "lower-right" },
      { causal: "upper-left", window: { left: 1 } },
      { window: { left: 3 } },
    ];
    for (const times of [1, 12]) {
      for (const length of [2 ** 31 - 1, 2 ** 30, 21, 0, -5, -(2 ** 31)]) {
        for (const options of calls) {
          const run = async (where: Backend): Promise<number[]> => {
            using query = randn([1, 2, times, 16], { seed: 8, backend: where });
            using key = randn([1, 1, 20, 16], { seed: 9, backend: where });
            using keyLengths = tensor([length], { dtype: "i32", backend: where });
            using output = scaledDotProductAttention(query, key, key, { ...options, keyLengths });
            return Array.from(await output.data(), Number);
          };
          const [want, got] = [await run(createScalarBackend()), await run(backend)];
          const wrong = got.findIndex((x, i) => !(Math.abs(x - want[i]!) < 3e-6));
          assertEquals(wrong, -1, `${times} queries, length ${length}, ${JSON.stringify(options)}, seeds 8, 9`);
        }
      }
    }
  });

  Deno.test(`a decode step after the first creates nothing on the device, with the kernels for ${adapter}`, async () => {
    using backend = await make();
    using cache = new StaticKvCache(2, { capacity: 80 });
    const step = async (seed: number) => {
      using output = tidy(() => {
        let x = randn([1, 6, 1, 32], { seed, backend });
        for (const layer of [0, 1]) {
          const token = x.narrow(1, 0, 2);
          x = scaledDotProductAttention(x, cache.append(layer, token, token), { causal: "lower-right" });
        }
        return x;
      });
      return await output.data();
    };
    await step(0);
    const before = { ...backend.created };
    for (let i = 1; i < 80; i++) await step(i);
    assertEquals(backend.created, before);
  });
}
