import { assertEquals, assertStringIncludes } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, matmul, neg } from "../../core/mod.ts";
import { type CaseResult, groupNames, runGolden } from "../mod.ts";
import type { Mapping } from "../src/golden/call.ts";
import { runCase } from "../src/golden/run_case.ts";
import { loadGroup } from "../src/golden/vector_group.ts";
import { memoryReader, type TestTensor } from "./memory_reader.ts";

const X: TestTensor = { shape: [2, 2], values: [1, -2, 3, -4] };
const NEGATED: TestTensor = { shape: [2, 2], values: [-1, 2, -3, 4] };
const CASE = { name: "it", op: "neg", inputs: { x: "x" }, outputs: { output: "y" }, rtol: 0, atol: 0 };

async function resultsOf(
  group: string,
  cases: readonly unknown[],
  tensors: Record<string, TestTensor>,
  options: { backend?: Backend; groups?: string[]; filter?: string } = {},
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  const reader = memoryReader({ [group]: { cases, tensors } });
  const backend = createScalarBackend();
  await runGolden({ backend, reader, groups: [group], ...options, onResult: (result) => results.push(result) });
  return results;
}

async function only(
  group: string,
  golden: unknown,
  tensors: Record<string, TestTensor>,
  backend?: Backend,
): Promise<CaseResult> {
  const results = await resultsOf(group, [golden], tensors, backend === undefined ? {} : { backend });
  assertEquals(results.length, 1);
  return results[0]!;
}

/** A backend like another but for some of its parts. */
function altered(parts: (inner: Backend) => Partial<Backend>): Backend {
  const inner: Backend = createScalarBackend();
  const same: Backend = {
    name: inner.name,
    memory: inner.memory,
    kernels: inner.kernels,
    hasDType: (dtype) => inner.hasDType(dtype),
    allocate: (dtype, numel, options) => inner.allocate(dtype, numel, options),
    write: (buffer, offset, bytes) => inner.write(buffer, offset, bytes),
    freeze: (buffer) => inner.freeze(buffer),
    download: (buffer, start, numel) => inner.download(buffer, start, numel),
    free: (buffer) => inner.free(buffer),
    flush: () => inner.flush(),
    settled: () => inner.settled(),
    describe: () => inner.describe(),
    dispose: () => inner.dispose(),
  };
  return { ...same, ...parts(inner) };
}

Deno.test("golden: a right result passes", async () => {
  const result = await only("elementwise", CASE, { x: X, y: NEGATED });
  assertEquals(result, { name: "elementwise/it", status: "passed" });
});

Deno.test("golden: a wrong result fails and names its worst element", async () => {
  const { status, message } = await only("elementwise", CASE, {
    x: X,
    y: { shape: [2, 2], values: [-1, 2.5, -3, 40] },
  });
  assertEquals(status, "failed");
  assertStringIncludes(message!, "neg: output: at [1, 1] got 4, want 40 (rtol 0, atol 0; 2 of 4 elements are off)");
});

Deno.test("golden: NaN and infinities must be where they are wanted", async () => {
  const x = { shape: [3], values: [NaN, Infinity, 1] };
  assertEquals(
    (await only("elementwise", CASE, { x, y: { shape: [3], values: [NaN, -Infinity, -1] } })).status,
    "passed",
  );
  assertEquals(
    (await only("elementwise", CASE, { x, y: { shape: [3], values: [0, -Infinity, -1] } })).status,
    "failed",
  );
  assertEquals(
    (await only("elementwise", CASE, { x, y: { shape: [3], values: [NaN, Infinity, -1] } })).status,
    "failed",
  );
});

Deno.test("golden: another shape or dtype fails", async () => {
  const flat = await only("elementwise", CASE, { x: X, y: { ...NEGATED, shape: [4] } });
  assertStringIncludes(flat.message!, "got shape [2,2], want [4]");
  const ints = await only("elementwise", CASE, { x: X, y: { ...NEGATED, dtype: "i32" } });
  assertStringIncludes(ints.message!, "got f32, want i32");
  const halves = await only("elementwise", { ...CASE, out_dtype: "float16" }, { x: X, y: NEGATED });
  assertStringIncludes(halves.message!, "got f32, want f16");
});

Deno.test("golden: an error that does not come fails, one of the library's passes", async () => {
  const golden = { name: "it", op: "matmul", inputs: { a: "x", b: "y" }, error: "sizes differ" };
  const missing = await only("matmul", golden, { x: X, y: NEGATED });
  assertEquals(missing.status, "failed");
  assertStringIncludes(missing.message!, "it should throw: sizes differ");
  const thrown = await only("matmul", golden, { x: X, y: { shape: [3, 1], values: [1, 2, 3] } });
  assertEquals(thrown.status, "passed");
});

Deno.test("golden: an error that is a bug fails, also where an error is due", async () => {
  const broken = altered(({ kernels }) => ({
    kernels: { ...kernels, matmul: { ...kernels.matmul, run: () => Object(undefined).not.there } },
  }));
  const golden = { name: "it", op: "matmul", inputs: { a: "x", b: "x" }, error: "sizes differ" };
  const { status, message } = await only("matmul", golden, { x: X }, broken);
  assertEquals(status, "failed");
  assertStringIncludes(message!, "threw none of the library's errors: TypeError");
});

