import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { fromBytes, ShapeError, type Tensor } from "../../core/mod.ts";
import {
  bytesSource,
  FormatError,
  openSafetensors,
  openShardedSafetensors,
  streamTensor,
  type TensorData,
  type TensorFile,
  writeSafetensors,
} from "../../formats/mod.ts";
import { collect, fileSource, VECTORS } from "../../formats/tests/file_source.ts";
import { type Checkpoint, convertCheckpoint } from "../src/convert_checkpoint.ts";
import { readHeadCounts, withKvHeads } from "../src/convert_config.ts";
import { convertHeads } from "../src/convert_heads.ts";
import { type CheckpointFile, readBytes, tensorData, weightFiles } from "../src/save_model.ts";

const FIELDS = {
  hidden_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 2,
};
const KEY = "model.layers.0.self_attn.k_proj.weight";
const VALUE = "model.layers.0.self_attn.v_proj.weight";

function bytesOf(count: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (i * 37 + seed) % 60); // finite in any dtype
}

/** A model with halves, and integers that only lie there. */
function tensors(changes: Record<string, TensorData | undefined> = {}): Map<string, TensorData> {
  const all: Record<string, TensorData | undefined> = {
    "model.embed_tokens.weight": { dtype: "f32", shape: [9, 4], bytes: bytesOf(144, 1) },
    [KEY]: { dtype: "bf16", shape: [4, 4], bytes: bytesOf(32, 2) },
    [VALUE]: { dtype: "f16", shape: [4, 4], bytes: bytesOf(32, 3) },
    "model.layers.0.self_attn.v_proj.bias": { dtype: "f16", shape: [4], bytes: bytesOf(8, 4) },
    "positions": { dtype: "i32", storedAs: "i64", shape: [2], bytes: bytesOf(16, 5) },
    ...changes,
  };
  return new Map(Object.entries(all).flatMap(([name, x]) => (x === undefined ? [] : [[name, x] as const])));
}

async function checkpoint(
  changes: Record<string, TensorData | undefined> = {},
  fields: Record<string, unknown> = {},
): Promise<Checkpoint> {
  const bytes = await new Response(writeSafetensors(tensors(changes), { format: "pt", note: "kept" })).bytes();
  const file = await openSafetensors(bytesSource(bytes, "model.safetensors"));
  return { file, config: JSON.stringify({ ...FIELDS, ...fields }) };
}

async function read(file: CheckpointFile): Promise<Uint8Array> {
  const bytes = await new Response(file.stream()).bytes();
  assertEquals(bytes.byteLength, file.byteLength, file.name);
  return bytes;
}

async function readText(file: CheckpointFile): Promise<string> {
  return new TextDecoder().decode(await read(file));
}

async function reopen(files: readonly CheckpointFile[]): Promise<TensorFile> {
  const open = async (name: string) => bytesSource(await read(files.find((file) => file.name === name)!), name);
  const index = "model.safetensors.index.json";
  if (files.some(({ name }) => name === index)) return await openShardedSafetensors(index, open);
  return await openSafetensors(await open("model.safetensors"));
}

Deno.test("a checkpoint is converted as its state dict is, and the rest stays byte for byte", async () => {
  const backend = createScalarBackend();
  const given = await checkpoint();
  const files = convertCheckpoint(given, { kvHeads: 1, method: "mean", backend });
  assertEquals(files.map(({ name }) => name), ["config.json", "model.safetensors"]);
  const written = await reopen(files);
  assertEquals(backend.memory.liveStorages, 0);
  assertEquals([...written.metadata], [["format", "pt"], ["note", "kept"]]);
  assertEquals([...written.tensors.keys()].sort(), [...given.file.tensors.keys()].sort());

  const state = new Map<string, Tensor>();
  for (const [name, { dtype, shape, bytes }] of tensors({ positions: undefined })) {
    state.set(name, fromBytes(bytes as Uint8Array, shape, dtype, { backend })); // given as bytes above
  }
  const config = readHeadCounts(given.config, "config.json");
  const converted = convertHeads(state, config, { kvHeads: 1, method: "mean" });
  for (const [name, entry] of written.tensors) {
    const want = converted.state.get(name);
    const { storedAs, ...plain } = entry;
    const bytes = await collect(streamTensor({ ...plain, dtype: "u8" }));
    if (want === undefined) {
      assertEquals([name, storedAs, bytes], ["positions", "i64", bytesOf(16, 5)]);
      continue;
    }
    assertEquals([entry.dtype, entry.shape], [want.dtype, want.shape], name);
    assertEquals(bytes, new Uint8Array(await readBytes(want)), name);
  }
});

