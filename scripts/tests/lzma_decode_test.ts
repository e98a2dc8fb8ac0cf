/** What another's encoder packs, ours unpacks. */
import { assertEquals } from "@std/assert";
import lzma from "lzma";
import { decodeLzma } from "../bundle/lzma_decode.ts";

const compress: (bytes: Uint8Array, mode: number) => number[] = lzma.compress; // the package has no types

/** Numbers that look random, from a seed. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed;;) yield (state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x297a2d39 | 0) >>> 0;
}

/** Runs of few and of many different bytes, and copies from near and from far away. */
function someBytes(seed: number, length: number): Uint8Array {
  const random = numbers(seed);
  const next = (below: number): number => (random.next().value ?? 0) % below;
  const bytes: number[] = [];
  while (bytes.length < length) {
    const kind = next(3);
    const count = 1 + next(400);
    const from = next(bytes.length + 1);
    for (let i = 0; i < count; i++) {
      bytes.push(kind === 0 ? next(256) : kind === 1 ? next(4) : bytes[from + i] ?? 0);
    }
  }
  return Uint8Array.from(bytes.slice(0, length));
}

for (const [seed, length] of [[1, 1], [2, 2], [3, 300], [4, 5_000], [5, 70_000], [6, 120_000]] as const) {
  Deno.test(`LZMA of ${length} bytes is unpacked`, () => {
    const bytes = someBytes(seed, length);
    const packed = Uint8Array.from(compress(bytes, 3));
    assertEquals(decodeLzma(packed), bytes, `seed ${seed}`);
  });
}
