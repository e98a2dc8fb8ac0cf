import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { BinaryOp, UnaryOp } from "../../core/src/backend.ts";
import type { DType } from "../../core/src/dtype.ts";
import { erf, erfc } from "../src/erf.ts";
import { backend, blocks, draws, numbersOf, operand, output, run } from "./operands.ts";

const { kernels } = backend;
const COMPARES: readonly string[] = ["eq", "ne", "lt", "le", "gt", "ge", "logicalAnd", "logicalOr", "logicalXor"];
const TESTS: readonly string[] = ["isnan", "isinf", "isfinite", "logicalNot"];

function binary(op: BinaryOp, dtype: DType, a: number[], b: number[]): number[] {
  const out = output(COMPARES.includes(op) ? "bool" : dtype, [a.length]);
  return run(kernels.binary, [operand(dtype, [a.length], a), operand(dtype, [b.length], b)], out, { op });
}

function unary(op: UnaryOp, dtype: DType, x: number[]): number[] {
  return run(kernels.unary, [operand(dtype, [x.length], x)], output(TESTS.includes(op) ? "bool" : dtype, [x.length]), {
    op,
  });
}

function cast(from: DType, to: DType, x: number[]): number[] {
  return run(kernels.copy, [operand(from, [x.length], x)], output(to, [x.length]), {});
}

Deno.test("i32 arithmetic wraps", () => {
  assertEquals(binary("add", "i32", [2147483647], [1]), [-2147483648]);
  assertEquals(binary("sub", "i32", [-2147483648], [1]), [2147483647]);
  assertEquals(binary("mul", "i32", [123456789], [987654321]), [-67153019]);
  assertEquals(binary("pow", "i32", [3, -2, 7, 2, 1, -1, -1, 5], [21, 31, 0, 32, -3, -3, -2, -1]), [
    ...[1870418611, -2147483648, 1, 0, 1, -1, 1, 0],
  ]);
  assertEquals(unary("square", "i32", [123456789]), [-1757895751]);
  assertEquals(unary("abs", "i32", [-2147483648, -3]), [-2147483648, 3]);
  assertEquals(unary("neg", "i32", [5, 0]), [-5, 0]);
});

Deno.test("u8 arithmetic wraps modulo 256", () => {
  assertEquals(binary("add", "u8", [200], [100]), [44]);
  assertEquals(binary("sub", "u8", [1], [2]), [255]);
  assertEquals(binary("mul", "u8", [20], [20]), [144]);
  assertEquals(binary("pow", "u8", [3], [6]), [217]);
  assertEquals(unary("neg", "u8", [1]), [255]);
});

Deno.test("bools add by or and multiply by and", () => {
  assertEquals(binary("add", "bool", [0, 0, 1, 1], [0, 1, 0, 1]), [0, 1, 1, 1]);
  assertEquals(binary("mul", "bool", [0, 0, 1, 1], [0, 1, 0, 1]), [0, 0, 0, 1]);
});

Deno.test("NaN wins in maximum and minimum from either side", () => {
  for (const dtype of ["f32", "f64", "f16", "bf16"] as const) {
    assertEquals(binary("maximum", dtype, [NaN, 1, 1], [1, NaN, 2]), [NaN, NaN, 2]);
    assertEquals(binary("minimum", dtype, [NaN, 1, 1], [1, NaN, 2]), [NaN, NaN, 1]);
  }
});

Deno.test("comparisons and logic with NaN", () => {
  assertEquals(binary("eq", "f32", [NaN, 1], [NaN, 1]), [0, 1]);
  assertEquals(binary("ne", "f32", [NaN, 1], [NaN, 1]), [1, 0]);
  for (const op of ["lt", "le", "gt", "ge"] as const) assertEquals(binary(op, "f32", [NaN, 1], [1, NaN]), [0, 0]);
  assertEquals(binary("logicalAnd", "f32", [NaN, 0], [1, NaN]), [1, 0]);
  assertEquals(binary("logicalXor", "f32", [NaN, 0], [1, NaN]), [0, 1]);
});

Deno.test("pow is IEEE's", () => {
  const [a, b] = [[1, -1, -1, 2, 0, -8], [NaN, Infinity, -Infinity, -1, 0, 1 / 3]];
  assertEquals(binary("pow", "f64", a, b), [1, 1, 1, 0.5, 1, NaN]);
});

