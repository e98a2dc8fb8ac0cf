import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DTypeError, ShapeError } from "../../core/src/errors.ts";
import { bytesSource } from "../src/byte_source.ts";
import { openSafetensors } from "../src/safetensors.ts";
import { safetensorsByteLength, type TensorData, writeSafetensors } from "../src/safetensors_writer.ts";
import { streamTensor } from "../src/tensor_file.ts";
import { collect, VECTORS } from "./file_source.ts";

async function write(tensors: Record<string, TensorData>, metadata?: Record<string, string>): Promise<Uint8Array> {
  return await new Response(writeSafetensors(new Map(Object.entries(tensors)), metadata)).bytes();
}

// Files of safetensors' own writer, with several dtypes, metadata, and empty tensors.
for (const name of ["hf_tiny/model", "softmax", "norm", "quant", "views"]) {
  Deno.test(`${name}.safetensors is written again byte for byte`, async () => {
    const original = Deno.readFileSync(new URL(`${name}.safetensors`, VECTORS));
    const file = await openSafetensors(bytesSource(original, name));
    const tensors = new Map<string, TensorData>();
    for (const entry of [...file.tensors.values()].reverse()) {
      const { dtype, shape } = entry;
      tensors.set(entry.name, { dtype, shape, bytes: () => collect(streamTensor(entry)) });
    }
    const metadata = file.metadata.size === 0 ? undefined : { format: "pt" };
    const written = await new Response(writeSafetensors(tensors, metadata)).bytes();
    assertEquals(written.length, original.length);
    assertEquals(written.findIndex((byte, i) => byte !== original[i]), -1);
  });
}

Deno.test("names that an object would reorder, and empty tensors, are read back", async () => {
  const bytes = new Uint8Array([1, 2]);
  const written = await write({
    "b": { dtype: "u8", shape: [2], bytes },
    "0": { dtype: "u8", shape: [0, 5], bytes: new Uint8Array() },
    '__proto__"ü\u2028': { dtype: "bool", shape: [], bytes: new Uint8Array([1]) },
    "a": { dtype: "f64", shape: [0], bytes: () => Promise.resolve(new Uint8Array()) },
  });
  const file = await openSafetensors(bytesSource(written, "w"));
  assertEquals(await collect(streamTensor(file.tensors.get("b")!)), bytes);
  assertEquals(file.tensors.get('__proto__"ü\u2028')?.dtype, "bool");
  assertEquals(file.tensors.size, 4);
});

Deno.test("block dtypes have no place in safetensors", () => {
  const block = { dtype: "q4_0" as const, shape: [32], bytes: new Uint8Array(18) };
  const message = 'Cannot write q4_0 tensor "w": safetensors has no block dtypes; convert with to("f32")';
  assertThrows(() => writeSafetensors(new Map([["w", block]])), DTypeError, message);
});

Deno.test("bytes that do not fit the shape end the stream", async () => {
  const message = 'Cannot write tensor "w" f32 [2, 3]: expected 24 bytes, found 20';
  await assertRejects(
    () => write({ w: { dtype: "f32", shape: [2, 3], bytes: new Uint8Array(20) } }),
    ShapeError,
    message,
  );
});

Deno.test("the name __metadata__ is reserved", async () => {
  const tensor = { dtype: "u8" as const, shape: [0], bytes: new Uint8Array() };
  const message = 'Cannot write tensor "__metadata__": safetensors reserves the name';
  await assertRejects(() => write({ __metadata__: tensor }), ShapeError, message);
});

Deno.test("pieces that share one buffer are written as they came", async () => {
  const room = new Uint8Array(2);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 3; i++) yield await Promise.resolve(room.fill(i));
  }
  const tensors = new Map<string, TensorData>([["w", { dtype: "u8", shape: [6], bytes: pieces }]]);
  const written = await new Response(writeSafetensors(tensors)).bytes();
  assertEquals([...written.slice(-6)], [0, 0, 1, 1, 2, 2]);
  assertEquals(safetensorsByteLength(tensors), written.byteLength);
});

Deno.test("pieces that do not fit the shape end the stream", async () => {
  const piecesOf = (count: number): TensorData => ({
    dtype: "u8",
    shape: [3],
    bytes: async function* () {
      for (let i = 0; i < count; i++) yield await Promise.resolve(new Uint8Array(2));
    },
  });
  const message = 'Cannot write tensor "w" u8 [3]: expected 3 bytes, found ';
  await assertRejects(() => write({ w: piecesOf(1) }), ShapeError, `${message}2`);
  await assertRejects(() => write({ w: piecesOf(9) }), ShapeError, `${message}more`);
});

Deno.test("a stream that is cancelled lets go of what gives the pieces", async () => {
  const open = new Set<string>();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    open.add("w");
    try {
      while (true) yield await Promise.resolve(new Uint8Array(1));
    } finally {
      open.delete("w");
    }
  }
  const reader = writeSafetensors(new Map([["w", { dtype: "u8" as const, shape: [9], bytes: pieces }]])).getReader();
  await reader.read(); // the header
  await reader.read();
  assertEquals([...open], ["w"]);
  await reader.cancel();
  assertEquals([...open], []);
});

Deno.test("64-bit integers are written as wide as they were stored", async () => {
  const bytes = new Uint8Array([255, 255, 255, 255, 255, 255, 255, 255, 7, 0, 0, 0, 0, 0, 0, 0]);
  const written = await write({ ids: { dtype: "i32", shape: [2], storedAs: "i64", bytes } });
  const entry = (await openSafetensors(bytesSource(written, "w"))).tensors.get("ids")!;
  assertEquals([entry.storedAs, entry.byteLength], ["i64", 16]);
  assertEquals(await collect(streamTensor(entry)), new Uint8Array([255, 255, 255, 255, 7, 0, 0, 0]));
});
