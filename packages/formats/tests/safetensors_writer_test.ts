import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DTypeError, ShapeError } from "../../core/src/errors.ts";
import { bytesSource } from "../src/byte_source.ts";
import { openSafetensors } from "../src/safetensors.ts";
import { type TensorData, writeSafetensors } from "../src/safetensors_writer.ts";
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
