import { assertEquals } from "@std/assert";
import { f32ToF16 } from "../../core/src/half.ts";
import { ones, tensor, tidy, zeros } from "../../core/mod.ts";
import { softwareBackend } from "./software_backend.ts";

Deno.test("10,000 tensors under using leave the device's buffers as they were", async () => {
  using backend = await softwareBackend();
  const step = () => {
    using x = ones([64, 64], { backend });
    using y = x.mul(2);
    using _sum = y.sum();
  };
  for (let i = 0; i < 100; i++) step();
  await backend.settled();
  const deviceBytes = () => backend.describe().details["deviceBytes"];
  const before = [{ ...backend.created }, deviceBytes()];
  for (let i = 0; i < 3300; i++) {
    step();
    if (i % 500 === 0) await backend.settled();
  }
  assertEquals([backend.created, deviceBytes()], before);
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("a step that repeats itself, reads included, creates nothing after the first few", async () => {
  using backend = await softwareBackend();
  using weight = ones([32, 32], { backend });
  const step = async () => {
    using x = tensor(new Float32Array(32).fill(0.5), { shape: [1, 32], backend });
    using y = tidy(() => x.matmul(weight).softmax(-1).mul(3));
    return (await y.data())[0]!;
  };
  for (let i = 0; i < 4; i++) await step();
  const before = { ...backend.created };
  for (let i = 0; i < 20; i++) assertEquals(await step(), 3 / 32);
  assertEquals(backend.created, before);
});

Deno.test("bytes written in pieces, cut anywhere, come back", async () => {
  using backend = await softwareBackend();
  const bytes = Uint8Array.from({ length: 68 }, (_, i) => 3 * i + 1);
  for (const [dtype, numel] of [["q8_0", 64], ["f16", 34], ["u8", 68], ["f32", 17]] as const) {
    const buffer = backend.allocate(dtype, numel);
    for (const [from, to] of [[0, 3], [3, 5], [5, 6], [6, 21], [21, 64], [64, 68]] as const) {
      backend.write(buffer, from, bytes.subarray(from, to));
    }
    assertEquals(await backend.download(buffer, 0, numel), bytes, dtype);
    backend.free(buffer);
  }
});

Deno.test("parts of a buffer are read, also those that begin within a word", async () => {
  using backend = await softwareBackend();
  const buffer = backend.allocate("f16", 5);
  const values = Uint16Array.from([1, 2, 3, 4, 5], f32ToF16);
  backend.write(buffer, 0, new Uint8Array(values.buffer));
  for (const [start, numel] of [[0, 5], [1, 1], [1, 3], [3, 2]] as const) {
    const bytes = await backend.download(buffer, start, numel);
    assertEquals(new Uint16Array(bytes.buffer), values.slice(start, start + numel));
  }
});

Deno.test("bytes written after work was recorded do not overtake it", async () => {
  using backend = await softwareBackend();
  const buffer = backend.allocate("f32", 2);
  const operand = { buffer, dtype: "f32", shape: [2], strides: [1], offset: 0 } as const;
  const other = backend.allocate("f32", 2);
  const copied = { ...operand, buffer: other };
  backend.write(buffer, 0, new Uint8Array(Float32Array.of(1, 2).buffer));
  backend.kernels.copy.run([operand], [copied], {});
  backend.write(buffer, 0, new Uint8Array(Float32Array.of(3, 4).buffer));
  assertEquals(new Float32Array((await backend.download(other, 0, 2)).buffer), Float32Array.of(1, 2));
  assertEquals(new Float32Array((await backend.download(buffer, 0, 2)).buffer), Float32Array.of(3, 4));
});

Deno.test("memory freed by recorded work is not given to the host's bytes", async () => {
  using backend = await softwareBackend();
  const x = ones([256], { backend });
  using sum = x.sum();
  x.dispose(); // the sum was recorded, not done
  using other = tensor(new Float32Array(256).fill(9), { backend });
  assertEquals(await sum.item(), 256);
  assertEquals(await other.sum().item(), 9 * 256);
});

Deno.test("halves in a view leave their neighbours alone", async () => {
  using backend = await softwareBackend();
  for (const dtype of ["f16", "bf16"] as const) {
    using base = zeros([3, 5], { backend, dtype });
    using column = base.narrow(1, 1, 1);
    using values = tensor([[1], [2], [3]], { backend });
    column.copy_(values);
    assertEquals(await base.toArray(), [[0, 1, 0, 0, 0], [0, 2, 0, 0, 0], [0, 3, 0, 0, 0]]);
  }
});
