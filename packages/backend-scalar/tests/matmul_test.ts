import { assert, assertEquals } from "@std/assert";
import type { DType } from "../../core/src/dtype.ts";
import type { ScalarOperand } from "../src/buffer.ts";
import { backend, blocks, draws, numbersOf, operand, output } from "./operands.ts";

const { matmul } = backend.kernels;

/** Three loops over the numbers, in f64. */
function product(a: ScalarOperand, b: ScalarOperand): number[] {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  const batches = x.length / (m * k);
  return Array.from({ length: batches * m * n }, (_, at) => {
    const [batch, i, j] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
    let sum = 0;
    for (let l = 0; l < k; l++) sum += x[(batch * m + i) * k + l]! * y[(batch * k + l) * n + j]!;
    return sum;
  });
}

function check(what: string, a: ScalarOperand, b: ScalarOperand, tolerance = 1e-6): void {
  const out = output(a.dtype, [...a.shape.slice(0, -1), b.shape.at(-1)!]);
  matmul.run([a, b], [out], {});
  const want = product(a, b);
  const scale = Math.max(...want.map(Math.abs));
  numbersOf(out).forEach((got, i) =>
    assert(Math.abs(got - want[i]!) <= tolerance * scale, `${what} [${i}]: ${got}, not ${want[i]}`)
  );
}

/** A matrix as `[rows, columns]` that lies in one of the ways a matrix can lie. */
function matrix(dtype: DType, rows: number, columns: number, lie: string, seed: number): ScalarOperand {
  const values = draws(rows * columns * 3 + 10, seed);
  const shape = [rows, columns];
  if (lie === "rows") return operand(dtype, shape, values, [columns, 1], 3);
  if (lie === "columns") return operand(dtype, shape, values, [1, rows + 2], 2);
  if (lie === "strided") return operand(dtype, shape, values, [columns * 2, 2], 1);
  return operand(dtype, shape, values, lie === "repeated rows" ? [0, 1] : [1, 0], 1);
}

const LIES = ["rows", "columns", "strided", "repeated rows", "repeated columns"];

Deno.test("matmul: every layout of both operands, f32 and f64", () => {
  for (const dtype of ["f32", "f64"] as const) {
    for (const left of LIES) {
      for (const right of LIES) {
        for (const [m, k, n] of [[1, 7, 9], [2, 5, 4], [3, 4, 6], [5, 1, 3], [4, 3, 1], [1, 1, 1]] as const) {
          check(
            `${dtype} ${left} x ${right} ${m} ${k} ${n}`,
            matrix(dtype, m, k, left, 1),
            matrix(dtype, k, n, right, 2),
          );
        }
      }
    }
  }
});

Deno.test("matmul: f16 and bf16 on either side", () => {
  for (
    const [left, right, tolerance] of [["f32", "f16", 1e-6], ["f32", "bf16", 1e-6], ["f16", "f16", 1e-3], [
      "bf16",
      "f32",
      1e-2,
    ], ["f64", "f16", 1e-12]] as const
  ) {
    for (const lie of LIES) {
      for (const m of [1, 4]) {
        check(`${left} x ${right} ${lie}`, matrix(left, m, 6, "rows", 1), matrix(right, 6, 5, lie, 2), tolerance);
      }
    }
  }
});

Deno.test("matmul: every block dtype, transposed and not", () => {
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
    const w = blocks(dtype, [6, 512]);
    const transposed = { ...w, shape: [512, 6], strides: [1, 512] };
    const cut = { ...w, shape: [256, 2], strides: [1, 512], offset: 512 + 256 };
    for (const m of [1, 3, 5]) {
      check(`${dtype} transposed, ${m} rows`, operand("f32", [m, 512], draws(m * 512)), transposed);
      check(`${dtype} cut, ${m} rows`, operand("f32", [m, 256], draws(m * 256)), cut);
      check(`${dtype} as it is, ${m} rows`, operand("f32", [m, 6], draws(m * 6)), w);
    }
    check(`${dtype} with f64`, operand("f64", [2, 512], draws(1024)), transposed, 1e-12);
    check(`${dtype} with f16`, operand("f16", [2, 512], draws(1024)), transposed, 1e-3);
  }
});

Deno.test("matmul: batches, repeated and permuted", () => {
  const a = operand("f32", [2, 3, 2, 4], draws(60), [0, 8, 4, 1], 1);
  const b = operand("f32", [2, 3, 4, 5], draws(200, 1), [20, 0, 5, 1], 3);
  check("repeated", a, b);
  check("repeated, transposed a", operand("f32", [2, 3, 2, 4], draws(60), [8, 0, 1, 2]), b);
  const heads = operand("f32", [1, 3, 5, 4], draws(60, 2), [60, 4, 12, 1]); // [B, S, H, D] seen as [B, H, S, D]
  const queries = operand("f32", [1, 3, 2, 4], draws(24, 3), [24, 4, 12, 1]);
  check("heads", queries, { ...heads, shape: [1, 3, 4, 5], strides: [60, 4, 1, 12] });
});

Deno.test("matmul: ints wrap, bools are or of ands", () => {
  const out = output("i32", [1, 1]);
  matmul.run([operand("i32", [1, 2], [123456789, 2147483647]), operand("i32", [2, 1], [987654321, 2])], [out], {});
  assertEquals(numbersOf(out), [-67153021]);
  const truth = output("bool", [1, 2]);
  matmul.run(
    [operand("bool", [1, 256], new Array(256).fill(1)), operand("bool", [256, 2], new Array(256).fill([1, 0]).flat())],
    [truth],
    {},
  );
  assertEquals(numbersOf(truth), [1, 0]);
});

Deno.test("matmul: NaN and infinities go through zeros", () => {
  const a = operand("f32", [2, 4], [0, 0, 0, 0, 1, 0, 0, 0]);
  for (const strides of [[4, 1], [1, 4]]) {
    const out = output("f32", [2, 4]);
    matmul.run(
      [a, operand("f32", [4, 4], [Infinity, 0, 0, 0, 0, NaN, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], strides)],
      [out],
      {},
    );
    assertEquals(numbersOf(out), [NaN, NaN, 0, 0, Infinity, NaN, 0, 0]);
  }
});
