import { assertEquals } from "@std/assert";
import { quantizeBlocks } from "../../core/src/quant/formats.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { ScalarOperand } from "../src/buffer.ts";
import { asBytes } from "../src/elements.ts";
import { backend, blocks, draws, numbersOf, operand } from "./operands.ts";

const { copy } = backend.kernels;

/** A view of a q8_0 buffer of `numel` elements whose bytes are all 0xaa. */
function target(numel: number, shape: readonly number[], strides: readonly number[], offset = 0): ScalarOperand {
  const buffer = backend.allocate("q8_0", numel);
  asBytes(buffer.elements).fill(0xaa);
  return { buffer, dtype: "q8_0", shape, strides, offset };
}

function bytesOf({ buffer }: ScalarOperand): number[] {
  return [...asBytes(buffer.elements)];
}

/** The bytes of blocks that stand for some numbers. */
function encoded(values: readonly number[]): number[] {
  return [...quantizeBlocks("q8_0", Float32Array.from(values))];
}

Deno.test("copy: floats and blocks quantise to q8_0 as quantizeBlocks does", () => {
  for (const dtype of ["f32", "f16", "bf16", "f64", "i32"] as const) {
    const source = operand(dtype, [2, 64], draws(128).map((x) => x * 40));
    const out = target(128, [2, 64], [64, 1]);
    copy.run([source], [out], {});
    assertEquals(bytesOf(out), encoded(numbersOf(source)), dtype);
  }
  const source = blocks("q4_1", [2, 64]);
  const out = target(128, [128], [1]);
  copy.run([{ ...source, shape: [128], strides: [1] }], [out], {});
  assertEquals(bytesOf(out), encoded(numbersOf(source)));
});

Deno.test("copy: strided, transposed and repeated sources into a part of q8_0", () => {
  const values = draws(5000, 3);
  for (const [shape, strides] of [[[3, 32], [1, 3]], [[2, 3, 64], [0, 64, 1]], [[2, 32], [1, 0]]] as const) {
    const source = operand("f32", shape, values, strides, 5);
    const size = shape.at(-1)!;
    const rows = numelOf(shape) / size;
    const steps = shape.map((_, d) => numelOf(shape.slice(d + 1, -1)) * 128);
    const out = target(rows * 128, shape, steps.with(-1, 1), 32);
    copy.run([source], [out], {});
    const want = numbersOf(source);
    for (let r = 0; r < rows; r++) {
      const from = (r * 128 + out.offset) / 32 * 34;
      const row = bytesOf(out).slice(from, from + size / 32 * 34);
      assertEquals(row, encoded(want.slice(r * size, (r + 1) * size)), `${shape} row ${r}`);
    }
    const written = bytesOf(out).filter((x) => x !== 0xaa).length;
    assertEquals(written <= numelOf(shape) / 32 * 34, true, "nothing else was written");
  }
});

Deno.test("copy: rows longer than what is rounded at a time", () => {
  const source = operand("f64", [8256], draws(8256, 4));
  const out = target(8256, [8256], [1]);
  copy.run([source], [out], {});
  assertEquals(bytesOf(out), encoded(numbersOf(source)));
});

Deno.test("copy: q8_0 to q8_0 moves blocks as they are, and quantises anew only where they lie otherwise", () => {
  const source = blocks("q8_0", [3, 64]); // no block of it has an element of 127, so an encoder would change its bytes
  const out = target(3 * 96, [3, 64], [96, 1], 32);
  copy.run([source], [out], {});
  assertEquals([0, 1, 2].flatMap((r) => bytesOf(out).slice(r * 102 + 34, r * 102 + 102)), bytesOf(source));
  const square = blocks("q8_0", [32, 32]);
  const turned = target(1024, [32, 32], [32, 1]);
  copy.run([{ ...square, strides: [1, 32] }], [turned], {});
  assertEquals(bytesOf(turned), encoded(numbersOf({ ...square, strides: [1, 32] })));
});
