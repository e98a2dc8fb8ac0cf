import { assertAlmostEquals, assertEquals } from "@std/assert";
import { generate } from "../src/oracle/dense.ts";
import { decode, encode, roundTo } from "../src/oracle/elements.ts";
import { erf } from "../src/oracle/elementwise.ts";
import { matmul } from "../src/oracle/matmul.ts";
import { cat, gather, sort } from "../src/oracle/index.ts";
import { reduce, REDUCTIONS } from "../src/oracle/reduce.ts";
import { layoutsFor, SHAPES } from "../src/suite/layouts.ts";

Deno.test("oracle: halves are rounded to even and keep their special values", () => {
  assertEquals([2049, 2051, 65519, 65520, 2 ** -25, 1.5 * 2 ** -24].map((x) => roundTo("f16", x)), [
    2048,
    2052,
    65504,
    Infinity,
    0,
    2 ** -23,
  ]);
  assertEquals(
    encode("f16", [1, -2, 65504, Infinity, -0]),
    Uint8Array.of(0, 0x3c, 0, 0xc0, 0xff, 0x7b, 0, 0x7c, 0, 0x80),
  );
});

Deno.test("oracle: every half survives decoding and encoding", () => {
  const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
  const again = new Uint16Array(encode("f16", decode("f16", bytes)).buffer);
  for (let i = 0; i < 65536; i++) {
    const isNan = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
    if (!isNan && again[i] !== i) throw new Error(`half ${i} came back as ${again[i]}`);
  }
});

Deno.test("oracle: bfloat16 is the upper half of f32, ties to even", () => {
  assertEquals([1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38, -1.5].map((x) => roundTo("bf16", x)), [
    1,
    1 + 2 ** -6,
    Infinity,
    -1.5,
  ]);
});

Deno.test("oracle: the error function", () => {
  assertAlmostEquals(erf(0.5), 0.5204998778130465, 1e-15);
  assertAlmostEquals(erf(-2), -0.9953222650189527, 1e-15);
  assertAlmostEquals(erf(5), 0.9999999999984626, 1e-15);
});

Deno.test("oracle: products, reductions, order, joining", () => {
  const a = { shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) };
  assertEquals(matmul(a, a).data, Float64Array.of(7, 10, 15, 22));
  assertEquals(matmul(a, { shape: [2], data: Float64Array.of(1, -1) }), { shape: [2], data: Float64Array.of(-1, -1) });
  assertEquals(reduce(a, [0], true, REDUCTIONS.sum), { shape: [1, 2], data: Float64Array.of(4, 6) });
  assertEquals(REDUCTIONS.argmax([1, NaN, 3]), 1);
  const row = { shape: [3], data: Float64Array.of(2, 1, 2) };
  assertEquals(sort(row, 0, true).places.data, Float64Array.of(0, 2, 1));
  assertEquals(gather(row, 0, { shape: [2], data: Float64Array.of(1, 1) }).data, Float64Array.of(1, 1));
  assertEquals(cat([row, { shape: [1], data: Float64Array.of(9) }], 0).data, Float64Array.of(2, 1, 2, 9));
});

Deno.test("suite: in every layout each element has a place of its own in the base", () => {
  for (const shape of SHAPES) {
    for (const layout of layoutsFor(shape)) {
      const base = layout.base(shape);
      const seen = new Set<string>();
      generate(shape, (index) => {
        const place = layout.place(index);
        assertEquals(place.every((p, d) => p >= 0 && p < base[d]!), true, `${layout.name} [${shape}] at [${index}]`);
        seen.add(place.join());
        return 0;
      });
      const repeats = layout.name === "stride 0" ? shape[0] || 1 : 1;
      assertEquals(seen.size * repeats, shape.reduce((n, size) => n * size, 1));
    }
  }
});
