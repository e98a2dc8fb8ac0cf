import { assert, assertEquals } from "@std/assert";
import { ones } from "../../core/mod.ts";
import type { DType } from "../../core/src/dtype.ts";
import type { Gpu } from "../src/gpu.ts";
import { multiply } from "../src/kernels/matmul/matmul.ts";
import { suit, suitedTo } from "../src/kernels/matmul/suited.ts";
import { tuneMatmul } from "../src/kernels/matmul/tuner.ts";
import { type VariantName, VARIANTS } from "../src/kernels/matmul/variants.ts";
import { type Filled, filled, type Lie, limitedDevice, poisoned, read, testGpu } from "./operands.ts";
import { softwareBackend } from "./software_backend.ts";

const NAMES = Object.keys(VARIANTS) as VariantName[]; // keys of a literal

/** The product in f64, for a batch of one dim or none. */
function expected(a: Filled, b: Filled): { products: Float64Array; sizes: Float64Array } {
  const [m, k] = a.operand.shape.slice(-2) as [number, number];
  const [batch, n] = [a.operand.shape.length > 2 ? a.operand.shape[0]! : 1, b.operand.shape.at(-1)!];
  const at = ({ operand: { strides, offset } }: Filled, l: number, row: number, column: number): number =>
    offset + (batch > 1 ? l * strides[0]! : 0) + row * strides.at(-2)! + column * strides.at(-1)!;
  const [products, sizes] = [new Float64Array(batch * m * n), new Float64Array(batch * m * n)];
  for (let i = 0; i < products.length; i++) {
    const [l, row, column] = [Math.floor(i / (m * n)), Math.floor(i / n) % m, i % n];
    for (let j = 0; j < k; j++) {
      const product = a.values[at(a, l, row, j)]! * b.values[at(b, l, j, column)]!;
      products[i]! += product;
      sizes[i]! += Math.abs(product);
    }
  }
  return { products, sizes };
}

async function check(gpu: Gpu, a: Filled, b: Filled, variant: VariantName | undefined, what: string): Promise<void> {
  const shape = [...a.operand.shape.slice(0, -1), b.operand.shape.at(-1)!];
  const out = poisoned(gpu, shape);
  multiply(gpu, a.operand, b.operand, out, variant);
  const got = await read(gpu, out);
  const { products, sizes } = expected(a, b);
  products.forEach((want, i) => {
    const error = Math.abs(got[i]! - want);
    assert(error <= 2e-6 * sizes[i]! + 1e-30, `${what}, element ${i} is ${got[i]}, want ${want}`);
  });
  for (const { operand: { buffer } } of [a, b]) gpu.pool.free(buffer);
  gpu.pool.free(out.buffer);
}

/** Operands as they may lie; M, N, K are no multiples of any tile. */
const LIES: Readonly<Record<string, readonly [a: Lie, b: Lie]>> = {
  "rows by a transposed weight": [
    { shape: [70, 36], strides: [36, 1] },
    { shape: [36, 67], strides: [1, 36] },
  ],
  "rows with gaps by rows": [
    { shape: [9, 36], strides: [40, 1], offset: 8 },
    { shape: [36, 68], strides: [68, 1], offset: 4 },
  ],
  "columns by a transposed weight with gaps": [
    { shape: [12, 20], strides: [1, 16] },
    { shape: [20, 5], strides: [1, 24] },
  ],
  "a row by a transposed weight": [
    { shape: [1, 132], strides: [132, 1] },
    { shape: [132, 35], strides: [1, 132] },
  ],
  "few rows by a transposed weight": [
    { shape: [3, 132], strides: [132, 1] },
    { shape: [132, 35], strides: [1, 132] },
  ],
  "odd sizes and places": [
    { shape: [7, 35], strides: [37, 1], offset: 3 },
    { shape: [35, 33], strides: [33, 1], offset: 1 },
  ],
  "any strides": [
    { shape: [5, 12], strides: [26, 2] },
    { shape: [12, 9], strides: [3, 41] },
  ],
  "a batch by one weight for all": [
    { shape: [3, 6, 24], strides: [144, 24, 1] },
    { shape: [3, 24, 10], strides: [0, 1, 24] },
  ],
  "a batch that shares its rows": [
    { shape: [2, 6, 24], strides: [0, 24, 1] },
    { shape: [2, 24, 12], strides: [288, 12, 1] },
  ],
};