Deno.test("shards stay shards with their names, and the index says where everything lies", async () => {
  const backend = createScalarBackend();
  const folder = new URL("hf_tiny_sharded/", VECTORS);
  const file = await openShardedSafetensors(
    "model.safetensors.index.json",
    (name) => Promise.resolve(fileSource(new URL(name, folder))),
  );
  try {
    const config = await Deno.readTextFile(new URL("config.json", folder));
    const files = convertCheckpoint({ file, config }, { kvHeads: 1, method: "first", backend });
    assertEquals(files.map(({ name }) => name), [
      "config.json",
      ...[1, 2, 3].map((n) => `model-0000${n}-of-00003.safetensors`),
      "model.safetensors.index.json",
    ]);
    const written = await reopen(files);
    for (const [name, entry] of written.tensors) assertEquals(entry.source.name, file.tensors.get(name)?.source.name);
    const index: { metadata: unknown } = JSON.parse(await readText(files.at(-1)!));
    assertEquals(index.metadata, { total_parameters: 48_096, total_size: 192_384 });
    assertEquals(await readText(files[0]!), config.replace('"num_key_value_heads": 3', '"num_key_value_heads": 1'));
  } finally {
    file.close();
  }
});

Deno.test("weights beyond the limit are split in order, each file as full as it can be", async () => {
  const backend = createScalarBackend();
  const files = convertCheckpoint(await checkpoint(), { kvHeads: 2, method: "mean", backend, maxShardBytes: 50 });
  const weights = files.slice(1, -1);
  assert(weights.every(({ name }, i) => name === `model-0000${i + 1}-of-0000${weights.length}.safetensors`));
  const written = await reopen(files);
  const sizes = new Map<string, number>();
  for (const { source, byteLength } of written.tensors.values()) {
    sizes.set(source.name, (sizes.get(source.name) ?? 0) + byteLength);
  }
  assertEquals([...sizes.values()].sort((a, b) => a - b), [16, 32, 32 + 8, 144]); // 144 has a file to itself
});

Deno.test("one projection at a time is in memory, however large the model", async () => {
  const layers = 8;
  const changes: Record<string, TensorData> = {
    "model.embed_tokens.weight": { dtype: "f32", shape: [9000, 4], bytes: new Uint8Array(144_000) },
  };
  for (let layer = 0; layer < layers; layer++) {
    for (const which of ["k", "v"]) {
      const name = `model.layers.${layer}.self_attn.${which}_proj.weight`;
      changes[name] = { dtype: "bf16", shape: [4, 4], bytes: bytesOf(32, layer) };
    }
  }
  const backend = createScalarBackend();
  const given = await checkpoint(changes, { num_hidden_layers: layers });
  await reopen(convertCheckpoint(given, { kvHeads: 1, method: "mean", backend }));
  const { peakBytes, liveStorages } = backend.memory;
  assertEquals(liveStorages, 0);
  assert(peakBytes < 32 + 4 * 64, `${peakBytes}`); // the weight, in f32, and what becomes of it
});

