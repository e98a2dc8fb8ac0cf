/**
 * Measures which variants of matmul suit a device, when a backend is created: nothing waits for it later. Each candidate
 * does the same products in turns, and the best time of each counts. A result is kept for the adapter as long as the
 * program runs; all candidates compute the same, up to the order of sums. One that the device refuses is left out.
 */
import { contiguousStrides } from "../../../../core/src/layout.ts";
import { BackendError } from "../../../../core/src/errors.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuOperand } from "../../buffer.ts";
import type { AcquiredDevice } from "../../device.ts";
import { Gpu } from "../../gpu.ts";
import { multiply } from "./matmul.ts";
import { suit, type Suited } from "./suited.ts";
import type { VariantName } from "./variants.ts";

/** What is measured for each: candidates, and M, N and K of the product. */
const TRIALS: Readonly<
  Record<keyof Suited, { candidates: readonly VariantName[]; shape: readonly [m: number, n: number, k: number] }>
> = {
  few: {
    candidates: ["vector_16", "vector_32", "vector_64", "vector_32x1", "vector_64x1", "registers_4"],
    shape: [1, 1024, 1024],
  },
  many: { candidates: ["tiled_64", "tiled_128", "tiled_32", "registers_16"], shape: [256, 512, 512] },
  small: { candidates: ["tiled_32", "tiled_64", "registers_8"], shape: [64, 256, 256] },
};

/** Products recorded at a time, so that what is measured is work and not the wait for it; software takes long enough. */
const REPEATS = 32;

/** Rounds in which every candidate runs once; the best of them counts. */
const ROUNDS = 3;

const MEASURED = new Map<string, Suited>();

/** Measures the candidates on a device, or remembers what an adapter of that name was found to like. */
export async function tuneMatmul(acquired: AcquiredDevice): Promise<Suited> {
  const adapter = `${acquired.adapterName} ${[...acquired.features].join(" ")}`;
  const suited = MEASURED.get(adapter) ?? await measure(acquired);
  MEASURED.set(adapter, suited);
  suit(acquired, suited);
  return suited;
}

async function measure(acquired: AcquiredDevice): Promise<Suited> {
  const gpu = new Gpu(acquired);
  const suited = {
    few: await fastest(gpu, "few"),
    many: await fastest(gpu, "many"),
    small: await fastest(gpu, "small"),
  };
  gpu.dispose("matmul was tuned");
  return suited;
}

async function fastest(gpu: Gpu, work: keyof Suited): Promise<VariantName> {
  const { candidates, shape: [m, n, k] } = TRIALS[work];
  const a = operand(gpu, [m, k]);
  const b = operand(gpu, [n, k]);
  const weight = { ...b, shape: [k, n], strides: [1, k] };
  const best = new Map<VariantName, number>(candidates.map((variant) => [variant, Infinity]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const variant of candidates) {
      const out = operand(gpu, [m, n]); // one that was lost is not for the next candidate
      const time = await timed(gpu, () => multiply(gpu, a, weight, out, variant));
      gpu.pool.free(out.buffer);
      if (round > 0) best.set(variant, Math.min(time, best.get(variant)!));
    }
  }
  for (const { buffer } of [a, b]) gpu.pool.free(buffer);
  return candidates.reduce((x, y) => best.get(y)! < best.get(x)! ? y : x);
}

/** How long some of the work takes, in milliseconds; without end when the device refuses it. */
async function timed(gpu: Gpu, record: () => void): Promise<number> {
  const repeats = gpu.acquired.software === true ? 1 : REPEATS;
  const start = performance.now();
  try {
    for (let i = 0; i < repeats; i++) record();
    gpu.flush();
    await gpu.device.queue.onSubmittedWorkDone();
    const time = performance.now() - start;
    await gpu.settle();
    return time;
  } catch (error) {
    if (error instanceof BackendError) return Infinity;
    throw error;
  }
}

function operand(gpu: Gpu, shape: readonly number[]): WebGpuOperand {
  const buffer = gpu.pool.allocate("f32", numelOf(shape));
  return { buffer, dtype: "f32", shape, strides: contiguousStrides(shape), offset: 0 };
}