Deno.test("round takes halves to even, sign of NaN is 0, relu keeps NaN", () => {
  const halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, 4503599627370497, NaN, -Infinity];
  assertEquals(unary("round", "f64", halves), [-2, -2, -0, 0, 2, 2, 0, 4503599627370497, NaN, -Infinity]);
  assertEquals(unary("sign", "f32", [NaN, -3, 0, 2]), [0, -1, 0, 1]);
  assertEquals(unary("relu", "f32", [NaN, -3, 2]), [NaN, 0, 2]);
});

Deno.test("tests and logic give bool", () => {
  const x = [NaN, Infinity, -Infinity, 0, 1];
  for (const dtype of ["f32", "f16"] as const) {
    assertEquals(unary("isnan", dtype, x), [1, 0, 0, 0, 0]);
    assertEquals(unary("isinf", dtype, x), [0, 1, 1, 0, 0]);
    assertEquals(unary("isfinite", dtype, x), [0, 0, 0, 1, 1]);
    assertEquals(unary("logicalNot", dtype, x), [0, 0, 0, 1, 0]);
  }
});

Deno.test("sigmoid, silu and gelu are stable far out", () => {
  assertEquals(unary("sigmoid", "f32", [-1000, 1000, 0]), [0, 1, 0.5]);
  assertEquals(unary("silu", "f32", [-1000, 1000]), [-0, 1000]);
  for (const op of ["gelu", "geluTanh"] as const) assertEquals(unary(op, "f32", [-100, 100, 0]), [-0, 100, 0]);
  const [tail] = unary("gelu", "f64", [-8]); // -8 * Phi(-8), by mpmath
  assertAlmostEquals(tail! / -4.976768459417427e-15, 1, 1e-13);
});