/** Whether a variant reads operands like these: `vector` takes few rows, together along K. */
function takes(variant: VariantName, [a, b]: readonly [Lie, Lie]): boolean {
  const { kernel } = VARIANTS[variant];
  if (kernel === "vector") return a.shape.at(-2)! <= 4 && b.strides.at(-2) === 1 && a.strides.at(-1) === 1;
  return true;
}

for (const variant of NAMES) {
  Deno.test(`matmul ${variant} is right however its operands lie`, async () => {
    using gpu = await testGpu();
    for (const [name, lies] of Object.entries(LIES)) {
      if (!takes(variant, lies)) continue;
      await check(gpu, filled(gpu, "f32", lies[0], 1), filled(gpu, "f32", lies[1], 2), variant, `${variant}, ${name}`);
    }
  });
}

Deno.test("matmul reads halves, and the device's own f16 where it has it", async () => {
  for (const features of [[], ["shader-f16"]]) {
    using gpu = await testGpu({ features });
    const weight = [{ shape: [3, 40], strides: [40, 1] }, { shape: [40, 9], strides: [1, 40] }] as const;
    const rows = [{ shape: [3, 40], strides: [40, 1] }, { shape: [40, 12], strides: [12, 1] }] as const;
    const odd = [{ shape: [3, 41], strides: [41, 1] }, { shape: [41, 9], strides: [1, 41] }] as const;
    for (const [left, right] of [["f32", "f16"], ["f32", "bf16"], ["f16", "f16"], ["bf16", "f32"]] as const) {
      for (const [variant, [a, b]] of [["vector_16", weight], ["registers_4", rows], ["naive", odd]] as const) {
        const what = `${variant}, ${left} by ${right}, features ${features.join()}`;
        await check(gpu, filled(gpu, left, a, 3), filled(gpu, right, b, 4), variant, what);
      }
    }
  }
});

Deno.test("the smallest f16 and bf16 count", async () => {
  using gpu = await testGpu({ features: [] });
  for (
    const [dtype, bits, want] of [["f16", 1, 2 ** -24], ["f16", 0x8201, -513 * 2 ** -24], ["bf16", 0x0100, 2 ** -125]]
  ) {
    const a = filled(gpu, "f32", { shape: [1, 4], strides: [4, 1] }, 5);
    const b = filled(gpu, dtype as DType, { shape: [4, 8], strides: [1, 4] }, 6);
    gpu.device.queue.writeBuffer(gpu.pool.forKernel(b.operand.buffer).gpu, 0, new Uint16Array(32).fill(Number(bits)));
    gpu.device.queue.writeBuffer(gpu.pool.forKernel(a.operand.buffer).gpu, 0, Float32Array.of(1, 0, 0, 0));
    for (const variant of ["naive", "registers_4", "vector_16"] as const) {
      const out = poisoned(gpu, [1, 8]);
      multiply(gpu, a.operand, b.operand, out, variant);
      assertEquals(await read(gpu, out), new Float32Array(8).fill(Number(want)), `${variant} ${dtype} ${bits}`);
    }
  }
});

const BLOCKS = [
  ...["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"],
  ...["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"],
] as DType[];

for (const dtype of BLOCKS) {
  Deno.test(`matmul reads ${dtype} along K and along N, as it lies and packed`, async () => {
    using gpu = await testGpu();
    for (const frozen of [false, true]) {
      const weight = { shape: [768, 5], strides: [1, 768] };
      const rows = { shape: [12, 512], strides: [512, 1] };
      for (
        const [variant, m, b] of [["vector_16", 2, weight], ["tiled_32", 5, weight], ["registers_4", 3, rows]] as const
      ) {
        const k = b.shape[0]!;
        const left = filled(gpu, "f32", { shape: [m, k], strides: [k, 1] }, 7);
        const what = `${variant}, ${dtype} ${frozen ? "frozen" : ""}`;
        await check(gpu, left, filled(gpu, dtype, b, 8, { frozen }), variant, what);
      }
    }
  });
}

