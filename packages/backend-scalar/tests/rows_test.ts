import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { ReduceOp } from "../../core/src/backend.ts";
import type { DType } from "../../core/src/dtype.ts";
import { ShapeError } from "../../core/src/errors.ts";
import { threefry2x32 } from "../../core/src/random.ts";
import type { ScalarOperand } from "../src/buffer.ts";
import { backend, blocks, draws, numbersOf, operand, output, run } from "./operands.ts";

const { kernels } = backend;

function reduce(op: ReduceOp, dtype: DType, x: number[], outDType: DType = dtype): number {
  return run(kernels.reduce, [operand(dtype, [x.length], x)], output(outDType, []), { op, dims: 1 })[0]!;
}

Deno.test("reduce: trailing dims of a permuted view, in row-major order", () => {
  const x = operand("f32", [2, 2, 3], draws(25), [1, 12, 4], 1);
  const v = numbersOf(x);
  const rows = [v.slice(0, 6), v.slice(6)];
  const largest = rows.map((row) => Math.max(...row));
  assertEquals(run(kernels.reduce, [x], output("f32", [2]), { op: "max", dims: 2 }), largest);
  assertEquals(
    run(kernels.reduce, [x], output("i32", [2]), { op: "argmax", dims: 2 }),
    rows.map((row, i) => row.indexOf(largest[i]!)),
  );
  assertEquals(
    run(kernels.reduce, [x], output("f32", [2, 2]), { op: "sum", dims: 1 }),
    [0, 3, 6, 9].map((i) => Math.fround(v[i]! + v[i + 1]! + v[i + 2]!)),
  );
  assertEquals(run(kernels.reduce, [x], output("f32", [2, 2, 3]), { op: "sum", dims: 0 }), v);
});

Deno.test("reduce: an f32 sum does not lose what f32 would", () => {
  assertEquals(reduce("sum", "f32", [2 ** 25, ...new Array(100).fill(1), -(2 ** 25)]), 100);
});

Deno.test("reduce: NaN wins in extremes, and the first extreme in their places", () => {
  for (const op of ["max", "min"] as const) assertEquals(reduce(op, "f32", [1, NaN, 2]), NaN);
  for (const op of ["argmax", "argmin"] as const) assertEquals(reduce(op, "f32", [1, NaN, NaN, 2], "i32"), 1);
  assertEquals(reduce("argmax", "f32", [1, 3, 3, 2], "i32"), 1);
  assertEquals(reduce("argmin", "f16", [3, 1, 1, 2], "i32"), 1);
  assertEquals(reduce("argmax", "f32", [-Infinity, -Infinity], "i32"), 0);
  assertEquals(reduce("max", "f32", [-Infinity, -Infinity]), -Infinity);
});

Deno.test("reduce: ints and bools", () => {
  assertEquals(reduce("sum", "i32", [2147483647, 2147483647, 3]), 1);
  assertEquals(reduce("prod", "i32", [123456789, 987654321]), -67153019);
  assertEquals(reduce("sum", "bool", [1, 1, 0, 1], "i32"), 3);
  assertEquals(reduce("sum", "u8", [200, 100], "i32"), 300);
  assertEquals(reduce("min", "u8", [200, 100]), 100);
  assertEquals(reduce("any", "f32", [0, NaN], "bool"), 1);
  assertEquals(reduce("any", "f32", [0, -0], "bool"), 0);
  assertEquals(reduce("all", "i32", [1, 2], "bool"), 1);
  assertEquals(reduce("all", "i32", [1, 0], "bool"), 0);
});

Deno.test("scan: along a dim of a transposed view, in out's dtype", () => {
  const x = operand("f32", [2, 3], [1, 2, 3, 4, 5, 6], [1, 2]); // [[1, 3, 5], [2, 4, 6]]
  assertEquals(run(kernels.scan, [x], output("f32", [2, 3]), { op: "sum", dim: 1 }), [1, 4, 9, 2, 6, 12]);
  assertEquals(run(kernels.scan, [x], output("f32", [2, 3]), { op: "prod", dim: 0 }), [1, 3, 5, 2, 12, 30]);
  const bools = operand("bool", [4], [1, 1, 0, 1]);
  assertEquals(run(kernels.scan, [bools], output("i32", [4]), { op: "sum", dim: 0 }), [1, 2, 2, 3]);
  const ints = operand("i32", [2], [123456789, 987654321]);
  assertEquals(run(kernels.scan, [ints], output("i32", [2]), { op: "prod", dim: 0 }), [123456789, -67153019]);
});

function sort(x: ScalarOperand, dim: number, descending: boolean): { values: number[]; indices: number[] } {
  const [values, indices] = [output(x.dtype, x.shape), output("i32", x.shape)];
  kernels.sort.run([x], [values, indices], { dim, descending });
  return { values: numbersOf(values), indices: numbersOf(indices) };
}

