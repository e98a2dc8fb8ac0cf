import { assertEquals } from "@std/assert";
import { bf16ToF32, decodeBf16, decodeF16, encodeBf16, encodeF16, f16ToF32, f32ToBf16, f32ToF16 } from "../src/half.ts";

const SMALLEST_NORMAL = 2 ** -14;
const SMALLEST_SUBNORMAL = 2 ** -24;

Deno.test("half: known f16 patterns have their values", () => {
  const known: [bits: number, value: number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, SMALLEST_SUBNORMAL],
    [0x03ff, 1023 * SMALLEST_SUBNORMAL],
    [0x0400, SMALLEST_NORMAL],
    [0x3c00, 1],
    [0x3555, 0.333251953125],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ];
  for (const [bits, value] of known) {
    assertEquals(f16ToF32(bits), value);
    assertEquals(f32ToF16(value), bits);
  }
});

Deno.test("half: every f16 pattern survives the round trip", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const isNaN = (bits & 0x7fff) > 0x7c00;
    const back = f32ToF16(f16ToF32(bits));
    if (back !== (isNaN ? 0x7e00 : bits)) throw new Error(`0x${bits.toString(16)} came back as 0x${back.toString(16)}`);
  }
});

Deno.test("half: every f16 boundary rounds to nearest, ties to even", () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    const here = f16ToF32(bits);
    const next = bits === 0x7bff ? 65536 : f16ToF32(bits + 1); // overflow begins halfway to what would follow
    const middle = (here + next) / 2;
    const got = [f32ToF16(middle * (1 - 2 ** -50)), f32ToF16(middle), f32ToF16(middle * (1 + 2 ** -50))];
    const even = bits % 2 === 0 ? bits : bits + 1;
    assertEquals(got, [bits, even, bits + 1], `between ${here} and ${next}`);
    assertEquals(f32ToF16(-middle), even | 0x8000);
  }
});

Deno.test("half: an f64 is rounded to f16 once, not by way of f32", () => {
  const barelyAboveTie = 1 + 2 ** -11 + 2 ** -40; // f32 drops the last term and leaves a tie, which would go down to 1
  assertEquals(f32ToF16(barelyAboveTie), 0x3c01);
});

Deno.test("half: numbers out of f16's range", () => {
  assertEquals(f32ToF16(65519.99), 0x7bff);
  assertEquals(f32ToF16(65520), 0x7c00);
  assertEquals(f32ToF16(-1e30), 0xfc00);
  assertEquals(f32ToF16(SMALLEST_SUBNORMAL / 2), 0); // tie, to even
  assertEquals(f32ToF16(SMALLEST_SUBNORMAL * 0.5001), 1);
  assertEquals(f32ToF16(-1e-30), 0x8000);
});

Deno.test("half: every bf16 pattern survives the round trip", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = bf16ToF32(bits);
    const back = f32ToBf16(value);
    const isNaN = (bits & 0x7fff) > 0x7f80;
    const same = isNaN ? Number.isNaN(value) && (back & 0x7fff) > 0x7f80 : back === bits;
    if (!same) throw new Error(`0x${bits.toString(16)} came back as 0x${back.toString(16)}`);
  }
});

Deno.test("half: bf16 rounds to nearest, ties to even", () => {
  const step = 2 ** -7;
  assertEquals(f32ToBf16(1), 0x3f80);
  assertEquals(f32ToBf16(1 + step / 2), 0x3f80);
  assertEquals(f32ToBf16(1 + step * 1.5), 0x3f82);
  assertEquals(f32ToBf16(1 + step * 0.5001), 0x3f81);
  assertEquals(f32ToBf16(3.4028234663852886e38), 0x7f80);
  assertEquals(f32ToBf16(-Infinity), 0xff80);
  assertEquals(bf16ToF32(f32ToBf16(NaN)), NaN);
});

Deno.test("half: a NaN whose payload bf16 cannot hold stays NaN", () => {
  const values = new Float32Array(new Uint32Array([0x7f800001, 0xff80ffff]).buffer);
  const bits = new Uint16Array(2);
  encodeBf16(values, 0, bits, 0, 2);
  assertEquals([...bits], [0x7fc0, 0xffc0]);
});

Deno.test("half: arrays convert the range asked for and leave the rest", () => {
  const values = new Float32Array([9, 1, -2, 0.5, 9]);
  const f16 = new Uint16Array(6).fill(7);
  const bf16 = new Uint16Array(6).fill(7);
  encodeF16(values, 1, f16, 2, 3);
  encodeBf16(values, 1, bf16, 2, 3);
  assertEquals([...f16], [7, 7, 0x3c00, 0xc000, 0x3800, 7]);
  assertEquals([...bf16], [7, 7, 0x3f80, 0xc000, 0x3f00, 7]);
  const room = new Float32Array(7).fill(3);
  const out = room.subarray(1, 6); // a view that does not begin at its buffer's start
  decodeF16(f16, 2, out, 1, 3);
  assertEquals([...room], [3, 3, 1, -2, 0.5, 3, 3]);
  room.fill(3);
  decodeBf16(bf16, 2, out, 1, 3);
  assertEquals([...room], [3, 3, 1, -2, 0.5, 3, 3]);
});
