import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { BackendError, rand, ShapeError, tensor, tidy } from "../../core/mod.ts";
import { WasmBackend } from "../src/backend.ts";
import { start } from "../src/instance.ts";
import { createWasmBackend, wasmBytes } from "../mod.ts";

Deno.test("describe says which build runs, on how many threads, and why not on more", async () => {
  const plain = await createWasmBackend({ build: "plain", threads: 2 });
  assertEquals(plain.describe().details, {
    ...plain.describe().details,
    ...{ build: "plain", threads: 1, whyNotMoreThreads: "the plain build has one thread" },
  });
  assertEquals(plain.describe().summary, "WebAssembly with SIMD, one thread");
  plain.dispose();
  const threads = await createWasmBackend({ threads: 2, matmulActivations: "f32" });
  assertEquals(threads.describe().summary, "WebAssembly with relaxed SIMD, 2 threads");
  assertEquals(threads.describe().details.whyNotMoreThreads, "2 were asked for");
  assert(threads.describe().precision.includes("activations stay f32"));
  threads.dispose();
});

Deno.test("without isolation the same call gives one thread and says why", async () => {
  Object.defineProperty(globalThis, "crossOriginIsolated", { value: false, configurable: true });
  try {
    const backend = await createWasmBackend({ threads: 2 });
    const { threads, whyNotMoreThreads } = backend.describe().details;
    assertEquals(threads, 1);
    assert(`${whyNotMoreThreads}`.startsWith("the page is not cross-origin isolated; serve it with"));
    using x = tensor([1, 2], { backend });
    using y = x.add(x);
    assertEquals(await y.toArray(), [2, 4]);
    backend.dispose();
  } finally {
    Reflect.deleteProperty(globalThis, "crossOriginIsolated");
  }
});

Deno.test("a wrong number of threads is refused", async () => {
  for (const threads of [0, -1, 1.5, NaN, 65, 1000]) {
    await assertRejects(
      () => createWasmBackend({ threads }),
      ShapeError,
      `Cannot create the wasm backend with ${threads} threads: give a whole number from 1 to 64, or "auto"`,
    );
  }
});

Deno.test("unknown options and values are refused before anything is started", async () => {
  const refusals: readonly [options: object, message: string][] = [
    [{ numThreads: 2 }, 'Cannot create the wasm backend with an option "numThreads": there is none; use threads'],
    [
      { foo: 1 },
      'Cannot create the wasm backend with an option "foo": there is none; use threads, wasm, build, matmulActivations, memoryBudgetBytes, workerTimeoutMs',
    ],
    [
      { build: "simd" },
      'Cannot create the wasm backend with build "simd": it is "plain" or "threads", or left out for the faster',
    ],
    [
      { matmulActivations: "i8" },
      'Cannot create the wasm backend with matmulActivations "i8": they are "int8" or "f32"',
    ],
    [{ workerTimeoutMs: 0 }, "Cannot create the wasm backend with workerTimeoutMs 0: it is above 0"],
    [
      { memoryBudgetBytes: "1GB" },
      'Cannot keep to memoryBudgetBytes "1GB": it is a number of bytes, or left out for no end',
    ],
    [
      { memoryBudgetBytes: NaN },
      "Cannot keep to memoryBudgetBytes NaN: it is a number of bytes, or left out for no end",
    ],
  ];
  for (const [options, message] of refusals) {
    assertEquals((await assertRejects(() => createWasmBackend(options), ShapeError)).message, message);
  }
});

Deno.test("kernels may come as bytes, as a module, or from an address", async () => {
  const bytes = await wasmBytes("plain");
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    return new URL(request.url).pathname === "/heed.wasm" ? new Response(bytes) : new Response("", { status: 404 });
  });
  const address = `http://127.0.0.1:${server.addr.port}/`;
  for (const wasm of [bytes, await WebAssembly.compile(bytes), new URL("heed.wasm", address)]) {
    const backend = await createWasmBackend({ wasm });
    using x = tensor([1, 2], { backend });
    using y = x.mul(x);
    assertEquals(await y.toArray(), [1, 4]);
    backend.dispose();
  }
  await assertRejects(
    () => createWasmBackend({ wasm: new URL("nothing.wasm", address) }),
    BackendError,
    "cannot be fetched: 404",
  );
  await server.shutdown();
  await assertRejects(
    () => createWasmBackend({ wasm: new URL("heed.wasm", address) }),
    BackendError,
    "cannot be fetched",
  );
});

