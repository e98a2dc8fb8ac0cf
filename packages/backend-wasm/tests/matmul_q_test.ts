/**
 * Products with quantised weights of random shapes beside sums in doubles of the decoded weights.
 *
 *     f32 activations    |error| <= 3e-7 Σ |x w|
 *     int8 activations   each x is off by half a step, 1/254 of its block's largest: |error| <= Σ |w| step / 2, and as such
 *                        errors are as often up as down, their squares sum up to less than 6e-5 of the products' own
 */
import { assert, assertEquals } from "@std/assert";
import { type Backend, type DType, type Tensor, tensor, tensorFromPieces, tidy } from "../../core/mod.ts";
import { byteLengthOf, dtypeInfo } from "../../core/src/dtype.ts";
import { dequantizeBlocks } from "../../core/src/quant/formats.ts";
import { createWasmBackend } from "../mod.ts";
import { WasmBuffer } from "../src/buffer.ts";
import { draws } from "./draws.ts";

const DTYPES = ["q4_0", "q4_1", "q8_0", "q4_k", "q6_k"] as const satisfies DType[];
type Packed = (typeof DTYPES)[number];

/** Where a block's scales lie, in bytes: halves, which random bits would make anything. */
const SCALES: Readonly<Record<Packed, readonly number[]>> = {
  q4_0: [0],
  q4_1: [0, 2],
  q8_0: [0],
  q4_k: [0, 2],
  q6_k: [208],
};

/** One product: x [B, M, K] by the transposed rows [first, first + N) of a weight [first + N, K]. */
interface Case {
  readonly dtype: Packed;
  readonly batches: number;
  readonly rows: number;
  readonly k: number;
  readonly n: number;
  readonly first: number;
  /** Whether x lies with K outermost. */
  readonly transposed: boolean;
}

function drawCase(random: () => number): Case {
  const pick = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)]!;
  const dtype = pick(...DTYPES);
  const blocks = dtypeInfo(dtype).blockSize === 32 ? pick(1, 2, 3, 5, 18, 37) : pick(1, 2, 3, 5);
  return {
    ...{ dtype, batches: pick(1, 1, 2, 3), rows: pick(1, 1, 2, 3, 4, 5, 7, 8, 13, 33) },
    ...{ k: blocks * dtypeInfo(dtype).blockSize, n: pick(1, 2, 7, 8, 9, 16, 23, 24, 65) },
    ...{ first: pick(0, 0, 8, 3), transposed: random() < 0.2 },
  };
}

/** Random blocks with scales in [2^-7, 2^-6), either sign. */
function drawBlocks(dtype: Packed, numel: number, random: () => number): Uint8Array {
  const { blockBytes } = dtypeInfo(dtype);
  const bytes = Uint8Array.from({ length: byteLengthOf(dtype, numel) }, () => Math.floor(random() * 256));
  for (let block = 0; block < bytes.length; block += blockBytes) {
    for (const at of SCALES[dtype]) bytes[block + at + 1] = (bytes[block + at + 1]! & 0x83) | 0x20;
  }
  return bytes;
}

/** Normally distributed. */
function drawActivations(length: number, random: () => number): Float32Array {
  return Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Bounds of the error of one product of `k` numbers, for f32 and for int8 activations. */
function bounds(x: Float32Array, w: Float32Array, block: number): { want: number; f32: number; int8: number } {
  let [want, size, steps] = [0, 0, 0];
  for (let from = 0; from < x.length; from += block) {
    let [largest, weights] = [0, 0];
    for (let i = from; i < from + block; i++) {
      const product = x[i]! * w[i]!;
      want += product;
      size += Math.abs(product);
      largest = Math.max(largest, Math.abs(x[i]!));
      weights += Math.abs(w[i]!);
    }
    steps += weights * largest / 254;
  }
  const f32 = 3e-7 * size;
  return { want, f32, int8: 1.001 * steps + f32 };
}

function inputOf(x: Float32Array, { batches, rows, k, transposed }: Case, backend: Backend): Tensor {
  const plain = tensor(x, { shape: [batches, rows, k], backend });
  if (!transposed) return plain;
  using owned = plain;
  return tidy(() => owned.transpose(1, 2).contiguous().transpose(1, 2));
}

async function check(backend: Backend, isInt8: boolean, seed: number): Promise<void> {
  const random = draws(seed);
  const c = drawCase(random);
  const told = `seed ${seed}: ${JSON.stringify(c)}`;
  const { dtype, batches, rows, k, n, first } = c;
  const bytes = drawBlocks(dtype, (first + n) * k, random);
  const values = drawActivations(batches * rows * k, random);
  using weight = await tensorFromPieces([first + n, k], dtype, whole(bytes), { backend });
  using x = inputOf(values, c, backend);
  using product = tidy(() => x.matmul(weight.narrow(0, first, n).transpose(0, 1)));
  assertEquals(product.shape, [batches, rows, n], told);
  const got = await product.data();
  const decoded = dequantizeBlocks(dtype, bytes);
  const { buffer } = weight.storage;
  const isPacked = buffer instanceof WasmBuffer && (buffer.packed ?? 0) !== 0;
  assertEquals(isPacked, first + n >= 8, told); // less than eight rows stay as they are, and are decoded
  let [errors, squares] = [0, 0];
  for (let row = 0; row < batches * rows; row++) {
    for (let j = 0; j < n; j++) {
      const w = decoded.subarray((first + j) * k, (first + j + 1) * k);
      const bound = bounds(values.subarray(row * k, (row + 1) * k), w, dtype === "q6_k" ? 16 : 32);
      const error = Math.abs(Number(got[row * n + j]) - bound.want);
      const allowed = isInt8 && isPacked ? bound.int8 : bound.f32;
      assert(error <= allowed, `${told}: [${row}, ${j}] is ${got[row * n + j]} instead of ${bound.want} ± ${allowed}`);
      errors += error ** 2;
      squares += bound.want ** 2;
    }
  }
  if (batches * rows * n > 50) assert(errors < 6e-5 * squares, `${told}: squared errors are ${errors / squares}`);
}

for (const matmulActivations of ["f32", "int8"] as const) {
  for (const options of [{ build: "plain" }, { threads: 2 }] as const) {
    Deno.test(`random products with quantised weights, ${matmulActivations}, ${JSON.stringify(options)}`, async () => {
      const backend = await createWasmBackend({ ...options, matmulActivations });
      for (let seed = 1; seed <= 120; seed++) await check(backend, matmulActivations === "int8", seed);
      assertEquals(backend.memory.liveStorages, 0);
      backend.dispose();
    });
  }
}