Deno.test("sort: stable both ways, NaN largest, -0 equal to 0", () => {
  const x = operand("f32", [7], [3, NaN, 0, -0, 3, -1, NaN]);
  assertEquals(sort(x, 0, false), { values: [-1, 0, -0, 3, 3, NaN, NaN], indices: [5, 2, 3, 0, 4, 1, 6] });
  assertEquals(sort(x, 0, true), { values: [NaN, NaN, 3, 3, 0, -0, -1], indices: [1, 6, 0, 4, 2, 3, 5] });
});

Deno.test("sort: along any dim, of any dtype", () => {
  for (const dtype of ["f64", "f16", "bf16", "i32", "u8"] as const) {
    const x = operand(dtype, [2, 2], [3, 1, 0, 2]);
    assertEquals(sort(x, 0, false), { values: [0, 1, 3, 2], indices: [1, 0, 0, 1] });
    assertEquals(sort({ ...x, strides: [1, 2] }, 1, true), { values: [3, 0, 2, 1], indices: [0, 1, 1, 0] });
  }
});

Deno.test("gather: every element by its index, with strides", () => {
  const x = operand("f32", [3, 2], [0, 1, 2, 3, 4, 5], [1, 3]); // [[0, 3], [1, 4], [2, 5]]
  const index = operand("i32", [2, 2], [2, 0, 1, 1]);
  assertEquals(run(kernels.gather, [x, index], output("f32", [2, 2]), { dim: 0, op: "gather" }), [2, 3, 1, 4]);
  const along = operand("i32", [2, 3], [1, 0, 1, 0, 0, 1]);
  assertEquals(run(kernels.gather, [x, along], output("f32", [2, 3]), { dim: 1, op: "gather" }), [3, 0, 3, 1, 1, 4]);
  const halves = operand("bf16", [2], [1, 2.5]);
  assertEquals(
    run(kernels.gather, [halves, operand("i32", [3], [1, 0, 1])], output("bf16", [3]), { dim: 0, op: "gather" }),
    [
      2.5,
      1,
      2.5,
    ],
  );
});

Deno.test("gather: rows of a table, of every kind of storage", () => {
  const rows = [3, 0, 3];
  for (const x of [operand("f32", [4, 64], draws(256)), operand("f16", [4, 64], draws(256)), blocks("q8_0", [4, 64])]) {
    const out = output(x.dtype === "f16" ? "f16" : "f32", [3, 64]);
    const index = operand("i32", [3, 64], rows, [1, 0]);
    const table = numbersOf(x);
    assertEquals(
      run(kernels.gather, [x, index], out, { dim: 0, op: "gather" }),
      rows.flatMap((r) => table.slice(r * 64, r * 64 + 64)),
    );
  }
});

Deno.test("gather: blocks along the indexed dim, and as f64", () => {
  const x = blocks("q4_1", [2, 64]);
  const table = numbersOf(x);
  const index = operand("i32", [2, 3], [40, 0, 63, 1, 31, 32]);
  const want = [table[40]!, table[0]!, table[63]!, table[65]!, table[95]!, table[96]!];
  assertEquals(run(kernels.gather, [x, index], output("f32", [2, 3]), { dim: 1, op: "gather" }), want);
  assertEquals(run(kernels.gather, [x, index], output("f64", [2, 3]), { dim: 1, op: "gather" }), want);
});

Deno.test("gather: an index out of range is named, with its place", () => {
  const x = operand("f32", [4, 2], draws(8));
  for (const bad of [4, -1]) {
    assertThrows(
      () =>
        run(kernels.gather, [x, operand("i32", [3, 2], [0, 1, bad], [1, 0])], output("f32", [3, 2]), {
          dim: 0,
          op: "gather",
        }),
      ShapeError,
      `Cannot gather [4, 2] along dim 0 with index [3, 2]: the index ${bad} at [2, 0] is out of range for size 4`,
    );
  }
});

const ADD = { dim: 0, op: "scatterAdd", mode: "add" } as const;
const SET = { dim: 0, op: "scatter", mode: "set" } as const;

Deno.test("scatter: adds and sets in order into a view that holds something", () => {
  const index = operand("i32", [3], [1, 0, 1]);
  const source = operand("f32", [3], [10, 20, 30]);
  const add = operand("f32", [2], [1, 9, 2], [2]);
  assertEquals(run(kernels.scatter, [index, source], add, ADD), [21, 42]);
  assertEquals(add.buffer.elements[1], 9);
  const set = operand("f32", [3], [1, 2, 3]);
  assertEquals(run(kernels.scatter, [index, source], set, SET), [20, 30, 3]);
  const rows = operand("f32", [2, 2], [1, 2, 3, 4]);
  const rowIndex = operand("i32", [2, 2], [1, 1], [1, 0]);
  assertEquals(run(kernels.scatter, [rowIndex, operand("f32", [2, 2], [1, 2, 3, 4])], rows, ADD), [
    1,
    2,
    7,
    10,
  ]);
});

