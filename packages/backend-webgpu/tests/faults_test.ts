import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  BackendError,
  DTypeError,
  full,
  gather,
  ones,
  scatterAdd,
  ShapeError,
  tensor,
  tidy,
  zeros,
} from "../../core/mod.ts";
import type { DType } from "../../core/src/dtype.ts";
import { contiguousStrides } from "../../core/src/layout.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { WebGpuOperand } from "../src/buffer.ts";
import { acquireDevice } from "../src/device.ts";
import { Gpu } from "../src/gpu.ts";
import { Shader } from "../src/shader.ts";
import { softwareBackend } from "./software_backend.ts";

Deno.test("an index out of range is thrown at the next read, with what was indexed", async () => {
  using backend = await softwareBackend();
  using x = ones([3, 5], { backend });
  using index = tensor([[0, 7]], { backend, dtype: "i32" });
  using bad = gather(x, 1, index);
  const message = "Cannot gather [3, 5] along dim 1 with index [1, 2]: the index 7 is out of range for size 5";
  await assertRejects(() => bad.data(), ShapeError, message);
  assertEquals(await x.sum().item(), 15); // told once, and the backend goes on
  using negative = tensor([[-1, 0]], { backend, dtype: "i32" });
  using source = ones([1, 2], { backend });
  using added = scatterAdd(x, 1, negative, source);
  await assertRejects(() => backend.settled(), ShapeError, "Cannot scatterAdd [3, 5] along dim 1");
  assertEquals(await added.sum().item(), 16); // the good index was used
});

Deno.test("an index out of range is thrown by a later flush too", async () => {
  using backend = await softwareBackend();
  using x = ones([3], { backend });
  using index = tensor([3], { backend, dtype: "i32" });
  using _ = gather(x, 0, index);
  backend.flush();
  await backend.device.queue.onSubmittedWorkDone();
  const thrown = await assertRejects(async () => {
    for (let turn = 0; turn < 1000; turn++) { // the answer takes a few turns of the event loop
      await new Promise((resolve) => setTimeout(resolve, 1));
      backend.flush();
    }
  }, ShapeError);
  assertStringIncludes(thrown.message, "the index 3 is out of range for size 3");
});

Deno.test("a page that is not there is thrown at the next read", async () => {
  using backend = await softwareBackend();
  const operand = (dtype: DType, shape: readonly number[]): WebGpuOperand => (
    { buffer: backend.allocate(dtype, numelOf(shape)), dtype, shape, strides: contiguousStrides(shape), offset: 0 }
  );
  const [query, pool] = [operand("f32", [1, 1, 1, 1, 8]), operand("f32", [2, 1, 4, 8])];
  const [pages, out] = [operand("i32", [1, 2]), operand("f32", [1, 1, 1, 1, 8])];
  backend.write(pages.buffer, 0, new Uint8Array(Int32Array.of(0, 2).buffer));
  backend.kernels.attention!.run([query, pool, pool, pages], [out], {
    ...{ extras: ["pageTable"], keyCount: 6, scale: 1, softcap: 0, offset: 5 },
    ...{ left: Infinity, right: 0, sinkTokens: 0, dropout: undefined },
  });
  const message = "Cannot attend to keys of the pool [2, 1, 4, 8] by the page table [1, 2]: page 2 is out of range";
  await assertRejects(() => backend.download(out.buffer, 0, 8), ShapeError, message);
});

Deno.test("a shader that fails to compile is told of by its label and the operands it was to run with", async () => {
  const gpu = new Gpu(await acquireDevice({ softwareAdapter: true }));
  const buffer = gpu.pool.allocate("f32", 4);
  const operand = { buffer, dtype: "f32", shape: [2, 2], strides: [2, 1], offset: 0 } as const;
  const wrong = new Shader("wrong_kernel_f32", "w", { N: 4 }, ["fn main( {"]);
  gpu.run(wrong, [operand], { shape: [4], operands: [operand], numel: 4 }, [1, 1, 1]);
  gpu.flush();
  const message = "Cannot compile wrong_kernel_f32 (f32 [2, 2]) on webgpu: validation error";
  await assertRejects(() => gpu.settle(), BackendError, message);
  gpu.device.destroy();
});

