import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { BackendError } from "../../core/src/errors.ts";
import { Storage } from "../../core/src/memory.ts";
import { createScalarBackend } from "../mod.ts";

Deno.test("bytes written in pieces, cut anywhere, come back", async () => {
  const backend = createScalarBackend();
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  const buffer = backend.allocate("f32", 4);
  for (const [from, to] of [[0, 3], [3, 9], [9, 16]] as const) backend.write(buffer, from, bytes.subarray(from, to));
  backend.freeze(buffer);
  assertEquals(await backend.download(buffer, 0, 4), bytes);
  assertEquals(backend.downloadSync!(buffer, 1, 2), bytes.subarray(4, 12));
});

Deno.test("a download of blocks is in whole blocks, and a copy", () => {
  const backend = createScalarBackend();
  const buffer = backend.allocate("q8_0", 64);
  const bytes = Uint8Array.from({ length: 68 }, (_, i) => i);
  backend.write(buffer, 0, bytes);
  const second = backend.downloadSync!(buffer, 32, 32);
  assertEquals(second, bytes.subarray(34));
  second.fill(0);
  assertEquals(backend.downloadSync!(buffer, 32, 32), bytes.subarray(34));
});

Deno.test("a write beyond the buffer is an internal error", () => {
  const backend = createScalarBackend();
  const buffer = backend.allocate("f32", 2);
  assertThrows(
    () => backend.write(buffer, 4, new Uint8Array(8)),
    Error,
    "Internal: a write of 8 bytes at 4 misses a buffer of 8",
  );
});

Deno.test("a freed buffer cannot be used, and is freed once", () => {
  const backend = createScalarBackend();
  const buffer = backend.allocate("f32", 2);
  backend.free(buffer);
  backend.free(buffer);
  assertThrows(() => backend.downloadSync!(buffer, 0, 1), Error, "Internal: a f32 buffer was used after it was freed");
  const [first, second] = [backend.allocate("f32", 2), backend.allocate("f32", 2)];
  backend.write(first, 0, new Uint8Array(8).fill(1));
  backend.write(second, 0, new Uint8Array(8).fill(2));
  assertEquals(backend.downloadSync!(first, 0, 2), new Uint8Array(8).fill(1)); // given out to one only
});

Deno.test("freed memory is used again, for the same dtype and size only", () => {
  const backend = createScalarBackend();
  const buffer = backend.allocate("f32", 8);
  const { elements } = buffer;
  backend.free(buffer);
  assertEquals(backend.allocate("f32", 4).elements === elements, false);
  assertEquals(backend.allocate("i32", 8).elements === elements, false);
  assertEquals(backend.allocate("f32", 8).elements === elements, true);
});

Deno.test("freed memory beyond the pool's limit is let go", () => {
  const backend = createScalarBackend();
  const small = backend.allocate("u8", 1000);
  const { elements } = small;
  backend.free(small);
  backend.free(backend.allocate("u8", 2 ** 24));
  assertEquals(backend.allocate("u8", 1000).elements === elements, false);
});

Deno.test("an allocation beyond the engine's limit is a BackendError with the bytes", () => {
  const backend = createScalarBackend();
  assertThrows(
    () => backend.allocate("f64", 2 ** 50),
    BackendError,
    "Cannot allocate 1125899906842624 elements of f64 on scalar: the engine has no room for 9007199254740992 bytes",
  );
});

Deno.test("the budget is refused with what is alive", () => {
  const backend = createScalarBackend({ memoryBudgetBytes: 100 });
  const storage = new Storage(backend, "f32", 20, [4, 5]);
  assertThrows(
    () => new Storage(backend, "f32", 6, [6]),
    BackendError,
    "Cannot allocate f32 [6] on scalar: 24 bytes more than the 80 live ones would pass the budget of 100; " +
      "largest live tensors: f32 [4, 5] (80 bytes)",
  );
  storage.retain();
  storage.release();
  assertEquals(backend.memory.liveBytes, 0);
  new Storage(backend, "f32", 25, [25]);
});

Deno.test("after dispose every method throws, and freeing is harmless", async () => {
  const backend = createScalarBackend();
  const buffer = backend.allocate("f32", 1);
  backend.dispose();
  backend.dispose();
  const calls: Record<string, () => void> = {
    "allocate": () => backend.allocate("f32", 1),
    "write": () => backend.write(buffer, 0, new Uint8Array(4)),
    "freeze": () => backend.freeze(buffer),
    "download": () => backend.downloadSync!(buffer, 0, 1),
    "flush": () => backend.flush(),
    "describe it": () => backend.describe(),
    "look up a dtype": () => backend.hasDType("f32"),
  };
  for (const [op, call] of Object.entries(calls)) {
    assertThrows(call, BackendError, `Cannot ${op} on scalar: the backend was disposed of`);
  }
  await assertRejects(() => backend.download(buffer, 0, 1), BackendError, "Cannot download on scalar");
  await assertRejects(() => backend.settled(), BackendError, "Cannot wait on scalar");
  backend.free(buffer);
});

Deno.test("it says what it is", async () => {
  const backend = createScalarBackend({ memoryBudgetBytes: 1000 });
  const { name, precision, details } = backend.describe();
  assertEquals(name, "scalar");
  assertEquals(precision, "arithmetic in f64, rounded once to the dtype of the output");
  assertEquals(details, { threads: 1, memoryBudgetBytes: 1000 });
  backend.flush();
  assertEquals(await backend.settled(), undefined);
});
