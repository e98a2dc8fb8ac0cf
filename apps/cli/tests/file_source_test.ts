import { assertEquals, assertRejects } from "@std/assert";
import { setImmediate } from "node:timers";
import { ModelError } from "../src/errors.ts";
import { fileSource } from "../src/file_source.ts";

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".bin" });
  try {
    await Deno.writeFile(path, Uint8Array.from({ length: 100 }, (_, index) => index));
    await body(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a file is read by range, also into given room and several at once", () =>
  withFile(async (path) => {
    const source = await fileSource(path);
    assertEquals([source.byteLength, path.endsWith(source.name)], [100, true]);
    const room = new Uint8Array(10);
    const reads = await Promise.all([source.read(10, 2), source.read(98, 2), source.read(0, 3, room)]);
    assertEquals(reads.map((bytes) => [...bytes]), [[10, 11], [98, 99], [0, 1, 2]]);
    assertEquals(reads[2]?.buffer, room.buffer);
    await assertRejects(() => source.read(99, 2), Error, "it ends too early");
    source.close();
  }));

Deno.test("a file that shrinks while it is read is an error", () =>
  withFile(async (path) => {
    const source = await fileSource(path);
    await Deno.truncate(path, 10);
    await assertRejects(() => source.read(5, 20), ModelError, "it became shorter while it was read");
    source.close();
  }));

Deno.test("a read leaves a turn for other work", () =>
  withFile(async (path) => {
    const source = await fileSource(path);
    let turned = false;
    setImmediate(() => turned = true);
    await source.read(0, 100);
    assertEquals(turned, true);
    source.close();
  }));

Deno.test("a file that is not there is an error with its path", async () => {
  await assertRejects(() => fileSource("no/such.gguf"), ModelError, "Cannot open no/such.gguf: ");
});
