/** The ops that are timed: what a call costs at all, what weights cost a multiply-add, and two large ones. */
import {
  type Backend,
  type BlockDType,
  fromBytes,
  quantizeBlocks,
  rand,
  type Tensor,
  zeros,
} from "../../packages/heed/mod.ts";
import { type BenchCase, PLAIN_MULTIPLY_ADDS } from "./measure.ts";

/** Waits for a result: by reading it, all of it. */
async function readBack(result: Tensor): Promise<void> {
  using owned = result;
  await owned.data();
}

/** Microseconds of a call with nothing to compute, allocation and disposal included. */
function overhead(backend: Backend): BenchCase[] {
  const x = rand([1], { backend, seed: 0 });
  const matrix = rand([8, 8], { backend, seed: 0 });
  const microseconds = (seconds: number): number => seconds * 1e6;
  const add = (): void => {
    using sum = x.add(x);
    void sum;
  };
  const transpose = (): void => matrix.transpose(0, 1).dispose();
  const narrow = (): void => matrix.narrow(0, 2, 4).dispose();
  const short = { unit: "µs", repeats: 20_000, figure: microseconds };
  return [
    { name: "add of 1 element", ...short, goal: "<= 1", run: add },
    { name: "transpose", ...short, goal: "<= 0.3", run: transpose },
    { name: "narrow", ...short, goal: "<= 0.3", run: narrow },
  ];
}

/** A row times a quantised weight, as `x · Wᵀ` with W `[n, k]`, against the plain loop's multiply-adds a second. */
function matvec(backend: Backend, dtype: BlockDType, k: number, n: number): BenchCase {
  const values = Float32Array.from({ length: n * k }, (_, i) => Math.sin(i)); // any spread of values will do
  const weight = fromBytes(quantizeBlocks(dtype, values), [n, k], dtype, { backend }).t();
  const x = rand([1, k], { backend, seed: 0 });
  return {
    name: `matvec ${dtype} [1, ${k}] x [${k}, ${n}]`,
    unit: "x plain loop",
    goal: ">= 0.5",
    repeats: Math.max(1, Math.round(4e6 / (n * k))),
    run: () => readBack(x.matmul(weight)),
    figure: (seconds, plainSeconds) => (n * k / seconds) / (PLAIN_MULTIPLY_ADDS / plainSeconds),
  };
}

function large(backend: Backend): BenchCase[] {
  const [a, b] = [rand([256, 256], { backend, seed: 1 }), rand([256, 256], { backend, seed: 2 })];
  const wide = zeros([1024, 1024], { backend });
  return [
    {
      name: "matmul f32 256 x 256 x 256",
      unit: "GFLOP/s",
      repeats: 1,
      run: () => readBack(a.matmul(b)),
      figure: (seconds) => 2 * 256 ** 3 / seconds / 1e9,
    },
    {
      name: "softmax f32 [1024, 1024]",
      unit: "ms",
      repeats: 1,
      run: () => readBack(wide.softmax(1)),
      figure: (seconds) => seconds * 1000,
    },
  ];
}

/** All of them; sizes of the weights are SmolLM2-135M's. */
export function opCases(backend: Backend): BenchCase[] {
  return [
    ...overhead(backend),
    matvec(backend, "q4_1", 576, 1536),
    matvec(backend, "q4_1", 1536, 576),
    matvec(backend, "q8_0", 576, 49152),
    ...large(backend),
  ];
}
