/** Weights: packed blocks, and buffers larger than the device binds at once or has at all. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Backend, BackendError, type DType, rand, type Tensor, tensor, tensorFromPieces } from "../../core/mod.ts";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { createWebGpuBackend, type WebGpuBackend } from "../mod.ts";
import { WebGpuBuffer } from "../src/buffer.ts";
import { limitedDevice, randomBytes } from "./operands.ts";
import { softwareBackend } from "./software_backend.ts";

const BLOCKS = [
  ...["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"],
  ...["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"],
] as DType[];

/** Formats whose blocks are no whole words. */
const PACKED: ReadonlySet<DType> = new Set(["q4_0", "q5_0", "q8_0", "iq4_nl", "q3_k", "q6_k"]);

async function weight(
  backend: Backend,
  dtype: DType,
  [rows, columns]: readonly [number, number],
  bytes: Uint8Array,
): Promise<Tensor> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 1001) yield await Promise.resolve(bytes.slice(at, at + 1001));
  }
  return await tensorFromPieces([rows, columns], dtype, pieces(), { backend });
}

function isPacked(x: Tensor): boolean {
  const { buffer } = x.storage;
  return buffer instanceof WebGpuBuffer && buffer.packed;
}

/** A backend whose device says that it binds no more than `bytes` at once: no real one can be had below 128 MiB. */
async function narrowBackend(bytes: number, maxBufferSize = 2 ** 26): Promise<WebGpuBackend & Disposable> {
  const device = await limitedDevice({ maxStorageBufferBindingSize: bytes, maxBufferSize });
  const backend = await createWebGpuBackend({ device });
  return Object.assign(backend, {
    [Symbol.dispose]: () => {
      backend.dispose();
      device.destroy();
    },
  });
}

function assertNear(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
  assertEquals(got.length, want.length, what);
  const scale = Array.from(want).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  for (let i = 0; i < want.length; i++) {
    assert(Math.abs(got[i]! - want[i]!) <= 2e-6 * scale, `${what}: element ${i} is ${got[i]}, want ${want[i]}`);
  }
}

Deno.test("a frozen weight is read, gathered, cast, viewed and multiplied as what it is", async () => {
  using backend = await softwareBackend();
  const scalar = createScalarBackend();
  for (const dtype of BLOCKS) {
    const bytes = randomBytes(dtype, 5 * 768, 7);
    using w = await weight(backend, dtype, [5, 768], bytes);
    using reference = await weight(scalar, dtype, [5, 768], bytes);
    using x = rand([3, 768], { backend, seed: 1 });
    using same = rand([3, 768], { backend: scalar, seed: 1 });
    using index = tensor([4, 0, 3], { backend, dtype: "i32" });
    const check = async (): Promise<void> => {
      using got = x.matmul(w.transpose(0, 1));
      using want = same.matmul(reference.transpose(0, 1));
      assertNear(await got.data(), await want.data(), `matmul by ${dtype}`);
      using rows = w.indexSelect(0, index);
      using decoded = reference.to("f32");
      const all = await decoded.data();
      assertEquals(
        await rows.data(),
        Float32Array.from([4, 0, 3].flatMap((row) => [...all.slice(768 * row, 768 * (row + 1))])),
      );
    };
    assertEquals(isPacked(w), PACKED.has(dtype), dtype);
    await check();
    assertEquals(isPacked(w), PACKED.has(dtype), dtype);
    using cast = w.to("f32"); // by a kernel that knows nothing of pairs
    using decoded = reference.to("f32");
    assertEquals(await cast.data(), await decoded.data(), dtype);
    assertEquals(isPacked(w), false);
    await check();
    assertEquals(isPacked(w), PACKED.has(dtype), dtype);
    assertEquals(await backend.download(w.storage.buffer as WebGpuBuffer, 0, 5 * 768), bytes, dtype);
    await check();
  }
});

Deno.test("an odd number of blocks is packed, and what is loaded counts its canonical bytes", async () => {
  using backend = await softwareBackend();
  const bytes = randomBytes("q8_0", 96, 3);
  using w = await weight(backend, "q8_0", [3, 32], bytes);
  assertEquals(backend.memory.liveBytes, 102);
  assertEquals((w.storage.buffer as WebGpuBuffer).byteLength, 136);
  assertEquals(await backend.download(w.storage.buffer as WebGpuBuffer, 0, 96), bytes);
  assertEquals(await backend.download(w.storage.buffer as WebGpuBuffer, 32, 64), bytes.slice(34));
});