Deno.test("matmul chooses by rows, size and device, and all choices are right", async () => {
  for (const software of [true, false]) {
    using gpu = await testGpu({ software });
    for (const m of [1, 4, 5, 40]) {
      const a = filled(gpu, "f32", { shape: [m, 256], strides: [256, 1] }, 9);
      const b = filled(gpu, "f32", { shape: [256, 300], strides: [1, 256] }, 10);
      await check(gpu, a, b, undefined, `${m} rows, software ${software}`);
    }
  }
});

Deno.test("a batch beyond a grid's dims is multiplied to its end", async () => {
  using gpu = await testGpu({ device: await limitedDevice({ maxComputeWorkgroupsPerDimension: 64 }) });
  const batch = 67;
  for (const [m, k] of [[1, 520], [5, 520]] as const) {
    const a = filled(gpu, "f32", { shape: [batch, m, k], strides: [4, 4 * k, 1] }, 11);
    const b = filled(gpu, "f32", { shape: [batch, k, 1], strides: [0, 1, 4 * k] }, 12);
    const out = poisoned(gpu, [batch, m, 1]);
    multiply(gpu, a.operand, b.operand, out);
    const got = (await read(gpu, out)).slice(-m);
    const last = { ...a, operand: { ...a.operand, shape: [m, k], strides: [4 * k, 1], offset: 4 * (batch - 1) } };
    const { products, sizes } = expected(last, { ...b, operand: { ...b.operand, shape: [k, 1], strides: [1, 4 * k] } });
    products.forEach((want, i) =>
      assert(Math.abs(got[i]! - want) <= 2e-6 * sizes[i]!, `${m}x${k}: ${got[i]}, want ${want}`)
    );
  }
});

Deno.test("columns and rows beyond a grid's dims are multiplied to their end, whatever suits the device", async () => {
  for (const variant of NAMES) {
    using gpu = await testGpu({ device: await limitedDevice({ maxComputeWorkgroupsPerDimension: 72 }) });
    suit(gpu.acquired, { few: variant, many: variant, small: variant });
    for (const [m, k, n] of [[3, 132, 4700], [1200, 132, 5], [5, 132, 4700]] as const) {
      if (VARIANTS[variant].kernel === "vector" && m > 4) continue; // those are for few rows
      const a = filled(gpu, "f32", { shape: [m, k], strides: [k, 1] }, 13);
      const b = filled(gpu, "f32", { shape: [k, n], strides: [1, k] }, 14);
      await check(gpu, a, b, undefined, `${variant}, ${m} x ${k} x ${n}`);
    }
  }
});

Deno.test("variants that the device refuses are not measured", async () => {
  const { acquired } = await testGpu({ features: [] });
  const adapterName = "one that says it has subgroups";
  const { few } = await tuneMatmul({ ...acquired, adapterName, features: new Set(["subgroups"]) });
  assert(!["vector_32x1", "vector_64x1"].includes(few), few); // the two that sum by subgroups
  acquired.device.destroy();
});

Deno.test("what was measured is used, remembered for the adapter, and only where it was asked for", async () => {
  const fresh = await testGpu();
  const suited = await tuneMatmul(fresh.acquired);
  assertEquals(suitedTo(fresh.acquired), suited);
  for (const name of Object.values(suited)) assert(name in VARIANTS);
  using other = await testGpu();
  assertEquals(suitedTo(other.acquired), { few: "registers_4", many: "registers_16", small: "registers_8" });
  assert(await tuneMatmul(other.acquired) === suited);
  fresh.device.destroy();
  using backend = await softwareBackend({ tuneMatmul: true });
  using x = ones([8, 64], { backend });
  assertEquals((await x.matmul(x.transpose(0, 1)).data())[63], 64);
});