Deno.test("golden: views are checked besides their values", async () => {
  const golden = (expect: unknown): unknown => ({
    name: "it",
    op: "views",
    attrs: { chain: [["transpose", 0, 1]] },
    inputs: { base: "x" },
    outputs: { output: "y" },
    expect,
  });
  const right = { shape: [2, 2], stride: [1, 2], storage_offset: 0, is_contiguous: false, shares_storage: true };
  const tensors = { x: X, y: { shape: [2, 2], values: [1, 3, -2, -4] } };
  assertEquals((await only("views", golden(right), tensors)).status, "passed");
  const wrong = [{ stride: [2, 1] }, { storage_offset: 1 }, { is_contiguous: true }, { shares_storage: false }];
  for (const part of wrong) {
    assertEquals((await only("views", golden({ ...right, ...part }), tensors)).status, "failed");
  }
});

Deno.test("golden: gradients are checked", async () => {
  const golden = {
    name: "it",
    op: "matmul",
    inputs: { a: "x", b: "y", grad_output: "g" },
    outputs: { output: "out", grads: { a: "da" } },
  };
  const tensors = {
    x: { shape: [2], values: [1, 2] },
    y: { shape: [2], values: [3, 5] },
    g: { shape: [], values: [2] },
    out: { shape: [], values: [13] },
  };
  assertEquals((await only("autograd", golden, { ...tensors, da: { shape: [2], values: [6, 10] } })).status, "passed");
  const wrong = await only("autograd", golden, { ...tensors, da: { shape: [2], values: [3, 5] } });
  assertStringIncludes(wrong.message!, "grads.a: at [1] got 10, want 5");
});

Deno.test("golden: a leak fails", async () => {
  const reader = memoryReader({ elementwise: { cases: [CASE], tensors: { x: X, y: NEGATED } } });
  const group = await loadGroup(reader, "elementwise");
  const leaky: Mapping = (c) => {
    neg(c.tensor("x")).keep();
    return { output: neg(c.tensor("x")) };
  };
  const { status, message } = await runCase(createScalarBackend(), group, group.cases[0]!, leaky);
  assertEquals(status, "failed");
  assertStringIncludes(message!, "it leaks: 1 more storages alive than before");
});

Deno.test("golden: each way to a result must give it", async () => {
  const tensors = { x: X, y: NEGATED };
  const group = await loadGroup(memoryReader({ elementwise: { cases: [CASE], tensors } }), "elementwise");
  const right: Mapping = (c) => ({ output: neg(c.tensor("x")) });
  const wrong: Mapping = (c) => ({ output: matmul(c.tensor("x"), c.tensor("x")) });
  const run = (mapping: Mapping) => runCase(createScalarBackend(), group, group.cases[0]!, mapping);
  assertEquals((await run([right, right])).status, "passed");
  assertEquals((await run([right, wrong])).status, "failed");
});

Deno.test("golden: cases with NaN are skipped where a backend cannot keep it", async () => {
  const backend = altered((inner) => ({
    describe: () => ({ ...inner.describe(), details: { nonFinite: false } }),
  }));
  const tensors = { x: { shape: [1], values: [NaN] }, y: { shape: [1], values: [NaN] } };
  const result = await only("elementwise", CASE, tensors, backend);
  assertEquals(result, { name: "elementwise/it", status: "skipped", message: "needs nonFinite" });
});

Deno.test("golden: cases of a dtype that a backend lacks are skipped", async () => {
  const backend = altered((inner) => ({ hasDType: (dtype) => dtype !== "f16" && inner.hasDType(dtype) }));
  const half = { dtype: "f16", shape: [1], values: [1] } as const;
  assertEquals((await only("elementwise", CASE, { x: half, y: half }, backend)).message, "needs f16");
});

Deno.test("golden: an unknown op fails in a covered group and is skipped in another", async () => {
  const golden = { ...CASE, op: "levitate" };
  const tensors = { x: X, y: NEGATED };
  assertEquals((await only("elementwise", golden, tensors)).status, "failed");
  const other = await only("magic", golden, tensors);
  assertEquals([other.status, other.message], ["skipped", "no mapping for op levitate"]);
  assertEquals((await only("magic", CASE, tensors)).status, "passed");
});

Deno.test("golden: the filter chooses by group and case", async () => {
  const cases = [CASE, { ...CASE, name: "other" }];
  const tensors = { x: X, y: NEGATED };
  const names = async (filter: string) =>
    (await resultsOf("elementwise", cases, tensors, { filter })).map(({ name }) => name);
  assertEquals(await names("wise/i"), ["elementwise/it"]);
  assertEquals(await names("nothing"), []);
});

Deno.test("golden: what cannot be read or is malformed fails by name", async () => {
  const absent = await runGolden({ backend: createScalarBackend(), reader: memoryReader({}), groups: ["gone"] });
  assertEquals(absent, { passed: 0, failed: 1, skipped: 0 });
  const noKey = await only("elementwise", CASE, { x: X });
  assertStringIncludes(noKey.message!, "the vectors lack the tensor y");
  const badAttrs = await only("reduce", { ...CASE, op: "cumsum", attrs: { dim: "last" } }, { x: X, y: X });
  assertStringIncludes(badAttrs.message!, 'attrs.dim should be a number, found "last"');
  const badView = await only("elementwise", { ...CASE, attrs: { views: { x: [["twist", 1]] } } }, { x: X, y: X });
  assertStringIncludes(badView.message!, 'no mapping for view "twist"');
});

Deno.test("golden: groups of a folder are those with a manifest and tensors", () => {
  assertEquals(groupNames(["b.json", "b.safetensors", "a.json", "README.md", "c.safetensors"]), ["b"]);
});
