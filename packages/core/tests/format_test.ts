/**
 * Printing, against what PyTorch's `torch._tensor_str` prints for the same values: the expectations follow its rules for
 * widths, styles, wrapping and elision; shape and dtype are Heed's own ending.
 */
import { assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { arange, type DType, type FormatOptions, fromBytes, quantizeBlocks, tensor, zeros } from "../mod.ts";
import type { NestedValues } from "../mod.ts";

const backend = createScalarBackend();
const [nan, inf] = [NaN, Infinity];

interface Printed {
  readonly name: string;
  readonly values: NestedValues;
  readonly dtype?: DType;
  readonly options?: FormatOptions;
  readonly text: string;
}

const CASES: readonly Printed[] = [
  { name: "whole floats", values: [1, 2, -3], text: "tensor([ 1.,  2., -3.], shape=[3], dtype=f32)" },
  { name: "fractions", values: [0.5, -1.25, 3], text: "tensor([ 0.5000, -1.2500,  3.0000], shape=[3], dtype=f32)" },
  { name: "ints", values: [1, -20, 300], dtype: "i32", text: "tensor([  1, -20, 300], shape=[3], dtype=i32)" },
  { name: "bools", values: [true, false], text: "tensor([ True, False], shape=[2], dtype=bool)" },
  { name: "halves", values: [0.1, 2], dtype: "f16", text: "tensor([0.1000, 2.0000], shape=[2], dtype=f16)" },
  { name: "a scalar", values: 3.5, text: "tensor(3.5000, shape=[], dtype=f32)" },
  { name: "a whole scalar", values: 7, text: "tensor(7., shape=[], dtype=f32)" },
  { name: "nothing", values: [], text: "tensor([], shape=[0], dtype=f32)" },
  { name: "zeros", values: [0, -0], text: "tensor([0., -0.], shape=[2], dtype=f32)" },
  {
    name: "a large ratio",
    values: [1, 10000],
    text: "tensor([1.0000e+00, 1.0000e+04], shape=[2], dtype=f32)",
  },
  {
    name: "a ratio of 1000 is not large",
    values: [1, 1000],
    text: "tensor([   1., 1000.], shape=[2], dtype=f32)",
  },
  { name: "tiny", values: [0.00001], text: "tensor([1.0000e-05], shape=[1], dtype=f32)" },
  { name: "huge", values: [2e9, 3e9], text: "tensor([2.0000e+09, 3.0000e+09], shape=[2], dtype=f32)" },
  {
    name: "three digits of exponent",
    values: [1e-200],
    dtype: "f64",
    text: "tensor([1.0000e-200], shape=[1], dtype=f64)",
  },
  {
    name: "nan and inf beside fractions",
    values: [0.5, nan, inf, -inf],
    text: "tensor([0.5000,    nan,    inf,   -inf], shape=[4], dtype=f32)",
  },
  {
    name: "nan and inf do not widen whole numbers",
    values: [1, nan, inf, -inf],
    text: "tensor([1., nan, inf, -inf], shape=[4], dtype=f32)",
  },
  { name: "only nan", values: [nan], text: "tensor([nan], shape=[1], dtype=f32)" },
  {
    name: "a matrix",
    values: [[1, 2], [3, 40]],
    dtype: "i32",
    text: "tensor([[ 1,  2],\n        [ 3, 40]], shape=[2, 2], dtype=i32)",
  },
  {
    name: "three dims, with a blank line between matrices",
    values: [[[1], [2]], [[3], [4]]],
    dtype: "i32",
    text: "tensor([[[1],\n         [2]],\n\n        [[3],\n         [4]]], shape=[2, 2, 1], dtype=i32)",
  },
  {
    name: "precision",
    values: [0.12345678],
    options: { precision: 2 },
    text: "tensor([0.12], shape=[1], dtype=f32)",
  },
  {
    name: "a row of nine in a matrix of four digits",
    values: [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]],
    text: `tensor([[${"0.5000, ".repeat(8)}0.5000,\n         0.5000]], shape=[1, 10], dtype=f32)`,
  },
  {
    name: "a line of its own width",
    values: [1, 2, 3, 4],
    dtype: "i32",
    options: { lineWidth: 13 },
    text: "tensor([1, 2,\n        3, 4], shape=[4], dtype=i32)",
  },
  {
    name: "elided",
    values: [1, 2, 3, 4, 5, 6, 7],
    dtype: "i32",
    options: { threshold: 6, edgeItems: 2 },
    text: "tensor([1, 2,  ..., 6, 7], shape=[7], dtype=i32)",
  },
  {
    name: "as many as the threshold are all shown",
    values: [1, 2, 3, 4, 5, 6, 7],
    dtype: "i32",
    options: { threshold: 7, edgeItems: 2 },
    text: "tensor([1, 2, 3, 4, 5, 6, 7], shape=[7], dtype=i32)",
  },
];

for (const { name, values, dtype, options, text } of CASES) {
  Deno.test(`format: ${name}`, async () => {
    using x = tensor(values, { backend, dtype });
    assertEquals(await x.format(options), text);
  });
}

Deno.test("format: both dims elided, the width that of the shown elements", async () => {
  using flat = arange(0, 10000, 1, { backend });
  using x = flat.view([100, 100]);
  assertEquals(
    await x.format({ edgeItems: 1 }),
    "tensor([[   0,  ...,   99],\n        ...,\n        [9900,  ..., 9999]], shape=[100, 100], dtype=i32)",
  );
});

Deno.test("format: torch.arange(10000.) is elided and scientific", async () => {
  using x = arange(0, 10000, 1, { backend, dtype: "f32" });
  assertEquals(
    await x.format(),
    "tensor([0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.9970e+03, 9.9980e+03,\n" +
      "        9.9990e+03], shape=[10000], dtype=f32)",
  );
});

Deno.test("format: a view prints its own elements, blocks the floats they hold", async () => {
  using x = tensor([[1, 2], [3, 4]], { backend, dtype: "i32" });
  using turned = x.t();
  assertEquals(await turned.format(), "tensor([[1, 3],\n        [2, 4]], shape=[2, 2], dtype=i32)");
  using blocks = fromBytes(quantizeBlocks("q8_0", new Float32Array(32)), [1, 32], "q8_0", { backend });
  assertEquals((await blocks.format()).startsWith("tensor([[0., 0., "), true);
});

Deno.test("in JSON a tensor is its line", () => {
  using x = zeros([2, 3], { backend });
  assertEquals(JSON.stringify({ x }), '{"x":"Tensor(shape=[2, 3], dtype=f32, backend=scalar)"}');
});

Deno.test("format leaves nothing alive, and toString reads nothing", async () => {
  using x = zeros([4, 400], { backend }).requiresGrad_();
  const { liveStorages } = backend.memory;
  await x.format();
  assertEquals(backend.memory.liveStorages, liveStorages);
  assertEquals(String(x), "Tensor(shape=[4, 400], dtype=f32, backend=scalar, requiresGrad)");
  const gone = zeros([1], { backend });
  gone.dispose();
  assertEquals(String(gone), "Tensor(shape=[1], dtype=f32, backend=scalar, disposed)");
});
