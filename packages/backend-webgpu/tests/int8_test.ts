/**
 * Products of block-quantised weights by int8 activations, beside what they should be to the last bits (rows rounded here, in
 * doubles) and beside exact products, with the bounds that the wasm backend's tests have:
 *
 *     each x is off by half a step, 1/254 of its block's largest: |error| <= Σ |w| step / 2, and as such errors are as
 *     often up as down, their squares sum up to less than 6e-5 of the products' own
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type DType, ShapeError, type Tensor, tensor, tensorFromPieces } from "../../core/mod.ts";
import { dtypeInfo } from "../../core/src/dtype.ts";
import { createWebGpuBackend, type WebGpuBackend, type WebGpuBackendOptions } from "../mod.ts";
import type { Gpu } from "../src/gpu.ts";
import { multiplyInt8, takesInt8 } from "../src/kernels/matmul/int8.ts";
import { type Filled, filled, type Lie, limitedDevice, poisoned, randomBytes, read, testGpu } from "./operands.ts";
import { softwareBackend } from "./software_backend.ts";

/** Formats, and how many elements share a scale. */
const BLOCKS = {
  ...{ q4_0: 32, q4_1: 32, q5_0: 32, q5_1: 32, q8_0: 32, iq4_nl: 32, q4_k: 32, q5_k: 32, iq4_xs: 32 },
  ...{ q2_k: 16, q3_k: 16, q6_k: 16 },
} as const satisfies Partial<Record<DType, number>>;
type Blocks = keyof typeof BLOCKS;
const NAMES = Object.keys(BLOCKS) as Blocks[]; // keys of a literal

/** A row as int8, as numbers again; how far each is from another rounding, where that is a matter of the last bits. */
interface Rounded {
  readonly values: Float64Array;
  readonly steps: Float64Array;
  readonly doubts: Float64Array;
}

/** d = max |x| / 127 of each block, x = d q. */
function rounded(row: Float32Array, block: number): Rounded {
  const { length } = row;
  const [values, steps, doubts] = [new Float64Array(length), new Float64Array(length), new Float64Array(length)];
  for (let from = 0; from < length; from += block) {
    const d = row.subarray(from, from + block).reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
    for (let i = from; i < from + block; i++) {
      const q = d === 0 ? 0 : Math.abs(row[i]!) / d;
      values[i] = Math.sign(row[i]!) * Math.floor(q + 0.5) * d;
      steps[i] = d;
      doubts[i] = Math.abs(q % 1 - 0.5) < 1e-4 ? d : 0;
    }
  }
  return { values, steps, doubts };
}

/** Where the elements of a row, or column, of a batch of one dim or none lie. */
function line({ values, operand: { shape, strides, offset } }: Filled, along: -1 | -2, l: number, i: number) {
  const from = offset + (shape.length > 2 ? l * strides[0]! : 0) + i * strides.at(-3 - along)!;
  return Float32Array.from({ length: shape.at(along)! }, (_, j) => values[from + j * strides.at(along)!]!);
}

async function check(gpu: Gpu, a: Filled, b: Filled, what: string): Promise<void> {
  const [m, n] = [a.operand.shape.at(-2)!, b.operand.shape.at(-1)!];
  const batch = a.operand.shape.length > 2 ? a.operand.shape[0]! : 1;
  const out = poisoned(gpu, [...a.operand.shape.slice(0, -1), n]);
  assert(takesInt8(a.operand, b.operand), what);
  multiplyInt8(gpu, a.operand, b.operand, out);
  const got = await read(gpu, out);
  let [errors, squares] = [0, 0];
  for (let l = 0; l < batch; l++) {
    const columns = Array.from({ length: n }, (_, j) => line(b, -2, l, j));
    for (let i = 0; i < m; i++) {
      const x = line(a, -1, l, i);
      const row = rounded(x, BLOCKS[b.operand.dtype as Blocks]); // the table's keys are all that is passed
      columns.forEach((w, j) => {
        let [want, exact, size, doubt, steps] = [0, 0, 0, 0, 0];
        for (let k = 0; k < w.length; k++) {
          want += row.values[k]! * w[k]!;
          exact += x[k]! * w[k]!;
          size += Math.abs(row.values[k]! * w[k]!);
          doubt += Math.abs(row.doubts[k]! * w[k]!);
          steps += Math.abs(row.steps[k]! * w[k]!) / 2;
        }
        const is = got[(l * m + i) * n + j]!;
        const told = `${what}: [${l}, ${i}, ${j}] is ${is}`;
        assert(Math.abs(is - want) <= 1e-5 * size + 1.01 * doubt, `${told}, want ${want}`);
        assert(Math.abs(is - exact) <= 1.001 * steps + 1e-5 * size, `${told}, and exactly ${exact}`);
        errors += (is - exact) ** 2;
        squares += exact ** 2;
      });
    }
  }
  assert(errors < 6e-5 * squares, `${what}: squared errors are ${errors / squares}`);
  for (const { operand: { buffer } } of [a, b]) gpu.pool.free(buffer);
  gpu.pool.free(out.buffer);
}

