import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type ByteSource, bytesSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";
import { openShardedSafetensors } from "../src/safetensors_sharded.ts";
import { writeSafetensors } from "../src/safetensors_writer.ts";
import { fileSource, VECTORS } from "./file_source.ts";

const INDEX = "model.safetensors.index.json";

/** A folder in memory that counts what is open. */
async function folder(index: string, shards: Record<string, string[]>): Promise<{
  open: (name: string) => Promise<ByteSource>;
  opened: () => number;
}> {
  const files = new Map([[INDEX, new TextEncoder().encode(index)]]);
  for (const [shard, names] of Object.entries(shards)) {
    const tensors = new Map(
      names.map((name) => [name, { dtype: "u8" as const, shape: [2], bytes: new Uint8Array(2) }]),
    );
    files.set(shard, await new Response(writeSafetensors(tensors, { format: "pt" })).bytes());
  }
  let opened = 0;
  const open = (name: string): Promise<ByteSource> => {
    const bytes = files.get(name);
    if (bytes === undefined) return Promise.reject(new Error("no such file"));
    opened++;
    return Promise.resolve({ ...bytesSource(bytes, name), close: () => void opened-- });
  };
  return { open, opened: () => opened };
}

const map = (weights: Record<string, unknown>): string => JSON.stringify({ weight_map: weights });

Deno.test("the golden sharded model opens as one file", async () => {
  const file = await openShardedSafetensors(
    INDEX,
    (name) => Promise.resolve(fileSource(new URL(`hf_tiny_sharded/${name}`, VECTORS))),
  );
  const bytes = [...file.tensors.values()].reduce((sum, entry) => sum + entry.byteLength, 0);
  assertEquals([file.name, file.tensors.size, bytes], [INDEX, 29, 210816]); // 210816 is the index's total_size
  assertEquals(file.tensors.get("model.embed_tokens.weight")?.source.name, "model-00001-of-00003.safetensors");
  assertEquals([...file.metadata], [["format", "pt"]]);
  file.close();
});

Deno.test("shards are opened once and closed together; the index decides", async () => {
  const { open, opened } = await folder(map({ a: "1", b: "2", c: "1" }), { 1: ["a", "c", "extra"], 2: ["b"] });
  const file = await openShardedSafetensors(INDEX, open);
  assertEquals([...file.tensors.keys()], ["a", "b", "c"]);
  assertStrictEquals(file.tensors.get("a")?.source, file.tensors.get("c")?.source);
  assertEquals(opened(), 2);
  file.close();
  assertEquals(opened(), 0);
});

const BAD: readonly (readonly [what: string, index: string, message: string])[] = [
  ["missing shard", map({ a: "1", b: "9" }), 'shard "9" cannot be opened (no such file)'],
  ["tensor not in its shard", map({ a: "1", b: "1" }), 'tensor "b": it is not in "1", where the index has it'],
  ["index not JSON", "{", "the index is not JSON"],
  ["index without weight_map", "{}", "bad weight_map: expected an object of file names, found undefined"],
  ["index itself as a shard", map({ a: INDEX }), "its header cannot be that long"],
  ...["../x", "/etc/x", "..", ".", "", "a/b", "a\\b", "C:x", "http://h/x", "a\0"].map((name) =>
    [
      `shard name ${JSON.stringify(name)}`,
      map({ a: "1", evil: name }),
      `tensor "evil": bad shard name: expected a plain file name beside the index, found ${JSON.stringify(name)}`,
    ] as const
  ),
  ["shard name no string", map({ a: 1 }), "bad shard name: expected a plain file name beside the index, found 1"],
];
for (const [what, index, message] of BAD) {
  Deno.test(`sharded safetensors, ${what}`, async () => {
    const { open, opened } = await folder(index, { 1: ["a"] });
    await assertRejects(() => openShardedSafetensors(INDEX, open), FormatError, message);
    assertEquals(opened(), 0, "nothing stays open");
  });
}

Deno.test("an index that is absurdly long is refused without being read", async () => {
  const source = { name: INDEX, byteLength: 1e12, read: (): Promise<Uint8Array> => Promise.reject(new Error("read")) };
  const message = "the index is absurdly long: expected at most 100000000 bytes, found 1000000000000";
  await assertRejects(() => openShardedSafetensors(INDEX, () => Promise.resolve(source)), FormatError, message);
});
