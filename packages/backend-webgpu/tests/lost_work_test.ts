/** What is lost when the device refuses something, what is not, and that nothing lost is read as if it were there. */
import { assertEquals, assertRejects, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BackendError, gather, ones, ShapeError, tensor, zeros } from "../../core/mod.ts";
import { createWebGpuBackend } from "../mod.ts";
import { LostBatches } from "../src/lost_batches.ts";
import { Shader } from "../src/shader.ts";
import { filled, read, testGpu } from "./operands.ts";
import { softwareBackend } from "./software_backend.ts";
import { wrappedDevice } from "./wrapped_device.ts";

const MIB = 2 ** 20;
const LOST = "on webgpu: elements were lost with work that failed before (Cannot allocate ";
const AGAIN = "); make the tensor, cache or model that held them again, if need be on await backend.restore()";

Deno.test("where a large tensor has no room, what was recorded before it is done, and all goes on", async () => {
  using wrapped = await wrappedDevice();
  const backend = await createWebGpuBackend({ device: wrapped.device });
  using cache = zeros([4], { backend });
  using token = tensor([5, 6], { backend });
  cache.narrow(0, 0, 2).copy_(token);
  wrapped.refuses = (size) => size >= 2 * MIB;
  {
    using large = ones([MIB / 2], { backend });
    using sum = large.sum();
    await assertRejects(() => sum.item(), BackendError, "Cannot allocate 2097152 bytes for 524288 elements of f32");
    await assertRejects(() => sum.item(), BackendError, `Cannot read 1 elements of f32 ${LOST}2097152 bytes`);
    assertThrows(() => large.add(1), BackendError, LOST);
  }
  assertEquals(await cache.toArray(), [5, 6, 0, 0]);
  wrapped.refuses = () => false;
  using again = ones([MIB / 2], { backend }); // not in the memory that was refused
  assertEquals(await again.sum().item(), MIB / 2);
  cache.narrow(0, 2, 2).copy_(token);
  assertEquals(await cache.toArray(), [5, 6, 5, 6]);
  backend.dispose();
});

Deno.test("what was lost with its batch, or made of that, is refused each time, and nothing else is", async () => {
  using wrapped = await wrappedDevice();
  const backend = await createWebGpuBackend({ device: wrapped.device });
  using weight = ones([4], { backend });
  using kept = tensor([7], { backend });
  await backend.settled();
  using cache = zeros([4], { backend });
  wrapped.refuses = () => true;
  using small = ones([100], { backend }); // in one batch with the zeros
  backend.flush();
  wrapped.refuses = () => false;
  using sum = cache.sum(); // recorded in good faith
  const both = await Promise.allSettled([sum.data(), cache.data(), small.data()]);
  assertEquals(both.map(({ status }) => status), ["rejected", "rejected", "rejected"]);
  for (const lost of [cache, sum, small]) {
    const { message, cause } = await assertRejects(() => lost.data(), BackendError, LOST);
    assertStringIncludes(message, AGAIN);
    assertStringIncludes((cause as Error).message, "Cannot allocate 448 bytes for 100 elements of f32");
    assertThrows(() => lost.add(1), BackendError, "Cannot run binary_add_f32 (f32 [");
  }
  assertThrows(() => cache.narrow(0, 0, 1).copy_(kept), BackendError, LOST);
  using other = weight.mul(kept);
  assertEquals(await other.toArray(), [7, 7, 7, 7]);
  using again = ones([100], { backend });
  assertEquals(await again.sum().item(), 100);
  assertEquals(wrapped.uncaught, 0);
  backend.dispose();
});

Deno.test("bytes of the host that had no room are not read as zeros", async () => {
  using wrapped = await wrappedDevice();
  const backend = await createWebGpuBackend({ device: wrapped.device });
  wrapped.refuses = () => true;
  using x = tensor([1, 2, 3], { backend });
  wrapped.refuses = () => false;
  await assertRejects(() => backend.settled(), BackendError, "Cannot allocate 256 bytes for 3 elements of f32");
  await assertRejects(() => x.data(), BackendError, LOST);
  const buffer = backend.allocate("f32", 3);
  backend.write(buffer, 0, new Uint8Array(12));
  assertEquals(await backend.download(buffer, 0, 3), new Uint8Array(12));
  assertEquals(wrapped.uncaught, 0);
  backend.dispose();
});

