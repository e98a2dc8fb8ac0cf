import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Backend, BackendError, tensor } from "../../core/mod.ts";
import { WasmBackend } from "../src/backend.ts";
import { WasmBuffer, type WasmOperand } from "../src/buffer.ts";
import { createWasmBackend } from "../src/create.ts";
import { start, wasmBytes } from "../src/instance.ts";
import { WORKER_SOURCE } from "../src/worker_source.ts";
import { Workers } from "../src/workers.ts";

const NUMEL = 2 ** 20;

/** An operand that claims more than there is, which no tensor can: reading its end traps, in whichever thread. */
function beyondMemory(backend: Backend<WasmBuffer>): WasmOperand {
  const real = backend.allocate("u8", 1);
  const end = Number(backend.describe().details.linearMemoryBytes);
  const buffer = new WasmBuffer(real.heap, "f32", NUMEL, end - NUMEL * 2); // half of it is there
  return { buffer, dtype: "f32", shape: [NUMEL], strides: [1], offset: 0 };
}

function negate(backend: Backend<WasmBuffer>, x: WasmOperand, out: WasmBuffer): void {
  backend.kernels.unary.run([x], [{ buffer: out, dtype: "f32", shape: [NUMEL], strides: [1], offset: 0 }], {
    op: "neg",
  });
}

async function assertWorks(backend: Backend<WasmBuffer>): Promise<void> {
  using x = tensor(new Float32Array(NUMEL).map((_, i) => i), { backend });
  using y = x.neg();
  const data = await y.data();
  assert(data.every((value, i) => value === -i), "all parts were computed");
}

Deno.test("a trap, in the caller or in a worker, is an error of the call, and the next one works", async () => {
  for (const threads of [1, 2, 3]) {
    const backend = await createWasmBackend({ threads });
    const out = backend.allocate("f32", NUMEL);
    for (let i = 0; i < 20; i++) {
      const error = assertThrows(
        () => negate(backend, beyondMemory(backend), out),
        BackendError,
        "Cannot unary on wasm",
      );
      assert(error.message.includes("trapped"), error.message);
    }
    await assertWorks(backend);
    assertEquals(backend.describe().details.threads, threads);
    backend.dispose();
  }
});

/** Workers that die of a trap without a word, as one does that is killed. */
const MORTAL = WORKER_SOURCE.replace(/exports\.pool_chunk_failed\(\);/, "return;");

Deno.test("a worker that dies in the middle is an error of the call, and one thread goes on", async () => {
  assert(MORTAL !== WORKER_SOURCE);
  const started = await start(await WebAssembly.compile(await wasmBytes("threads")));
  const workers = await Workers.start(started, 1, MORTAL);
  const backend = new WasmBackend({
    started,
    workers,
    whyNotMore: "",
    matmulActivations: "int8",
    memoryBudgetBytes: Infinity,
    workerTimeoutMs: 200,
  });
  const out = backend.allocate("f32", NUMEL);
  let message = "";
  for (let i = 0; i < 1000 && !message.includes("did not come back"); i++) { // until the worker takes what traps
    message = assertThrows(() => negate(backend, beyondMemory(backend), out), BackendError).message;
  }
  const lost =
    "Cannot unary on wasm: a worker took a part of it and did not come back; the backend goes on with one thread";
  assertEquals(message, lost);
  assertEquals(backend.describe().details, {
    ...backend.describe().details,
    ...{ threads: 1, whyNotMoreThreads: "a worker was lost in unary" },
  });
  await assertWorks(backend);
  backend.dispose();
});

Deno.test("a worker that dies while idle is not missed", async () => {
  const started = await start(await WebAssembly.compile(await wasmBytes("threads")));
  const workers = await Workers.start(started, 2);
  const parts = { started, workers, whyNotMore: "", memoryBudgetBytes: Infinity, workerTimeoutMs: 30_000 };
  const backend = new WasmBackend({ ...parts, matmulActivations: "int8" });
  workers.terminate();
  await assertWorks(backend);
  backend.dispose();
});

Deno.test("workers that do not start are an error, which createWasmBackend turns into a reason", async () => {
  const started = await start(await WebAssembly.compile(await wasmBytes("threads")));
  const error = await Workers.start(started, 2, "process.exit()").then(() => undefined, String);
  assertEquals(error, "Error: it ended");
});
