/** The comparison's own parts: loops assembled from words, models encoded by hand, wrong results seen, tables. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { assemble } from "../peers/assemble.ts";
import { LIMIT_MODULE } from "../peers/limit_kernels.ts";
import { onnxModel } from "../peers/onnx_model.ts";
import { objection } from "../peers/reference.ts";
import { failuresOf, limitTimings, markdown, type Report, type Row } from "../peers/report.ts";
import {
  addsInputs,
  type AddsWork,
  type AttentionWork,
  demandOf,
  matmulInputs,
  type MatmulWork,
  softmaxInput,
  type SoftmaxWork,
  swapHeads,
  TINY_WEBGPU_WORK,
  TINY_WORK,
  WORK as ALL_WORK,
} from "../peers/work.ts";

type Loop = (first: number, second: number) => number;

async function loops(bytes: Uint8Array<ArrayBuffer>, memory: WebAssembly.Memory): Promise<Record<string, Loop>> {
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  return instance.exports as Record<string, Loop>; // what the module exports, the types do not know
}

Deno.test("the loops of the limits count what they say", async () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { read, dot, multiplyAdd } = await loops(LIMIT_MODULE, memory);
  new Uint32Array(memory.buffer)[96] = 5; // in the fourth 128 bytes
  assertEquals(read!(384, 0), 0);
  assertEquals(read!(512, 0), 5);
  assertEquals(read!(512, 384), 5);
  // Six equal accumulators cancel in the exclusive or; so do twelve.
  assertEquals([dot!(3, 2), multiplyAdd!(3, 2)], [0, 0]);
});

Deno.test("words become instructions, and unknown ones are refused", async () => {
  const body = "i32.const -300 local.get 0 i32.add";
  const { sum } = await loops(
    assemble([{ name: "sum", parameters: 2, vectors: 0, body }]),
    new WebAssembly.Memory({ initial: 1 }),
  );
  assertEquals(sum!(1000, 0), 700);
  assertThrows(() => assemble([{ name: "x", parameters: 0, vectors: 0, body: "i32.nonsense" }]), Error, "i32.nonsense");
});

Deno.test("a model of one node has its fields, long keys included", () => {
  const node = { op: "Relu", domain: "", inputs: ["x"], outputs: ["y"], attributes: { level: 300 } };
  const value = { name: "x", shape: [2], type: "float32" } as const;
  const bytes = [...onnxModel([node], [value], [{ ...value, name: "y" }])];
  assertEquals(bytes.slice(0, 2), [8, 10]); // the format's version
  const attribute = [0x2a, 13, 10, 5, ...new TextEncoder().encode("level"), 24, 0xac, 2, 0xa0, 1, 2];
  assertStringIncludes(bytes.join(), attribute.join());
});

Deno.test("a right product passes, and a wrong, a short and an infinite one do not", () => {
  const work = TINY_WORK[0] as MatmulWork; // the first is a product
  const { a, b } = matmulInputs(work);
  const right = Float32Array.from({ length: work.m * work.n }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < work.k; i++) sum += a[Math.floor(at / work.n) * work.k + i]! * b[i * work.n + at % work.n]!;
    return sum;
  });
  assertEquals(objection(work, right), undefined);
  assertStringIncludes(objection(work, right.map((x, i) => i === 5 ? x + 0.1 : x))!, "[0, 5] is");
  assertStringIncludes(objection(work, right.subarray(1))!, "numbers instead of");
  assertStringIncludes(objection(work, right.map((x, i) => i === 70 ? Infinity : x))!, "element 70 is Infinity");
});

Deno.test("softmax and sums that are a little off are seen", () => {
  for (const work of [TINY_WEBGPU_WORK[1] as SoftmaxWork, TINY_WEBGPU_WORK[4] as AddsWork]) { // by their places
    const right = work.kind === "softmax" ? softmaxOf(work) : sumOf(work);
    assertEquals(objection(work, right), undefined);
    assertStringIncludes(objection(work, right.map((x, i) => i === 3 ? x * 1.1 : x))!, "[0, 3] is");
  }
});

function softmaxOf(work: SoftmaxWork): Float32Array {
  const powers = softmaxInput(work).map(Math.exp);
  return powers.map((power, i) => {
    const start = i - i % work.width;
    return power / powers.subarray(start, start + work.width).reduce((a, b) => a + b);
  });
}

function sumOf(work: AddsWork): Float32Array {
  const { x, y } = addsInputs(work);
  return x.map((value, i) => value + work.count * y[i]!);
}

Deno.test("what a decode step reads again and again need not fit a memory at once", () => {
  for (const work of ALL_WORK) {
    const { bytes, passes } = demandOf(work);
    assert(bytes < 2 ** 32 - 2 ** 16, work.name);
    if (work.kind === "decode") assertEquals(passes, work.tokens);
  }
});

Deno.test("attention that forgets its mask is wrong", () => {
  const work = TINY_WORK.find((it) => it.kind === "attention") as AttentionWork; // found by its kind
  assert(objection(work, new Float32Array(work.heads * work.queries * work.headDim)) !== undefined);
});

Deno.test("heads and positions swap, and swap back", () => {
  const x = Float32Array.from({ length: 12 }, (_, i) => i);
  const swapped = swapHeads(x, 2, 3, 2);
  assertEquals([...swapped], [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
  assertEquals(swapHeads(swapped, 3, 2, 2), x);
});

const WORK: MatmulWork = { kind: "matmul", name: "matvec", m: 1, k: 100, n: 100, constant: true };

const ROW: Row = {
  work: WORK,
  figures: [
    { participant: "limit: multiply-adds", timings: [1, 2, 1], amount: 1e12, trials: [] },
    { participant: "limit: reads", timings: [1, 2, 1], amount: 4e9, trials: [] },
    { participant: "heed", timings: [1.25e-5, 2.5e-5, 1.25e-5], amount: 2e4, way: "matmul", trials: [] },
    {
      participant: "jax-js",
      timings: [1e-4, 2e-4, 1e-4],
      amount: 2e4,
      way: "a",
      trials: [{ way: "b", wrong: "is NaN" }],
    },
    { participant: "tfjs-backend-wasm", trials: [], error: "does not start" },
    { participant: "llama.cpp (native)", timings: [2.5e-5, 2.5e-5, 2.5e-5], amount: 2e4, trials: [] },
  ],
};

const REPORT: Report = {
  ...{ date: "", machine: { cores: 2 }, versions: { deno: "2" }, rounds: 3, backend: "wasm" },
  sections: [{ environment: "deno", threads: 1, summaries: {}, rows: [ROW], first: [], loading: [] }],
};

Deno.test("shares and leads are taken within a round, and failures are named", () => {
  const [first, second] = limitTimings(ROW)!;
  assertAlmostEquals(first!, 1e-5);
  assertAlmostEquals(second!, 2e-5);
  const text = markdown(REPORT);
  assertStringIncludes(text, "| matvec | 2.0 | 1.6 (80 %) | 0.20 (10 %) | failed | 0.80 (40 %) | 8.0 x | 2.0 x |");
  assertEquals(failuresOf(REPORT), [
    "deno, 1 thread(s): jax-js, b: is NaN (matvec)",
    "deno, 1 thread(s): tfjs-backend-wasm: does not start (matvec)",
  ]);
});