Deno.test("a weight larger than a binding is written, packed, multiplied, gathered and read in windows", async () => {
  using backend = await narrowBackend(32768);
  const scalar = createScalarBackend();
  const cases: readonly (readonly [DType, number, number])[] = [
    ...[["f32", 100, 132], ["f32", 67, 201], ["f16", 160, 132], ["q4_0", 151, 544]] as const,
    ...[["q4_1", 200, 288], ["q6_k", 66, 768]] as const,
  ];
  for (const [dtype, rows, columns] of cases) {
    const bytes = randomBytes(dtype, rows * columns, rows);
    using w = await weight(backend, dtype, [rows, columns], bytes);
    using reference = await weight(scalar, dtype, [rows, columns], bytes);
    const what = `${dtype} [${rows}, ${columns}]`;
    assert((w.storage.buffer as WebGpuBuffer).byteLength > 32768, what);
    for (const m of [1, 9]) {
      using x = rand([m, columns], { backend, seed: 1 });
      using same = rand([m, columns], { backend: scalar, seed: 1 });
      using got = x.matmul(w.transpose(0, 1));
      using want = same.matmul(reference.transpose(0, 1));
      assertNear(await got.data(), await want.data(), `${m} rows by ${what} transposed`);
      using tall = rand([m, rows], { backend, seed: 2 });
      using sameTall = rand([m, rows], { backend: scalar, seed: 2 });
      using added = tall.matmul(w);
      using wantAdded = sameTall.matmul(reference);
      assertNear(await added.data(), await wantAdded.data(), `${m} rows by ${what}`);
      using part = x.matmul(w.narrow(0, 30, 31).transpose(0, 1));
      using wantPart = same.matmul(reference.narrow(0, 30, 31).transpose(0, 1));
      assertNear(await part.data(), await wantPart.data(), `${m} rows by a part of ${what}`);
    }
    const picked = [0, rows - 1, 31, rows >> 1];
    using index = tensor(picked, { backend, dtype: "i32" });
    using sameIndex = tensor(picked, { backend: scalar, dtype: "i32" });
    using got = w.indexSelect(0, index);
    using want = reference.indexSelect(0, sameIndex);
    assertEquals(await got.data(), await want.data(), `gathered from ${what}`);
    assertEquals(await backend.download(w.storage.buffer as WebGpuBuffer, 0, rows * columns), bytes, what);
  }
});

Deno.test("other kernels refuse a weight larger than a binding, with what to do", async () => {
  using backend = await narrowBackend(16384);
  using w = await weight(backend, "f32", [80, 64], randomBytes("f32", 80 * 64, 1));
  assertThrows(
    () => w.sum(),
    BackendError,
    "on webgpu: its 20480 bytes are more than the 16384 that the device binds at once, and only matmul (its right " +
      "operand) and gather read them in parts; split the weight by rows, or use another backend",
  );
  using batch = await tensorFromPieces([2, 40, 64], "f32", once(randomBytes("f32", 80 * 64, 1)), { backend });
  using x = rand([2, 3, 64], { backend, seed: 1 });
  assertThrows(
    () => x.matmul(batch.transpose(1, 2)),
    BackendError,
    "Cannot matmul [2, 3, 64] with f32 [2, 64, 40] on webgpu: its 20480 bytes are more than the 16384 that the device " +
      "binds at once, and its rows cannot be bound in parts; multiply by one of its batch at a time",
  );
  using first = x.narrow(0, 1, 1).reshape([3, 64]).matmul(batch.narrow(0, 1, 1).reshape([40, 64]).transpose(0, 1));
  assertEquals(first.shape, [3, 40]);
  await first.data();
  using many = await weight(backend, "f32", [300, 64], randomBytes("f32", 300 * 64, 1));
  using index = tensor([1], { backend, dtype: "i32" });
  assertThrows(
    () => many.indexSelect(0, index),
    BackendError,
    "Cannot indexSelect f32 [300, 64] on webgpu: its 76800 bytes are more than 4 times the 16384",
  );
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

Deno.test("what is beyond the device's limits is refused before anything is allocated, with bytes and limits", async () => {
  using backend = await narrowBackend(16384, 65536);
  const created = backend.created.buffers;
  await assertRejects(
    () => weight(backend, "f32", [1025, 16], new Uint8Array(65600)),
    BackendError,
    "Cannot allocate 16400 elements of f32 (65600 bytes) on webgpu: the device has buffers of at most 65536 bytes; split " +
      "the tensor, or use another backend",
  );
  assertThrows(
    () => rand([65, 64], { backend, seed: 1 }),
    BackendError,
    "Cannot allocate 4160 elements of f32 (16640 bytes) on webgpu: the device binds at most 16384 bytes at once",
  );
  assertEquals(backend.created.buffers, created);
  assertEquals(backend.memory.liveStorages, 0);
});