for (const dtype of NAMES) {
  Deno.test(`int8 activations by ${dtype}, as it lies and packed`, async () => {
    using gpu = await testGpu();
    const k = 3 * dtypeInfo(dtype).blockSize;
    for (const frozen of [false, true]) {
      for (const [m, n] of [[5, 7], [33, 37]] as const) {
        const a = filled(gpu, "f32", { shape: [m, k], strides: [k, 1] }, m);
        const b = filled(gpu, dtype, { shape: [k, n], strides: [1, k] }, n, { frozen });
        await check(gpu, a, b, `${m} rows by ${dtype} ${frozen ? "frozen" : ""}`);
      }
    }
  });
}

/** Operands as they may lie; b's K is 160, in blocks of 32. */
const LIES: Readonly<Record<string, readonly [a: Lie, b: Lie]>> = {
  "rows with gaps, from an odd place on": [
    { shape: [7, 160], strides: [173, 1], offset: 3 },
    { shape: [160, 40], strides: [1, 160], offset: 320 },
  ],
  "columns": [
    { shape: [9, 160], strides: [1, 11] },
    { shape: [160, 33], strides: [1, 160] },
  ],
  "any strides": [
    { shape: [6, 160], strides: [350, 2], offset: 1 },
    { shape: [160, 5], strides: [1, 192] },
  ],
  "a batch by one weight for all": [
    { shape: [3, 6, 160], strides: [960, 160, 1] },
    { shape: [3, 160, 10], strides: [0, 1, 160] },
  ],
  "a batch that shares its rows": [
    { shape: [2, 6, 160], strides: [0, 160, 1] },
    { shape: [2, 160, 12], strides: [1920, 1, 160] },
  ],
  "a row that stands for all": [
    { shape: [8, 160], strides: [0, 1] },
    { shape: [160, 12], strides: [1, 160] },
  ],
  "large tiles": [
    { shape: [8, 70, 160], strides: [11200, 160, 1] },
    { shape: [8, 160, 200], strides: [0, 1, 160] },
  ],
};

for (const [name, [a, b]] of Object.entries(LIES)) {
  Deno.test(`int8 activations however operands lie: ${name}`, async () => {
    using gpu = await testGpu();
    await check(gpu, filled(gpu, "f32", a, 1), filled(gpu, "q4_1", b, 2), name);
  });
}

Deno.test("int8 activations of halves, and by scales for 16 in large tiles", async () => {
  using gpu = await testGpu();
  for (const left of ["f16", "bf16"] as const) {
    const b = filled(gpu, "q8_0", { shape: [64, 9], strides: [1, 64] }, 4);
    await check(gpu, filled(gpu, left, { shape: [6, 64], strides: [64, 1] }, 3), b, left);
  }
  const a = filled(gpu, "f32", { shape: [4, 65, 256], strides: [16640, 256, 1] }, 5);
  const b = filled(gpu, "q6_k", { shape: [4, 256, 470], strides: [0, 1, 256] }, 6, { frozen: true });
  await check(gpu, a, b, "q6_k");
});

Deno.test("int8 activations by a weight larger than a binding", async () => {
  using gpu = await testGpu({ device: await limitedDevice({ maxStorageBufferBindingSize: 32768 }) });
  const a = filled(gpu, "f32", { shape: [5, 544], strides: [544, 1] }, 7);
  const b = filled(gpu, "q4_0", { shape: [544, 151], strides: [1, 544] }, 8, { frozen: true });
  assert(b.operand.buffer.byteLength > 32768);
  await check(gpu, a, b, "in parts");
});

async function weight(backend: WebGpuBackend, dtype: DType, shape: readonly [number, number]): Promise<Tensor> {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(randomBytes(dtype, shape[0] * shape[1], 9));
  }
  return await tensorFromPieces(shape, dtype, whole(), { backend });
}