Deno.test("scatter: other dtypes", () => {
  const index = operand("i32", [2], [0, 0]);
  const scatter = (dtype: DType, old: number, source: number[]): number[] =>
    run(kernels.scatter, [index, operand(dtype, [2], source)], operand(dtype, [1], [old]), ADD);
  assertEquals(scatter("f16", 2048, [1, 1]), [2050]); // rounded once, after both
  assertEquals(scatter("i32", 2147483647, [1, 1]), [-2147483647]);
  assertEquals(scatter("bool", 1, [1, 1]), [1]);
});

Deno.test("scatter: an index out of range writes nothing", () => {
  const out = operand("f32", [3], [1, 2, 3]);
  const index = operand("i32", [2], [0, 3]);
  assertThrows(
    () => run(kernels.scatter, [index, operand("f32", [2], [5, 6])], out, SET),
    ShapeError,
    "Cannot scatter [3] along dim 0 with index [2]: the index 3 at [1] is out of range for size 3",
  );
  assertEquals(numbersOf(out), [1, 2, 3]);
});

Deno.test("random: the top 24 bits of Threefry by element", () => {
  const whole = { start: 0, run: 6, step: 0 };
  const got = run(kernels.random, [], output("f32", [2, 3]), { seed: [7, 9], ...whole });
  const draw = (low: number, high = 0): number => Math.floor(threefry2x32(7, 9, low, high)[0] / 256) / 2 ** 24;
  assertEquals(got, [0, 1, 2, 3, 4, 5].map((i) => draw(i)));
  const slice = { start: 2 ** 32 - 1, run: 2, step: 10 }; // of rows of 10, the last elements but one and two
  const part = run(kernels.random, [], output("f32", [2, 2]), { seed: [7, 9], ...slice });
  assertEquals(part, [draw(2 ** 32 - 1), draw(0, 1), draw(9, 1), draw(10, 1)]);
});

function near(got: number[], want: number[], tolerance = 1e-7): void {
  assertEquals(got.length, want.length);
  got.forEach((x, i) => assertAlmostEquals(x, want[i]!, tolerance));
}

Deno.test("softmax: a strided last dim, infinities, NaN", () => {
  const x = operand("f32", [2, 2], [0, 1, 1, 3], [1, 2]); // [[0, 1], [1, 3]]
  const [a, b] = [1 / (1 + Math.exp(1)), 1 / (1 + Math.exp(2))];
  near(run(kernels.softmax!, [x], output("f32", [2, 2]), {}), [a, 1 - a, b, 1 - b]);
  const softmax = (row: number[]): number[] =>
    run(kernels.softmax!, [operand("f64", [3], row)], output("f64", [3]), {});
  assertEquals(softmax([-Infinity, 1000, 1000]), [0, 0.5, 0.5]);
  assertEquals(softmax([-Infinity, -Infinity, -Infinity]), [NaN, NaN, NaN]);
  assertEquals(softmax([1, NaN, 2]), [NaN, NaN, NaN]);
  assertEquals(run(kernels.softmax!, [operand("f16", [2], [1, 1])], output("f16", [2]), {}), [0.5, 0.5]);
});

Deno.test("rmsNorm: scaled rows times the weight", () => {
  const x = operand("f32", [2, 2], [3, 4, 0, 0]);
  const scale = 1 / Math.sqrt(12.5 + 0.5);
  const weight = operand("f32", [2], [1, 9, 2], [2]);
  near(run(kernels.rmsNorm!, [x, weight], output("f32", [2, 2]), { eps: 0.5 }), [3 * scale, 8 * scale, 0, 0]);
});

Deno.test("rope: both pairings, a passed-through rest, broadcast angles", () => {
  const [cos, sin] = [operand("f32", [1, 1, 2], [0, 1]), operand("f32", [1, 1, 2], [1, 0])]; // a quarter turn, and none
  const x = operand("f32", [1, 2, 1, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const rope = (interleaved: boolean): number[] =>
    run(kernels.rope!, [x, cos, sin], output("f32", x.shape), { interleaved });
  assertEquals(rope(false), [-3, 2, 1, 4, 5, -8, 7, 6, 9, 10]);
  assertEquals(rope(true), [-2, 1, 3, 4, 5, -7, 6, 8, 9, 10]);
});

Deno.test("rope: angles by batch and position", () => {
  const cos = operand("f32", [2, 2, 1], [1, 0, 1, 0], [2, 1, 1]);
  const sin = operand("f32", [2, 2, 1], [0, 1, 0, -1], [2, 1, 1]);
  const x = operand("f32", [2, 1, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(run(kernels.rope!, [x, cos, sin], output("f32", x.shape), { interleaved: false }), [
    1,
    2,
    -4,
    3,
    5,
    6,
    8,
    -7,
  ]);
});

Deno.test("siluMul: strided operands", () => {
  const gate = operand("f32", [2, 2], [0, 1, 9, 2, -3, 9], [3, 1]);
  const up = operand("f32", [2, 2], [2, 3], [0, 1]);
  const silu = (x: number): number => x / (1 + Math.exp(-x));
  near(run(kernels.siluMul!, [gate, up], output("f32", [2, 2]), {}), [0, 3 * silu(1), 2 * silu(2), 3 * silu(-3)], 1e-6);
});
