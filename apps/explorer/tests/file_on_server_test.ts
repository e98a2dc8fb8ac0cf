/** What a file holds is told by its name; whether it is still the one that it was, by hash, tag or time where they are known. */
import { assertEquals } from "@std/assert";
import { isSafetensors, isSafetensorsIndex, isSameFile, tagOf } from "../src/file_on_server.ts";

Deno.test("file on server: its tag is the entity tag, weak or not, else its time, else nothing", () => {
  const time = "Wed, 21 Oct 2015 07:28:00 GMT";
  for (
    const [headers, tag] of [
      [{ etag: '"a"', "last-modified": time }, '"a"'],
      [{ etag: 'W/"a"' }, '"a"'],
      [{ "last-modified": time }, time],
      [{}, undefined],
    ] as const
  ) {
    assertEquals(tagOf(new Headers(headers)), tag);
  }
});

Deno.test("file on server: two are the same unless name, length, hash or tag say otherwise; hashes outweigh tags", () => {
  const file = { name: "m.gguf", byteLength: 8 };
  for (
    const [a, b, same] of [
      [{}, {}, true],
      [{}, { name: "n.gguf" }, false],
      [{}, { byteLength: 9 }, false],
      [{ tag: "1" }, { tag: "2" }, false],
      [{ tag: "1" }, { tag: "1" }, true],
      [{ tag: "1" }, {}, true],
      [{ sha256: "a", tag: "1" }, { sha256: "a", tag: "2" }, true],
      [{ sha256: "a", tag: "1" }, { sha256: "b", tag: "1" }, false],
      [{ sha256: "a", tag: "1" }, { tag: "2" }, false],
    ] as const
  ) {
    assertEquals(isSameFile({ ...file, ...a }, { ...file, ...b }), same, JSON.stringify([a, b]));
  }
});

Deno.test("file on server: safetensors and their index are known by their names, in small letters or capitals", () => {
  for (
    const [name, weights, index] of [
      ["model.safetensors", true, false],
      ["MODEL.SafeTensors", true, false],
      ["model.safetensors.index.json", true, true],
      ["MODEL.SAFETENSORS.INDEX.JSON", true, true],
      ["config.json", false, false],
      ["model.gguf", false, false],
    ] as const
  ) {
    assertEquals([isSafetensors(name), isSafetensorsIndex(name)], [weights, index], name);
  }
});
