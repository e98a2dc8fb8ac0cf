import { assertEquals, assertRejects } from "@std/assert";
import { blobSource } from "../src/blob_source.ts";
import { type ByteSource, bytesSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";

const BYTES = new Uint8Array([10, 11, 12, 13, 14]);

const SOURCES: readonly (readonly [string, () => ByteSource])[] = [
  ["bytes", () => bytesSource(BYTES, "five")],
  ["blob", () => blobSource(new Blob([BYTES]), "five")],
];

for (const [kind, make] of SOURCES) {
  Deno.test(`a source of ${kind} reads exactly what is asked for`, async () => {
    const source = make();
    assertEquals([source.name, source.byteLength], ["five", 5]);
    assertEquals(await source.read(1, 3), new Uint8Array([11, 12, 13]));
    assertEquals(await source.read(0, 5, new Uint8Array(8)), BYTES);
    assertEquals((await source.read(5, 0)).length, 0);
  });

  Deno.test(`a source of ${kind} refuses a range beyond its end`, async () => {
    const message = "Cannot read five: it ends too early: expected 3 bytes at 3, found 5 bytes in all";
    const error = await assertRejects(() => make().read(3, 3), FormatError, message);
    assertEquals([error.file, error.expected, error.found], ["five", "3 bytes at 3", "5 bytes in all"]);
    for (const [offset, length] of [[-1, 1], [0, -1], [0.5, 1], [0, NaN], [2 ** 53, 1]] as const) {
      await assertRejects(() => make().read(offset, length), FormatError, "it ends too early");
    }
  });
}

Deno.test("a File lends its name to its source", () => {
  assertEquals(blobSource(new File([BYTES], "a.gguf")).name, "a.gguf");
  assertEquals(blobSource(new Blob([BYTES])).name, "blob");
});

const LARGE = Uint8Array.from({ length: 20_000_000 }, (_, i) => (i * 7) % 251);

/** Whether each range is read as it is. */
async function assertReads(source: ByteSource, ranges: readonly (readonly [number, number])[]): Promise<void> {
  for (const [offset, length] of ranges) {
    assertEquals(await source.read(offset, length), LARGE.slice(offset, offset + length), `${length} at ${offset}`);
  }
}

Deno.test("a Blob is read on, over gaps, backwards, beyond what was read ahead, and after it was closed", async () => {
  const source = blobSource(new Blob([LARGE]));
  const onwards = [[0, 10], [10, 1_000_000], [1_000_010, 0], [1_000_031, 5], [8_000_000, 600_000]] as const;
  await assertReads(source, [...onwards, [5, 7], [19_999_999, 1], [0, 20_000_000], [20_000_000, 0], [17, 3]]);
  source.close!();
  await assertReads(source, [[20, 1000]]);
});

Deno.test("reads of a Blob at the same time do not disturb one another", async () => {
  const source = blobSource(new Blob([LARGE]));
  const ranges = [[0, 500_000], [400_000, 500_000], [0, 3_000_000], [12_000_000, 1], [0, 2]] as const;
  const all = await Promise.all(ranges.map(([offset, length]) => source.read(offset, length)));
  ranges.forEach(([offset, length], i) => assertEquals(all[i], LARGE.slice(offset, offset + length)));
});