/** A module of two functions without parameters that return a number, with these names. */
function moduleOf(functions: Readonly<Record<string, number>>): Uint8Array<ArrayBuffer> {
  const text = (s: string): number[] => [s.length, ...new TextEncoder().encode(s)];
  const section = (id: number, body: number[]): number[] => [id, body.length, ...body];
  const names = Object.keys(functions);
  const bodies = Object.values(functions).flatMap((value) => [5, 0, 0x41, (value & 0x7f) | 0x80, value >> 7, 0x0b]);
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 1, 0x7f]),
    ...section(3, [names.length, ...names.map(() => 0)]),
    ...section(7, [names.length, ...names.flatMap((name, i) => [...text(name), 0, i])]),
    ...section(10, [names.length, ...bodies]),
  ]);
}

Deno.test("bytes that are not ours, or of another version, are refused", async () => {
  const remedy = "leave the option `wasm` out, or take the bytes from wasmBytes()";
  const refused = async (wasm: Uint8Array<ArrayBuffer>, why: string) => {
    const { message } = await assertRejects(() => createWasmBackend({ wasm }), BackendError);
    assert(message.startsWith(`Cannot create the wasm backend from the given bytes: ${why}`), message);
    assert(message.endsWith(remedy), message);
  };
  await refused(new Uint8Array([1, 2, 3]), "they are no WebAssembly this engine takes");
  await refused((await wasmBytes("plain")).slice(0, 10_000), "they are no WebAssembly this engine takes");
  await refused(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), "they are not Heed's kernels");
  await refused(moduleOf({ something: 1, else: 2 }), "they are not Heed's kernels");
  await refused(
    moduleOf({ abi_version: 999, pool_failure: 0, operand_bytes: 84 }),
    "they are version 999 of Heed's kernels, and this is version",
  );
});

Deno.test("what an engine or a page's policy does not compile is a BackendError, of our bytes and of given ones", async () => {
  const { compile, Module } = WebAssembly;
  const refuses = (): never => {
    throw new WebAssembly.CompileError("not here");
  };
  const bytes = await wasmBytes("plain");
  const messages = async (): Promise<string[]> => {
    const attempts = [{ build: "plain" }, { wasm: bytes }] as const;
    const errors = await Promise.all(attempts.map((it) => assertRejects(() => createWasmBackend(it), BackendError)));
    return errors.map(({ message }) => message);
  };
  try {
    WebAssembly.compile = refuses;
    assertEquals(await messages(), [
      "Cannot create the wasm backend: its plain build does not compile: not here",
      "Cannot create the wasm backend from the given bytes: they are no WebAssembly this engine takes (not here); " +
      "leave the option `wasm` out, or take the bytes from wasmBytes()",
    ]);
    WebAssembly.Module = class extends Module {
      constructor(bytes: BufferSource) {
        super(bytes);
        refuses();
      }
    };
    const forbidden = "Cannot create the wasm backend: this page's Content-Security-Policy forbids WebAssembly; " +
      "add 'wasm-unsafe-eval' to its script-src";
    assertEquals(await messages(), [forbidden, forbidden]);
  } finally {
    Object.assign(WebAssembly, { compile, Module });
  }
});

Deno.test("after dispose everything but free throws", async () => {
  const backend = await createWasmBackend({ threads: 2 });
  const buffer = backend.allocate("f32", 4);
  const operand = { buffer, dtype: "f32", shape: [4], strides: [1], offset: 0 } as const;
  backend.dispose();
  backend.dispose();
  const told = (op: string) => `Cannot ${op} on wasm: the backend was disposed of`;
  assertThrows(() => backend.allocate("f32", 1), BackendError, told("allocate"));
  assertThrows(() => backend.write(buffer, 0, new Uint8Array(4)), BackendError, told("write"));
  assertThrows(() => backend.downloadSync!(buffer, 0, 4), BackendError, told("download"));
  assertThrows(() => backend.kernels.fill.run([], [operand], { value: 0, step: 0 }), BackendError, told("fill"));
  assertThrows(() => backend.describe(), BackendError, told("describe it"));
  assertThrows(() => backend.freeze(buffer), BackendError, told("freeze"));
  assertThrows(() => backend.flush(), BackendError, told("flush"));
  await assertRejects(() => backend.download(buffer, 0, 4), BackendError, told("download"));
  await assertRejects(() => backend.settled(), BackendError, told("wait"));
  backend.free(buffer);
});