Deno.test("a dispatch that the device refuses is told of by label and shapes", async () => {
  const gpu = new Gpu(await acquireDevice({ softwareAdapter: true }));
  const buffer = gpu.pool.allocate("f32", 4);
  const operand = { buffer, dtype: "f32", shape: [2, 2], strides: [2, 1], offset: 0 } as const;
  const shader = new Shader("idle_f32", "w", {}, ["@compute @workgroup_size(1) fn main() {}"]);
  gpu.run(shader, [operand], { shape: [4], operands: [operand], numel: 4 }, [2 ** 20, 1, 1]);
  gpu.flush();
  await assertRejects(() => gpu.settle(), BackendError, "Cannot run idle_f32 (f32 [2, 2]) on webgpu: validation error");
  gpu.device.destroy();
});

Deno.test("after many submits without waiting one is told of in general words, and a compile as ever", async () => {
  const gpu = new Gpu(await acquireDevice({ softwareAdapter: true }));
  const idle = new Shader("idle_f32", "w", {}, ["@compute @workgroup_size(1) fn main() {}"]);
  const wrong = new Shader("wrong_kernel_f32", "w", { N: 4 }, ["fn main( {"]);
  const run = (shader: Shader, workgroups: number) => {
    const buffer = gpu.pool.allocate("f32", 4);
    const operand = { buffer, dtype: "f32", shape: [2, 2], strides: [2, 1], offset: 0 } as const;
    gpu.run(shader, [operand], { shape: [4], operands: [operand], numel: 4 }, [workgroups, 1, 1]);
    gpu.flush();
  };
  const toldOf = async (what: string) => {
    await assertRejects(() => gpu.settle(), BackendError, `Cannot ${what} on webgpu: validation error`);
  };
  const runOften = () => {
    for (let i = 0; i < 256; i++) run(idle, 1);
  };
  runOften();
  run(idle, 2 ** 20);
  await toldOf("run one of many batches that were recorded without waiting");
  run(idle, 2 ** 20);
  await toldOf("run idle_f32 (f32 [2, 2])");
  runOften();
  run(wrong, 1);
  await toldOf("compile wrong_kernel_f32 (f32 [2, 2])");
  gpu.device.destroy();
});

Deno.test("what the backend has no dtype or no room for is refused at once", async () => {
  using backend = await softwareBackend();
  assertThrows(() => zeros([2], { backend, dtype: "f64" }), DTypeError, "Cannot make f64 [2] on webgpu: it has no f64");
  const limit = Number(backend.describe().details["maxBufferBytes"]);
  const message = `(${limit + 4} bytes) on webgpu: the device binds at most ${limit} bytes at once`;
  assertThrows(() => zeros([limit / 4 + 1], { backend }), BackendError, message);
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("the budget's error names the largest tensors", async () => {
  using backend = await softwareBackend({ memoryBudgetBytes: 1000 });
  using _kept = zeros([10, 20], { backend });
  const kept: Disposable[] = [];
  const fill = () => {
    for (let i = 0; i < 10_000; i++) kept.push(zeros([4], { backend }));
  };
  const error = assertThrows(fill, BackendError, "would pass the budget of 1000");
  assertStringIncludes(error.message, "largest live tensors: f32 [10, 20] (800 bytes)");
  for (const t of kept) t[Symbol.dispose]();
});

Deno.test("reading a disposed tensor, and reading at once, are refused", async () => {
  using backend = await softwareBackend();
  const x = tensor([1, 2], { backend });
  assertThrows(() => x.dataSync(), BackendError, "webgpu reads asynchronously; use await t.data()");
  x.dispose();
  await assertRejects(() => x.data(), BackendError);
  const y = tensor([1, 2], { backend });
  const reading = y.data();
  y.dispose(); // what is being read was recorded
  assertEquals([...await reading], [1, 2]);
});

Deno.test("more than eight dims that do not merge are refused", async () => {
  using backend = await softwareBackend();
  using x = full(new Array(10).fill(2), 1, { backend });
  using turned = x.permute([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  assertThrows(() => tidy(() => turned.exp()), ShapeError, "10 dims are left, and kernels walk 8");
  assertEquals(backend.memory.liveStorages, 1);
});
