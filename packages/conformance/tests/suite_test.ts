import { assertEquals, assertStringIncludes } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, type Kernel, type KernelName, neg, type Operand } from "../../core/mod.ts";
import { poisoned, runSuite } from "../mod.ts";
import { runSuiteCase } from "../src/suite/run_suite.ts";
import type { SuiteCase } from "../src/suite/suite_case.ts";

type AnyKernel = Kernel<unknown, readonly Operand[], unknown>;

/** A backend one of whose kernels runs something else. */
function withKernel(name: KernelName, run: (kernel: AnyKernel) => AnyKernel["run"]): Backend {
  const inner: Backend = poisoned(createScalarBackend() as Backend); // as one of unknown buffers
  const kernel = inner.kernels[name] as AnyKernel; // the table's types are per name; here any name
  return { ...inner, kernels: { ...inner.kernels, [name]: { ...kernel, run: run(kernel) } } };
}

/** Which cases each kernel is behind. */
const FILTERS: Readonly<Record<KernelName, string>> = {
  fill: "write/full",
  copy: "copy/",
  unary: "unary/exp f32",
  binary: "binary/add",
  where: "where/",
  reduce: "reduce/sum",
  scan: "scan/",
  matmul: "matmul/[",
  gather: "gather/f32",
  scatter: "scatter/add",
  sort: "sort/f32",
  random: "random/rand",
  softmax: "softmax/f32",
  rmsNorm: "norm/f32",
  rope: "rope/f32",
  siluMul: "siluMul/f32",
  attention: "attention/",
};

Deno.test("suite: the scalar backend passes, and skips nothing", async () => {
  const failures: string[] = [];
  const backend = createScalarBackend();
  const summary = await runSuite({
    backend,
    onResult: (result) => result.status === "passed" || failures.push(`${result.name}: ${result.message}`),
  });
  assertEquals(failures, []);
  assertEquals(summary.skipped, 0);
  assertEquals(summary.passed > 5000, true);
  assertEquals(backend.memory.liveStorages, 0);
});

for (const [name, filter] of Object.entries(FILTERS) as [KernelName, string][]) { // entries() forgets the key type
  Deno.test(`suite: a ${name} kernel that writes nothing is caught`, async () => {
    const right = await runSuite({ backend: createScalarBackend(), filter });
    assertEquals([right.failed, right.passed > 0], [0, true]);
    const idle = await runSuite({ backend: withKernel(name, () => () => {}), filter });
    assertEquals(idle.failed > right.passed / 3, true, `${idle.failed} of ${right.passed} cases failed`);
  });
}

/** The same operand without its last element. */
function shortened(operand: Operand): Operand {
  return { ...operand, shape: [operand.shape[0]! - 1] };
}

Deno.test("suite: a kernel that forgets the last element is caught by the poison", async () => {
  const forgetful = withKernel("unary", (kernel) => (inputs, outputs, attrs) => {
    const whole = outputs[0]!.shape;
    if (whole.length !== 1 || whole[0]! < 2) return kernel.run(inputs, outputs, attrs);
    kernel.run(inputs.map(shortened), outputs.map(shortened), attrs);
  });
  const messages: string[] = [];
  const summary = await runSuite({
    backend: forgetful,
    filter: "unary/abs f32 [7] contiguous",
    onResult: ({ message }) => messages.push(message ?? ""),
  });
  assertEquals(summary, { passed: 0, failed: 1, skipped: 0 });
  assertStringIncludes(messages[0]!, "at [6] got NaN");
});

Deno.test("suite: fresh memory is poison in every dtype", async () => {
  const backend = poisoned(createScalarBackend());
  const values = new Set(await backend.download(backend.allocate("f32", 4), 0, 4));
  assertEquals(values, new Set([255]));
  const bools = new Set(await backend.download(backend.allocate("bool", 64), 0, 64));
  assertEquals(bools, new Set([0, 1]));
});

const RIGHT: SuiteCase = {
  name: "test/neg",
  run: (c) => {
    const x = c.operand([3]);
    return { got: neg(x.tensor), want: { shape: [3], data: x.dense.data.map((v) => -v) } };
  },
};

Deno.test("suite: a leak fails", async () => {
  const backend = poisoned(createScalarBackend());
  assertEquals((await runSuiteCase(backend, RIGHT)).status, "passed");
  const leaky: SuiteCase = {
    ...RIGHT,
    run: (c) => {
      c.operand([2]).tensor.keep();
      return RIGHT.run(c);
    },
  };
  const { status, message } = await runSuiteCase(backend, leaky);
  assertEquals(status, "failed");
  assertStringIncludes(message!, "it leaks: 1 more storages alive than before");
});

Deno.test("suite: a missing capability skips, and says which", async () => {
  const inner: Backend = poisoned(createScalarBackend() as Backend); // as one of unknown buffers
  const backend: Backend = { ...inner, hasDType: (dtype) => dtype !== "f64" && inner.hasDType(dtype) };
  const result = await runSuiteCase(backend, { ...RIGHT, needs: ["f32", "f64"] });
  assertEquals(result, { name: "test/neg", status: "skipped", message: "needs f64" });
});

Deno.test("suite: a wrong dtype, shape or error fails", async () => {
  const backend = poisoned(createScalarBackend());
  const failing: Partial<SuiteCase>[] = [
    { run: (c) => ({ ...[RIGHT.run(c)].flat()[0]!, dtype: "i32" }) },
    { run: (c) => ({ ...[RIGHT.run(c)].flat()[0]!, want: { shape: [1, 3], data: new Float64Array(3) } }) },
    { run: (c) => neg(c.operand([2]).tensor.reshape([3])) && [] },
  ];
  for (const part of failing) assertEquals((await runSuiteCase(backend, { ...RIGHT, ...part })).status, "failed");
});