Deno.test("two backends in one process do not know of each other", async () => {
  const one = await createWasmBackend({ threads: 2 });
  const two = await createWasmBackend({ threads: 2 });
  using a = tensor([1, 2, 3], { backend: one });
  using b = tensor([4, 5, 6], { backend: two });
  assertThrows(() => a.add(b), BackendError, "move one with await t.to(backend)");
  using moved = await a.to(two);
  using sum = moved.add(b);
  one.dispose();
  assertEquals(await sum.toArray(), [5, 7, 9]);
  two.dispose();
});

for (const build of ["plain", "threads"] as const) {
  Deno.test(`beyond what WebAssembly can address an error names the bytes, and all goes on, ${build}`, async () => {
    const backend = await createWasmBackend({ build, threads: 1 });
    using x = tensor([1, 2, 3], { backend });
    const large: Disposable[] = [];
    const { message } = assertThrows(() => {
      for (let i = 0; i < 5; i++) large.push(hold(backend));
    }, BackendError);
    assert(
      /^Cannot allocate 268435456 elements of f32 on wasm: there is no room for 1073741824 bytes/.test(message),
      message,
    );
    assert(/beside the \d{10} in use, of the 4294967296/.test(message), message);
    using line = tensor([3, 1, 2], { backend }).expand([1_000_000, 3]).reshape([-1]);
    const outputs = [hold(backend, 3_000_000), hold(backend, 3_000_000)];
    assertThrows(() => {
      for (;;) large.push(hold(backend, 2 ** 16));
    }, BackendError);
    for (const room of outputs) room[Symbol.dispose](); // there is room for the results, but not to work in
    assertThrows(() => line.sort(), BackendError, "Cannot sort on wasm: there is no room for");
    using y = x.add(x);
    assertEquals(await y.toArray(), [2, 4, 6]);
    for (const tensor of large) tensor[Symbol.dispose]();
    hold(backend)[Symbol.dispose]();
    backend.dispose();
  });
}

Deno.test("memory that someone else grows loses nothing, and what is beyond it stays out of reach", async () => {
  for (const build of ["plain", "threads"] as const) {
    const started = await start(await WebAssembly.compile(await wasmBytes(build)));
    const parts = { started, workers: undefined, whyNotMore: "", memoryBudgetBytes: Infinity, workerTimeoutMs: 30_000 };
    const backend = new WasmBackend({ ...parts, matmulActivations: "int8" });
    using x = tensor([1, 2, 3], { backend });
    const views = [started.memory.buffer];
    for (let i = 0; i < 3; i++) {
      started.memory.grow(1); // detaches what the host looked through, or leaves it too short
      views.push(started.memory.buffer);
      using y = tidy(() => x.add(rand([300_000], { backend, seed: 1 }).sum().mul(0)));
      assertEquals(await y.toArray(), [1, 2, 3]);
    }
    assertEquals(new Set(views).size, 4);
    const buffer = backend.allocate("f32", 4);
    const beyond = { buffer, dtype: "f32", shape: [5], strides: [1], offset: 0 } as const;
    assertThrows(() => backend.kernels.fill.run([], [beyond], { value: 0, step: 0 }), BackendError, "is refused");
    backend.free(buffer);
    backend.dispose();
  }
});

/** By default a gigabyte, which nobody touches, so that it takes no memory of the machine. */
function hold(backend: Awaited<ReturnType<typeof createWasmBackend>>, numel = 2 ** 28): Disposable {
  const buffer = backend.allocate("f32", numel);
  return { [Symbol.dispose]: () => backend.free(buffer) };
}

Deno.test("a program that leaves its workers be still ends, with no permission at all", async () => {
  const program = `
    import { createWasmBackend } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
    const backend = await createWasmBackend({ threads: 2 });
    console.log(backend.describe().details.threads);
  `;
  const args = ["run", "--no-prompt", "--no-check", `data:text/typescript,${encodeURIComponent(program)}`];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout).trim(), "2");
});
