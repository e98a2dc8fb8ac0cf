import { assertEquals, assertRejects } from "@std/assert";
import { blobSource, type ByteSource, bytesSource } from "../src/byte_source.ts";
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