Deno.test("a stream that is ended leaves nothing on the backend", async () => {
  const backend = createScalarBackend();
  const [, weights] = convertCheckpoint(await checkpoint(), { kvHeads: 1, method: "mean", backend });
  const reader = weights!.stream().getReader();
  for (let i = 0; i < 4; i++) await reader.read();
  await reader.cancel();
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("weights that are not the config's are refused, by file, tensor, expected and found", async () => {
  const refuses = async (
    changes: Record<string, TensorData | undefined>,
    fields: Record<string, unknown>,
    message: string,
  ): Promise<FormatError> => {
    const given = await checkpoint(changes, fields);
    const backend = createScalarBackend();
    return assertThrows(
      () => convertCheckpoint(given, { kvHeads: 1, method: "mean", backend }),
      FormatError,
      message,
    );
  };
  const error = await refuses(
    { [KEY]: { dtype: "f32", shape: [2, 4], bytes: new Uint8Array(32) } },
    {},
    `Cannot convert model.safetensors: tensor "${KEY}" should be floats [4, 4], as config.json has it, found f32 [2, 4]`,
  );
  const { file, tensor, expected, found } = error;
  assertEquals([file, tensor, expected, found], ["model.safetensors", KEY, "floats [4, 4]", "f32 [2, 4]"]);
  await refuses({ [VALUE]: { dtype: "u8", shape: [4, 4], bytes: new Uint8Array(16) } }, {}, "found u8 [4, 4]");
  await refuses(
    { [VALUE]: undefined },
    {},
    `tensor "${VALUE}" should be floats [4, 4], as config.json has it, found nothing`,
  );
  await refuses({}, { num_hidden_layers: 2 }, 'tensor "model.layers.1.self_attn.k_proj.weight" should be');
  await refuses(
    {},
    { num_attention_heads: 3 },
    "its config has 3 query heads, which do not share 2 key/value heads evenly",
  );
  const config = "Cannot read config.json of model.safetensors: ";
  await refuses({}, { hidden_size: null }, `${config}"hidden_size" should be a whole number above 0, found nothing`);
  await refuses(
    {},
    { num_key_value_heads: [2, 1] },
    `${config}"num_key_value_heads" should be a whole number above 0, found [2,1]`,
  );
});

Deno.test("GGUF, what is no JSON, and heads that do not divide are refused", async () => {
  const backend = createScalarBackend();
  const given = await checkpoint();
  const options = { kvHeads: 1, method: "mean" as const, backend };
  assertThrows(
    () => convertCheckpoint({ ...given, file: { ...given.file, name: "m.gguf", format: "gguf" } }, options),
    FormatError,
    "Cannot convert m.gguf: it is GGUF, whose weights are packed for one engine; convert the Hugging Face folder",
  );
  for (const [config, message] of [["{", "it is not JSON: "], ["[1]", "it is not a JSON object"]] as const) {
    assertThrows(() => convertCheckpoint({ ...given, config }, options), FormatError, message);
  }
  const parsed = JSON.parse(given.config); // of any type, as JavaScript gives it
  assertThrows(
    () => convertCheckpoint({ ...given, config: parsed }, options),
    FormatError,
    "Cannot read config.json of model.safetensors: it is parsed already; give the file's text, which is kept as it is",
  );
  assertThrows(
    () => convertCheckpoint(given, { ...options, kvHeads: 4 }),
    ShapeError,
    "Cannot convert 2 key/value heads to 4: the new number must divide 2; use 1, 2",
  );
  const misspelt: object = { method: "mean", backend, num_key_value_heads: 1 };
  assertThrows(
    () => convertCheckpoint(given, misspelt as typeof options), // as JavaScript may write it
    ShapeError,
    'Cannot convert a checkpoint with an option "num_key_value_heads": there is none; use kvHeads',
  );
});

Deno.test("a source that ends early is an error when its stream is read", async () => {
  const backend = createScalarBackend();
  const given = await checkpoint();
  const cut = new Map(
    Array.from(given.file.tensors, ([name, entry]) => [name, { ...entry, offsetBytes: entry.offsetBytes + 1000 }]),
  );
  const [, weights] = convertCheckpoint({ ...given, file: { ...given.file, tensors: cut } }, {
    kvHeads: 1,
    method: "mean",
    backend,
  });
  await assertRejects(() => new Response(weights!.stream()).bytes(), FormatError, "it ends too early");
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("only the one number of config.json changes, however it is written", () => {
  const text =
    '{"a": {"num_key_value_heads": 9, "x": [1e-05, "}"]}, "b\\"": "num_key_value_heads", "num_key_value_heads" :8}';
  assertEquals(withKvHeads(text, 2), text.replace(":8}", ":2}"));
  assertEquals(
    withKvHeads('{ "num_key_value_heads": null, "rope_theta": 10000.0 }', 4),
    '{ "num_key_value_heads": 4, "rope_theta": 10000.0 }',
  );
  assertEquals(
    withKvHeads('{"num_key_value_heads":1,"num\\u005fkey_value_heads":2}', 7),
    '{"num_key_value_heads":1,"num\\u005fkey_value_heads":7}',
  );
  assertEquals(JSON.parse(withKvHeads('{"hidden_size": 4}', 3)), { num_key_value_heads: 3, hidden_size: 4 });
});

Deno.test("head counts have Hugging Face's defaults", () => {
  const { hidden_size, num_hidden_layers, num_attention_heads } = FIELDS;
  const counts = readHeadCounts(JSON.stringify({ hidden_size, num_hidden_layers, num_attention_heads }), "config.json");
  assertEquals(counts, { hiddenSize: 4, numHiddenLayers: 1, numAttentionHeads: 4, numKeyValueHeads: 4, headDim: 1 });
  const ranged = readHeadCounts(JSON.stringify({ ...FIELDS, initializer_range: 0.5 }), "config.json");
  assertEquals([ranged.headDim, ranged.initializerRange], [2, 0.5]);
});

Deno.test("tensors of a backend are saved, views and empty ones too", async () => {
  const backend = createScalarBackend();
  const x = fromBytes(new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer), [2, 3], "f32", { backend });
  const state = new Map([["turned", x.transpose(0, 1)], ["empty", x.narrow(0, 0, 0)]]);
  const files = weightFiles(new Map(Array.from(state, ([name, t]) => [name, tensorData(t)])));
  const written = await reopen(files);
  assertEquals([...written.metadata], [["format", "pt"]]);
  const bytes = await collect(streamTensor(written.tensors.get("turned")!));
  assertEquals([...new Float32Array(bytes.buffer)], [1, 4, 2, 5, 3, 6]);
  assertEquals(written.tensors.get("empty")?.shape, [0, 3]);
});