/** The product of x `[M, 64]` and a weight whose blocks lie along `along`, on a backend with these options. */
async function productOn(
  options: WebGpuBackendOptions,
  x: Float32Array,
  { dtype = "q4_0", along = "k", activations = "f32" }: { dtype?: DType; along?: "k" | "n"; activations?: DType } = {},
): Promise<number[]> {
  using backend = await softwareBackend(options);
  using w = along === "k" ? await weight(backend, dtype, [6, 64]) : await weight(backend, dtype, [64, 32]);
  using wide = tensor(x, { shape: [x.length / 64, 64], backend });
  using rows = wide.to(activations);
  using right = along === "k" ? w.transpose(0, 1) : w.view([64, 32]);
  using product = rows.matmul(right);
  assertEquals(product.dtype, activations);
  return Array.from(await product.data(), Number);
}

function waves(rows: number): Float32Array {
  return Float32Array.from({ length: 64 * rows }, (_, i) => Math.sin(i * i));
}

Deno.test("int8 is for products of more than four rows by blocks along K, if asked for", async () => {
  const same = async (x: Float32Array, options: Parameters<typeof productOn>[2] = {}): Promise<boolean> => {
    const exact = await productOn({ matmulActivations: "f32" }, x, options);
    assertEquals(await productOn({}, x, options), exact); // the default
    const got = await productOn({ matmulActivations: "int8" }, x, options);
    const scale = exact.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    got.forEach((y, i) => assert(Math.abs(y - exact[i]!) <= 0.02 * scale, `${y}, exactly ${exact[i]}`));
    return got.every((y, i) => y === exact[i]);
  };
  assert(!await same(waves(5)));
  assert(!await same(waves(5), { activations: "f16" }));
  assert(await same(waves(4)));
  assert(await same(waves(5), { along: "n" }));
  assert(await same(waves(5), { dtype: "f16" }));
});

Deno.test("int8 activations that are NaN or infinite show in their row alone, and zeros give zeros", async () => {
  const x = waves(9);
  x.fill(0, 64, 128);
  x[2 * 64 + 40] = NaN;
  x[3 * 64 + 1] = Infinity;
  x[4 * 64 + 63] = -Infinity;
  x.fill(2 ** -125, 5 * 64, 6 * 64); // so small that d would be subnormal
  for (let i = 0; i < 64; i++) [x[6 * 64 + i], x[7 * 64 + i]] = [x[i]! * 2 ** 100, x[i]! * 2 ** -100];
  for (const dtype of ["q4_0", "q4_1", "q8_0"] as const) {
    const got = await productOn({ matmulActivations: "int8" }, x, { dtype });
    const row = (i: number): number[] => got.slice(6 * i, 6 * (i + 1));
    for (const i of [1, 5]) assertEquals(row(i).map(Math.abs), Array(6).fill(0), `${dtype}, row ${i}`);
    for (const i of [2, 3, 4]) assert(row(i).every((y) => !Number.isFinite(y)), `${dtype}, row ${i}: ${row(i)}`);
    for (const i of [0, 8]) assert(row(i).every((y) => Number.isFinite(y) && y !== 0), `${dtype}, row ${i}: ${row(i)}`);
    assertEquals(row(6), row(0).map((y) => y * 2 ** 100), dtype);
    assertEquals(row(7), row(0).map((y) => y * 2 ** -100), dtype);
  }
});

Deno.test("what is done with activations is told, also where int8 cannot be had", async () => {
  const told = async (options: WebGpuBackendOptions): Promise<[unknown, string]> => {
    using backend = await softwareBackend(options);
    const { details, precision } = backend.describe();
    return [details["matmulActivations"], precision];
  };
  const f32 = "arithmetic and sums in f32; activations stay f32 where they meet block-quantised weights";
  assertEquals(await told({}), ["f32", f32]);
  assertEquals(await told({ matmulActivations: "f32" }), ["f32", f32]);
  assertEquals(await told({ matmulActivations: "int8" }), [
    "int8",
    "arithmetic and sums in f32; more than four rows of activations are rounded to int8 where they meet " +
    "block-quantised weights",
  ]);
  assertEquals(await told({ matmulActivations: "int8", features: [] }), [
    "f32 (the device's language has no packed int8 dot product, or it was forced off)",
    f32,
  ]);
  const x = waves(5);
  const exact = await productOn({ features: [] }, x);
  assertEquals(await productOn({ matmulActivations: "int8", features: [] }, x), exact);
});

Deno.test("other activations are refused", async () => {
  await assertRejects(
    () => createWebGpuBackend({ matmulActivations: "i8" as "int8", softwareAdapter: true }), // as JavaScript may have it
    ShapeError,
    'Cannot create webgpu with matmulActivations "i8": they are "int8" or "f32"',
  );
});