/** The series of erf for small x and the continued fraction of erfc for large x, as DLMF 7.6.2 and 7.9.1 have them. */
function erfcBySeries(x: number): number {
  if (x < 2.5) {
    let [term, sum] = [x, x];
    for (let n = 1; n < 200; n++) sum += term *= 2 * x * x / (2 * n + 1);
    return 1 - 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }
  let fraction = x;
  for (let n = 300; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

Deno.test("erf and erfc in f64", () => {
  for (let x = 0; x < 7; x += 0.0173) {
    assertAlmostEquals(erf(x), 1 - erfcBySeries(x), 1e-15);
    assertEquals(erf(-x), -erf(x));
    assertAlmostEquals(erfc(x) / erfcBySeries(x), 1, x < 2.5 ? 1e-12 : 3e-14, `erfc(${x})`); // 1 - erf cancels
    assertAlmostEquals(erfc(-x), 2 - erfcBySeries(x), 1e-15);
  }
  assertEquals([erf(Infinity), erf(-Infinity), erf(NaN), erfc(30), erfc(-30)], [1, -1, NaN, 0, 2]);
});

Deno.test("casts truncate, stop at the range's ends, wrap between ints", () => {
  assertEquals(cast("f32", "i32", [2.9, -2.9, 3e9, -3e9, NaN, Infinity]), [
    2,
    -2,
    2147483647,
    -2147483648,
    0,
    2147483647,
  ]);
  assertEquals(cast("f16", "u8", [2.9, -1, 300, NaN]), [2, 0, 255, 0]);
  assertEquals(cast("i32", "u8", [257, -1]), [1, 255]);
  for (const dtype of ["f32", "f16", "bf16"] as const) {
    assertEquals(cast(dtype, "bool", [0, -0, 0.5, NaN]), [0, 0, 1, 1]);
  }
  assertEquals(cast("i32", "bool", [0, 256]), [0, 1]);
  assertEquals(cast("bool", "f16", [0, 1]), [0, 1]);
  assertEquals(cast("f64", "f16", [2049, 65520, 1 + 2 ** -11 + 2 ** -40]), [2048, Infinity, 1 + 2 ** -10]);
  assertEquals(cast("f32", "bf16", [1 + 2 ** -8, 1 + 3 * 2 ** -8]), [1, 1 + 2 ** -6]);
  assertEquals(cast("bf16", "f16", [1.5]), [1.5]);
});

Deno.test("halves are widened and rounded once", () => {
  assertEquals(binary("add", "f16", [2048, 65504], [1, 32]), [2048, Infinity]);
  assertEquals(binary("mul", "bf16", [1.0078125], [1.0078125]), [1.015625]);
});

Deno.test("copy: any view to any view", () => {
  const x = operand("f32", [2, 3], [9, 1, 2, 3, 4, 5, 6], [1, 2], 1); // columns of a 3 x 2 matrix
  const out = operand("i32", [2, 3], new Array(14).fill(-1), [7, 2], 1);
  assertEquals(run(kernels.copy, [x], out, {}), [1, 3, 5, 2, 4, 6]);
  assertEquals(Array.from(out.buffer.elements), [-1, 1, -1, 3, -1, 5, -1, -1, 2, -1, 4, -1, 6, -1]);
});

Deno.test("copy: a transposed, cut and repeated view of every block dtype", () => {
  for (
    const dtype of [
      "q4_0",
      "q4_1",
      "q5_0",
      "q5_1",
      "q8_0",
      "iq4_nl",
      "q2_k",
      "q3_k",
      "q4_k",
      "q5_k",
      "q6_k",
      "iq4_xs",
    ] as const
  ) {
    const matrix = blocks(dtype, [5, 512]);
    const transposed = { ...matrix, shape: [512, 5], strides: [1, 512] };
    assertEquals(run(kernels.copy, [transposed], output("f32", [512, 5]), {}), numbersOf(transposed));
    const cut = { ...matrix, shape: [3, 2, 256], strides: [0, 1024, 1], offset: 256 };
    assertEquals(run(kernels.copy, [cut], output("f64", [3, 2, 256]), {}), numbersOf(cut));
  }
  const split = { ...blocks("q4_k", [2, 256]), shape: [4, 2, 64], strides: [64, 256, 1] }; // within a block
  assertEquals(run(kernels.copy, [split], output("f32", [4, 2, 64]), {}), numbersOf(split));
});

Deno.test("binary, unary and where: broadcast and offset views", () => {
  const a = operand("f32", [2, 3], draws(20), [0, 4], 5);
  const b = operand("f32", [2, 3], draws(20, 1), [7, 1], 2);
  const [x, y] = [numbersOf(a), numbersOf(b)];
  assertEquals(
    run(kernels.binary, [a, b], output("f32", [2, 3]), { op: "add" }),
    x.map((v, i) => Math.fround(v + y[i]!)),
  );
  assertEquals(run(kernels.binary, [a, b], output("bool", [2, 3]), { op: "lt" }), x.map((v, i) => Number(v < y[i]!)));
  assertEquals(run(kernels.unary, [a], output("f32", [2, 3]), { op: "neg" }), x.map((v) => -v));
  const condition = operand("bool", [2, 3], [1, 0, 1, 0], [1, 1]);
  const chosen = run(kernels.where, [condition, a, b], output("f32", [2, 3]), {});
  assertEquals(chosen, [x[0], y[1], x[2], y[3], x[4], y[5]]);
});

Deno.test("elementwise: a scalar, which collapses to no dims", () => {
  const [a, b] = [operand("f32", [], [9, 2], [], 1), operand("f32", [], [3])];
  assertEquals(run(kernels.binary, [a, b], output("f32", []), { op: "mul" }), [6]);
  assertEquals(run(kernels.unary, [a], output("f32", []), { op: "square" }), [4]);
  assertEquals(run(kernels.where, [operand("bool", [], [0]), a, b], output("f32", []), {}), [3]);
  assertEquals(run(kernels.copy, [a], output("i32", []), {}), [2]);
  assertEquals(run(kernels.fill, [], output("f32", []), { value: 5, step: 1 }), [5]);
});

Deno.test("fill counts in out's order, at an offset, in every dtype", () => {
  const out = operand("f32", [2, 2], new Array(7).fill(-1), [3, 1], 2);
  run(kernels.fill, [], out, { value: 1, step: 0.5 });
  assertEquals(Array.from(out.buffer.elements), [-1, -1, 1, 1.5, -1, 2, 2.5]);
  assertEquals(run(kernels.fill, [], output("f16", [3]), { value: 2048, step: 1 }), [2048, 2048, 2050]);
  assertEquals(run(kernels.fill, [], output("i32", [2]), { value: -1.5, step: 0 }), [-1, -1]);
  assertEquals(run(kernels.fill, [], output("bool", [2]), { value: 7, step: 0 }), [1, 1]);
});
