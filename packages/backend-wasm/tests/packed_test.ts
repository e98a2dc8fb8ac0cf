/** Frozen weights, which the first matmul repacks: everyone else sees them as they were written. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { BackendError, type DType, rand, type Tensor, tensorFromPieces, tidy } from "../../core/mod.ts";
import { byteLengthOf } from "../../core/src/dtype.ts";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { createWasmBackend } from "../mod.ts";
import { WasmBuffer } from "../src/buffer.ts";
import { draws } from "./draws.ts";

const [ROWS, K] = [37, 512];

/** What has a packed form. */
const PACKED: ReadonlySet<DType> = new Set(["q4_0", "q4_1", "q8_0", "q4_k", "q6_k"]);

function isPacked(x: Tensor): boolean {
  const { buffer } = x.storage;
  return buffer instanceof WasmBuffer && (buffer.packed ?? 0) !== 0;
}

/** Blocks of random bits whose scales, wherever they are, are small numbers: no f16 of theirs is beyond 2. */
function randomBlocks(dtype: DType, seed: number): Uint8Array {
  const random = draws(seed);
  const bytes = Uint8Array.from({ length: byteLengthOf(dtype, ROWS * K) }, () => Math.floor(random() * 256) & 0xbf);
  return bytes;
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

async function weight(backend: Awaited<ReturnType<typeof createWasmBackend>>, dtype: DType): Promise<Tensor> {
  return await tensorFromPieces([ROWS, K], dtype, whole(randomBlocks(dtype, 7)), { backend });
}

Deno.test("a packed weight is downloaded, gathered, viewed and multiplied as what it is", async (t) => {
  for (const options of [{ build: "plain" }, { threads: 2 }] as const) {
    const backend = await createWasmBackend({ ...options, matmulActivations: "f32" });
    const scalar = createScalarBackend();
    for (const dtype of ["q4_0", "q4_1", "q8_0", "q4_k", "q6_k", "q5_0", "iq4_nl"] satisfies DType[]) {
      await t.step(`${dtype}, ${JSON.stringify(options)}`, async () => {
        using w = await weight(backend, dtype);
        using x = rand([3, K], { backend, seed: 1 });
        using y = x.matmul(w.transpose(0, 1));
        const before = randomBlocks(dtype, 7);
        const check = async (): Promise<void> => {
          using row = tidy(() => w.narrow(0, 20, 1).to("f32").reshape([-1]));
          using decoded = w.to("f32");
          const [all, part] = [await decoded.data(), await row.data()];
          assertEquals(part, all.slice(20 * K, 21 * K));
          using reference = await w.to(scalar);
          using want = reference.to("f32");
          assertEquals(all, await want.data());
        };
        assertEquals(isPacked(w), PACKED.has(dtype));
        await check(); // reads it packed
        assertEquals(await w.backend.download(w.storage.buffer, 0, ROWS * K), before);
        assertEquals(isPacked(w), false);
        await check(); // reads it unpacked
        using again = x.matmul(w.transpose(0, 1));
        assertEquals(await again.data(), await y.data());
        using sum = y.sum();
        assert(Number.isFinite(await sum.item()));
      });
    }
    backend.dispose();
  }
});

Deno.test("a constant f32 matrix is put into panels once, and gives what it gave before", async () => {
  const [k, n] = [300, 41];
  const random = draws(3);
  const bytes = new Uint8Array(Float32Array.from({ length: k * n }, () => random() - 0.5).buffer);
  for (const options of [{ build: "plain" }, { threads: 2 }] as const) {
    const backend = await createWasmBackend(options);
    const loose = await tensorFromPieces([n, k], "f32", whole(bytes), { backend, constant: false });
    const weight = await tensorFromPieces([n, k], "f32", whole(bytes), { backend });
    for (const shape of [[1, k], [4, k], [5, k], [64, k], [3, 7, k], [200, k]]) {
      using x = rand(shape, { backend, seed: 2 });
      using want = tidy(() => x.matmul(loose.transpose(0, 1)));
      using got = tidy(() => x.matmul(weight.transpose(0, 1)));
      assertEquals(await got.data(), await want.data(), `[${shape}]`);
    }
    const { buffer } = weight.storage;
    assert(buffer instanceof WasmBuffer && buffer.panels !== undefined);
    using x = rand([9, k], { backend, seed: 2 });
    using want = tidy(() => x.matmul(loose.narrow(0, 3, 20).transpose(0, 1)));
    using got = tidy(() => x.matmul(weight.narrow(0, 3, 20).transpose(0, 1)));
    assertEquals(await got.data(), await want.data(), "another view of it");
    assertEquals(await weight.backend.download(buffer, 0, k * n), bytes);
    const inUse = buffer.heap.bytesInUse;
    const panelBytes = buffer.panels.byteLength;
    weight.dispose();
    assert(buffer.heap.bytesInUse <= inUse - panelBytes - buffer.byteLength, "panels go with it");
    loose.dispose();
    backend.dispose();
  }
});

Deno.test("a single row multiplies a constant [K, N] in panels, of any width, and f16 rows too", async () => {
  const [k, widths] = [301, [8, 9, 24, 41, 129, 1000]];
  for (const options of [{ build: "plain" }, { threads: 2 }] as const) {
    const backend = await createWasmBackend(options);
    for (const n of widths) {
      const random = draws(n);
      const bytes = new Uint8Array(Float32Array.from({ length: k * n }, () => random() - 0.5).buffer);
      using loose = await tensorFromPieces([k, n], "f32", whole(bytes), { backend, constant: false });
      using weight = await tensorFromPieces([k, n], "f32", whole(bytes), { backend });
      using x = rand([1, k], { backend, seed: 2 });
      for (const [dtype, ulp] of [["f32", 2 ** -23], ["f16", 2 ** -10], ["bf16", 2 ** -7]] as const) {
        using row = x.to(dtype);
        using want = row.matmul(loose);
        using got = row.matmul(weight);
        using apart = tidy(() => got.to("f32").sub(want.to("f32")).abs().amax());
        using most = tidy(() => want.to("f32").abs().amax());
        const bound = 2 * ulp * await most.item();
        assert(await apart.item() <= bound, `${dtype} by [${k}, ${n}]: ${await apart.item()} beyond ${bound}`);
      }
      assert(backend.memory.packedBytes >= weight.storage.byteLength, `[${k}, ${n}] is not packed`);
    }
    backend.dispose();
  }
});

/** A constant f32 matrix [300, 41], whose panels take no less. */
async function constant(backend: Awaited<ReturnType<typeof createWasmBackend>>): Promise<Tensor> {
  const random = draws(4);
  const bytes = new Uint8Array(Float32Array.from({ length: 300 * 41 }, () => random() - 0.5).buffer);
  return await tensorFromPieces([300, 41], "f32", whole(bytes), { backend });
}

Deno.test("panels count as live bytes, from the first product that wants them until their matrix goes", async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const { memory } = backend;
  const weight = await constant(backend);
  const x = rand([9, 300], { backend, seed: 1 });
  const before = memory.liveBytes;
  assertEquals([memory.packedBytes, backend.describe().details.packedBytes], [0, 0]);
  tidy(() => void x.narrow(0, 0, 4).matmul(weight)); // as many rows are best as it lies
  assertEquals(memory.packedBytes, 0);
  tidy(() => void x.matmul(weight));
  assert(memory.packedBytes >= weight.storage.byteLength, `${memory.packedBytes}`);
  assertEquals(memory.liveBytes, before + memory.packedBytes);
  assertEquals(backend.describe().details.packedBytes, memory.packedBytes);
  tidy(() => void x.matmul(weight));
  assertEquals(memory.liveBytes, before + memory.packedBytes, "made once");
  const view = weight.transpose(0, 1);
  weight.dispose();
  assertEquals(memory.liveBytes, before + memory.packedBytes, "a view holds them");
  view.dispose();
  x.dispose();
  assertEquals([memory.liveBytes, memory.packedBytes, memory.liveStorages], [0, 0, 0]);
  backend.dispose();
});

Deno.test("panels that would pass the budget are not made, and an error tells of those that were", async () => {
  const backend = await createWasmBackend({ threads: 1, memoryBudgetBytes: 200_000 });
  const { memory } = backend;
  using x = rand([9, 300], { backend, seed: 1 });
  using weight = await constant(backend);
  using want = x.matmul(weight);
  const { packedBytes } = memory;
  assert(packedBytes > 0);
  using other = await constant(backend);
  tidy(() => void rand([1000], { backend, seed: 1 })); // there is room for a result, and none for panels
  using got = x.matmul(other);
  assertEquals(await got.data(), await want.data());
  assertEquals(memory.packedBytes, packedBytes);
  const { message } = assertThrows(() => rand([10_000], { backend, seed: 1 }), BackendError);
  assert(message.includes(`live ones (${packedBytes} of packed weights) would pass the budget of 200000`), message);
  backend.dispose();
});
