/** Loops that go on for long: what is under way, what is kept, and what goes back to the device. */
import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ones, type Tensor, tidy } from "../../core/mod.ts";
import { createWebGpuBackend, type WebGpuBackend } from "../mod.ts";
import { anyAdapter, softwareBackend } from "./software_backend.ts";

const MIB = 2 ** 20;

function deviceBytes(backend: WebGpuBackend): number {
  return Number(backend.describe().details["deviceBytes"]);
}

/** Adds `one` so many times, a dispatch each; disposes of `x`. */
function addOften(x: Tensor, one: Tensor, count: number): Tensor {
  let sum = x;
  for (let i = 0; i < count; i++) {
    const next = sum.add(one);
    sum.dispose();
    sum = next;
  }
  return sum;
}

/** A device that counts its submissions, and the most that were under way at once. */
async function countingDevice() {
  const device = await (await anyAdapter()).requestDevice();
  const { queue } = device;
  const counts = { submitted: 0, done: 0, most: 0 };
  const submit = queue.submit.bind(queue);
  const whenDone = queue.onSubmittedWorkDone.bind(queue);
  queue.onSubmittedWorkDone = async () => {
    const { submitted } = counts;
    await whenDone();
    counts.done = Math.max(counts.done, submitted);
    return undefined;
  };
  queue.submit = (commands) => {
    submit(commands);
    counts.submitted++;
    counts.most = Math.max(counts.most, counts.submitted - counts.done);
  };
  return { device, counts };
}

Deno.test("settled() holds a loop back: no more is under way than one turn submits, and memory stays as it is", async () => {
  const { device, counts } = await countingDevice();
  const backend = await createWebGpuBackend({ device });
  using one = ones([1000], { backend });
  let x = one.clone();
  const mean = async () => {
    using value = x.mean();
    return await value.item();
  };
  const turn = async () => {
    x = addOften(x, one, 200); // three full batches, and a part of one
    await backend.settled();
  };
  await mean();
  await turn();
  const before = [{ ...backend.created }, deviceBytes(backend)];
  counts.most = 0;
  for (let i = 1; i < 30; i++) await turn();
  assertEquals([backend.created, deviceBytes(backend)], before);
  assertEquals([counts.submitted - counts.done, counts.most], [0, 4]);
  assertEquals(await mean(), 6001);

  x = addOften(x, one, 6400);
  assert(counts.most >= 100, "without settled() they pile up");
  assertEquals([backend.created, deviceBytes(backend)], before, "but memory is used again without waiting");
  assertEquals(await mean(), 12401);
  x.dispose();
  backend.dispose();
  device.destroy();
});

Deno.test("10,000 tensors of all sizes leave the device's memory as the first thousand did", async () => {
  using backend = await softwareBackend();
  const round = async () => {
    for (let size = 1; size <= 1000; size++) {
      using x = ones([size], { backend });
      using _doubled = x.mul(2);
    }
    await backend.settled();
  };
  await round();
  const before = [{ ...backend.created }, deviceBytes(backend)];
  for (let i = 0; i < 4; i++) await round();
  assertEquals([backend.created, deviceBytes(backend)], before);
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("a weight's bytes go back when it is freed, and with the last one all that is free", async () => {
  using backend = await softwareBackend();
  const before = deviceBytes(backend);
  const weights = [8, 16].map((mib) => {
    const buffer = backend.allocate("f32", mib * MIB / 4, { constant: true });
    backend.write(buffer, 0, new Uint8Array(1024));
    backend.freeze(buffer);
    return buffer;
  });
  tidy(() => [ones([MIB], { backend }), ones([MIB], { backend })].length);
  assertEquals(deviceBytes(backend), before + (8 + 16 + 4 + 4) * MIB);
  backend.free(weights[0]!);
  assertEquals(deviceBytes(backend), before + (16 + 4 + 4) * MIB);
  backend.free(weights[1]!);
  assertEquals(deviceBytes(backend), before + 4 * MIB, "recorded work uses the last one");
  await backend.settled();
  assertEquals(deviceBytes(backend), before);
});

Deno.test("memory that recorded work uses outlives the weight that was freed", async () => {
  using backend = await softwareBackend();
  const buffer = backend.allocate("f32", 4, { constant: true });
  backend.write(buffer, 0, new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
  backend.freeze(buffer);
  const out = backend.allocate("f32", 4);
  const operand = { buffer, dtype: "f32", shape: [4], strides: [1], offset: 0 } as const;
  backend.kernels.copy.run([operand], [{ ...operand, buffer: out }], {});
  backend.free(buffer);
  const bytes = await backend.download(out, 0, 4);
  assertEquals(new Float32Array(bytes.buffer), Float32Array.of(1, 2, 3, 4));
});

Deno.test("of what many reads at once take, 32 MiB are kept for the next, small ones first", async () => {
  using backend = await softwareBackend();
  using large = ones([4 * MIB], { backend }); // 16 MiB
  using small = ones([4], { backend });
  const read = async (x: Tensor, count: number) => {
    const before = backend.created.buffers;
    await Promise.all(Array.from({ length: count }, () => x.data()));
    return backend.created.buffers - before;
  };
  assertEquals([await read(large, 3), await read(large, 3), await read(large, 2)], [3, 1, 0]);
  assertEquals([await read(small, 2), await read(small, 2), await read(small, 1)], [2, 0, 0]);
  assertEquals([await read(large, 1), await read(small, 2)], [0, 0]);
});

Deno.test("bytes that were read are nobody's but the reader's", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void; // as --expose-gc gives it
  using backend = await softwareBackend();
  using x = ones([1000], { backend });
  const read = async () => new WeakRef(await x.data());
  const bytes = await Promise.all([read(), read()]);
  await new Promise((resolve) => setTimeout(resolve, 1)); // a WeakRef holds on until the turn ends
  collectGarbage();
  assertEquals(bytes.map((it) => it.deref()), [undefined, undefined]);
});