Deno.test("a large read takes no more than it reads, and one without room loses nothing but itself", async () => {
  using wrapped = await wrappedDevice();
  const backend = await createWebGpuBackend({ device: wrapped.device });
  wrapped.refuses = (size) => size > 20 * MIB;
  const large = backend.allocate("f32", 5 * MIB, { constant: true });
  backend.write(large, 0, new Uint8Array(Float32Array.of(7, 8).buffer));
  assertEquals((await backend.download(large, 0, 5 * MIB)).length, 20 * MIB);
  assertEquals(backend.created.buffers, 3); // the status of indices, this one, and its reading
  using a = tensor([1, 2, 3], { backend });
  using y = a.add(10);
  wrapped.refuses = (size) => size > MIB;
  const failing = backend.download(large, 0, 4 * MIB);
  using z = y.add(1); // recorded while the device answers
  await assertRejects(() => failing, BackendError, "Cannot allocate 16777216 bytes to read into");
  assertEquals(await y.toArray(), [11, 12, 13]);
  assertEquals(await z.toArray(), [12, 13, 14]);
  assertEquals(new Float32Array((await backend.download(large, 0, 2)).buffer), Float32Array.of(7, 8));
  backend.dispose();
});

Deno.test("a shader that fails to compile loses nothing recorded before it, and is refused at once afterwards", async () => {
  using gpu = await testGpu();
  const { operand, values } = filled(gpu, "f32", { shape: [4], strides: [1] }, 1);
  const parameters = { shape: [4], operands: [operand], numel: 4 };
  const idle = new Shader("idle_f32", "w", {}, ["@compute @workgroup_size(1) fn main() {}"]);
  const wrong = new Shader("wrong_f32", "w", {}, ["fn main( {"]);
  gpu.run(idle, [operand], parameters, [1, 1, 1]);
  const out = filled(gpu, "f32", { shape: [4], strides: [1] }, 2).operand;
  gpu.run(wrong, [out], parameters, [1, 1, 1]);
  gpu.flush();
  const error = await assertRejects(() => gpu.settle(), BackendError, "Cannot compile wrong_f32 (f32 [4]) on webgpu");
  assertStrictEquals(assertThrows(() => gpu.run(wrong, [operand], parameters, [1, 1, 1])), error);
  assertEquals(await read(gpu, operand), values);
  await assertRejects(
    () => read(gpu, out),
    BackendError,
    "Cannot read 4 elements of f32 on webgpu: elements were lost",
  );
});

Deno.test("an index out of range is told of where the output's memory begins a batch of its own", async () => {
  using backend = await softwareBackend();
  using x = ones([2, MIB / 4], { backend });
  using index = tensor([[1], [5]], { backend, dtype: "i32" });
  using wide = index.expand([2, MIB / 4]);
  using bad = gather(x, 0, wide);
  const message = "the index 5 is out of range for size 2";
  await assertRejects(() => bad.narrow(1, 0, 1).data(), ShapeError, `with index [2, 262144]: ${message}`);
});

Deno.test("lost batches are told apart from those between them", () => {
  const lost = new LostBatches();
  const [first, second, third] = [new Error("first"), new Error("second"), new Error("third")];
  const causes = () => Array.from({ length: 10 }, (_, batch) => lost.causeOf(batch)?.message[0] ?? ".").join("");
  assertEquals([causes(), lost.newest], ["..........", -1]);
  lost.add(2, 3, first);
  lost.add(3, 4, second); // one failure brings about another
  lost.add(7, 7, third);
  assertEquals([causes(), lost.newest], ["..fff..t..", 7]);
  lost.add(6, 8, second);
  assertEquals([causes(), lost.newest], ["..fff.ttt.", 8]);
});

Deno.test("a bad index of a batch that was lost but ran is told of with its op", async () => {
  using wrapped = await wrappedDevice();
  const backend = await createWebGpuBackend({ device: wrapped.device });
  using x = ones([4], { backend });
  using bad = tensor([9], { dtype: "i32", backend });
  using good = tensor([1], { dtype: "i32", backend });
  wrapped.refuses = (size) => size >= 2 * MIB;
  using large = ones([MIB], { backend });
  wrapped.refuses = () => false;
  backend.flush();
  using lost = gather(x, 0, bad);
  await assertRejects(() => lost.data(), BackendError, "Cannot allocate");
  await assertRejects(() => large.data(), BackendError, LOST);
  await assertRejects(() => gather(x, 0, good).data(), ShapeError, "Cannot gather");
  assertEquals(await gather(x, 0, good).toArray(), [1]);
  backend.dispose();
});
