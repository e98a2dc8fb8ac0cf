import { assertEquals, assertRejects } from "@std/assert";
import { ShapeError } from "../../core/src/errors.ts";
import { contiguousStrides } from "../../core/src/layout.ts";
import { threefry2x32 } from "../../core/src/random.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { WebGpuOperand } from "../src/buffer.ts";
import { scatter } from "../src/kernels/scatter/scatter.ts";
import { upload } from "../src/transfer.ts";
import { filled, poisoned, read, testGpu } from "./operands.ts";

type TestGpu = Awaited<ReturnType<typeof testGpu>>;

/** An i32 operand of these elements. */
function indices(gpu: TestGpu, shape: readonly number[], strides: readonly number[], values: Int32Array<ArrayBuffer>) {
  const buffer = gpu.pool.allocate("i32", values.length);
  upload(gpu, buffer, 0, new Uint8Array(values.buffer));
  return { buffer, dtype: "i32", shape, strides, offset: 0 } satisfies WebGpuOperand;
}

/** The labels of scatter's dispatches from now on. */
function watch(gpu: TestGpu): string[] {
  const labels: string[] = [];
  const run = gpu.run.bind(gpu);
  gpu.run = (shader, ...rest) => {
    if (shader.label.startsWith("scatter")) labels.push(shader.label);
    run(shader, ...rest);
  };
  return labels;
}

const CASES = [
  { name: "one line", lines: 1, length: 70_001, size: 5, shared: false },
  { name: "a run longer than a dispatch", lines: 1, length: 66_000, size: 1, shared: false },
  { name: "a few lines", lines: 3, length: 70_001, size: 300, shared: false },
  { name: "a few lines of one index", lines: 3, length: 70_001, size: 300, shared: true },
];

for (const software of [true, false]) {
  for (const mode of ["add", "set"] as const) {
    Deno.test(`long lines scatter by ${mode} in the order of the index, software ${software}`, async () => {
      for (const { name, lines, length, size, shared } of CASES) {
        using gpu = await testGpu({ software });
        const values = Int32Array.from(
          { length: shared ? length : lines * length },
          (_, i) => (threefry2x32(1, 0, i, 0)[0] >>> 0) % size,
        );
        const index = indices(gpu, [lines, length], [shared ? 0 : length, 1], values);
        const source = filled(gpu, "f32", { shape: [lines, length], strides: [1, lines] }, 2);
        const out = filled(gpu, "f32", { shape: [lines, size], strides: [size, 1] }, 3);
        const want = out.values.slice();
        for (let i = 0; i < lines * length; i++) {
          const [line, j] = [Math.floor(i / length), i % length];
          const [at, x] = [line * size + values[shared ? j : i]!, source.values[j * lines + line]!];
          want[at] = mode === "set" ? x : want[at]! + x;
        }
        const labels = watch(gpu);
        scatter(gpu).run([index, source.operand], [out.operand], { dim: 1, op: "scatterAdd", mode });
        assertEquals(await read(gpu, out.operand), want, `${name}, seeds 1, 2, 3`);
        const label = software ? `scatter_${mode}_f32` : `scatter_runs_${mode}_f32`;
        assertEquals(labels, new Array<string>(Math.ceil(length / 2 ** 15)).fill(label), name);
      }
    });
  }

  Deno.test(`an index out of range in a long line is told of, and the others count, software ${software}`, async () => {
    for (const bad of [-1, 2]) {
      using gpu = await testGpu({ software });
      const values = new Int32Array(5000);
      values[4321] = bad;
      const index = indices(gpu, [5000], [1], values);
      const ones = filled(gpu, "f32", { shape: [5000], strides: [1] }, 4);
      const out = poisoned(gpu, [2]);
      upload(gpu, out.buffer, 0, new Uint8Array(8));
      upload(gpu, ones.operand.buffer, 0, new Uint8Array(new Float32Array(5000).fill(1).buffer));
      scatter(gpu).run([index, ones.operand], [out], { dim: 0, op: "scatterAdd", mode: "add" });
      await assertRejects(
        () => read(gpu, out),
        ShapeError,
        `Cannot scatterAdd [2] along dim 0 with index [5000]: the index ${bad} is out of range for size 2`,
      );
      assertEquals(await read(gpu, out), Float32Array.of(4999, 0));
    }
  });
}

Deno.test("many lines are gone through side by side on GPUs too", async () => {
  using gpu = await testGpu({ software: false });
  const shape = [4100, 256];
  const index = indices(gpu, shape, [1, 0], new Int32Array(4100));
  const source = filled(gpu, "f32", { shape, strides: contiguousStrides(shape) }, 5);
  const out = poisoned(gpu, [3, 256]);
  const labels = watch(gpu);
  scatter(gpu).run([index, source.operand], [out], { dim: 0, op: "scatterAdd", mode: "set" });
  assertEquals(labels, ["scatter_set_f32"]);
  assertEquals((await read(gpu, out)).slice(0, 256), source.values.slice(numelOf(shape) - 256));
});
