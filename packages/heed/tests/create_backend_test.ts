/** What createBackend refuses before any backend is asked for, and what it hands to which. */
import { assertEquals, assertRejects } from "@std/assert";
import { BackendError, createBackend, type CreateBackendOptions, ShapeError } from "../mod.ts";

Deno.test("options that no backend has are refused, with what to use instead", async () => {
  for (
    const [name, instead] of [["thread", "threads"], ["numThreads", "threads"], ["memoryLimit", "memoryBudgetBytes"]]
  ) {
    const options = { [name!]: 2 } as CreateBackendOptions; // from JavaScript
    const error = await assertRejects(() => createBackend("scalar", options), ShapeError);
    assertEquals(error.message, `Cannot create a backend with an option "${name}": there is none; use ${instead}`);
  }
  await assertRejects(
    () => createBackend("scalar", { foo: 1 } as CreateBackendOptions),
    ShapeError,
    "use threads, wasm",
  );
});

Deno.test("a value out of its range is refused, and no other backend taken instead", async () => {
  const wrong: readonly object[] = [
    { threads: 0 },
    { threads: 1000 },
    { build: "simd" },
    { matmulActivations: "i8" },
    ...[-1, NaN, "1GB", null].map((memoryBudgetBytes) => ({ memoryBudgetBytes })),
  ];
  for (const options of wrong) await assertRejects(() => createBackend(["wasm", "scalar"], options), ShapeError);
  const device = {} as GPUDevice; // from JavaScript
  await assertRejects(
    () => createBackend(["webgpu", "scalar"], { device }),
    ShapeError,
    "webgpu with the device an object",
  );
  await assertRejects(() => createBackend({ threads: 2 } as unknown as string), BackendError, "names come first");
});

Deno.test("each backend is given the options that concern it", async () => {
  const options = { threads: 1, softwareAdapter: true, matmulActivations: "f32", memoryBudgetBytes: 1000 } as const;
  for (const name of ["scalar", "wasm"]) {
    const backend = await createBackend(name, options);
    assertEquals([backend.name, backend.memory.budgetBytes], [name, 1000]);
    backend.dispose();
  }
  for (const name of ["wasm", "webgpu"]) {
    const backend = await createBackend(name, { ...options, matmulActivations: "int8" });
    assertEquals(backend.describe().details["matmulActivations"], "int8");
    backend.dispose();
  }
});
