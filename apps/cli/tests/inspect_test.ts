import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel, type ModelDescription } from "../src/describe_model.ts";
import { ModelError } from "../src/errors.ts";
import { openModel } from "../src/open_model.ts";
import { showDescription } from "../src/show_description.ts";
import { arrayValue, u32Value, type Value } from "../../../packages/formats/tests/gguf_writer.ts";
import { tinyGguf } from "./tiny_gguf.ts";

const VECTORS = fileURLToPath(new URL("../../../packages/conformance/vectors/", import.meta.url));

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function describe(path: string): Promise<ModelDescription> {
  using model = await openModel(path);
  return describeModel(model);
}

async function describeTiny(metadata: Readonly<Record<string, Value | undefined>> = {}): Promise<ModelDescription> {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    await Deno.writeFile(path, tinyGguf({ metadata }));
    return await describe(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a Hugging Face folder", async () => {
  const description = await describe(join(VECTORS, "hf_tiny"));
  const { name, format, architecture, attention, groupSize, parameters, fileBytes, files } = description;
  assertEquals({ name, format, architecture, attention, groupSize, parameters, fileBytes, files }, {
    name: "hf_tiny",
    format: "safetensors",
    architecture: "llama",
    attention: "GQA",
    groupSize: 4,
    parameters: 139_968,
    fileBytes: 563_872,
    files: 1,
  });
  const { layers, hiddenSize, queryHeads, keyValueHeads, headSize, vocabularySize, contextLength, ropeTheta } =
    description;
  const sizes = { layers, hiddenSize, queryHeads, keyValueHeads, headSize, vocabularySize, contextLength, ropeTheta };
  assertEquals(sizes, {
    layers: 4,
    hiddenSize: 64,
    queryHeads: 8,
    keyValueHeads: 2,
    headSize: 8,
    vocabularySize: 97,
    contextLength: 512,
    ropeTheta: 10_000,
  });
  assertEquals(description.tiedEmbeddings, false);
  assertEquals(description.dtypes, [{ dtype: "f32", tensors: 39, parameters: 139_968, bytes: 559_872 }]);
  // 4 layers * 2 heads * (8 + 8) elements
  assertEquals(description.cache.f32, { bytesPerToken: 512, bytesAtFullContext: 262_144 });
  assertEquals(description.cache.f16, { bytesPerToken: 256, bytesAtFullContext: 131_072 });
  assertEquals(description.cache.q8_0, null); // heads of 8 are no whole blocks of 32
  // a key/value head more is 4 layers * 2 projections * 8 rows of 64
  assertEquals(description.variants.mha.parameters, 139_968 + 6 * 4096);
  assertEquals(description.variants.mqa.parameters, 139_968 - 4096);
  assertEquals(description.variants.mqa.cache.f32?.bytesPerToken, 256);
});

Deno.test("a sharded folder with tied embeddings", async () => {
  const { files, fileBytes, tiedEmbeddings, parameters, groupSize } = await describe(join(VECTORS, "hf_tiny_sharded"));
  assertEquals({ files, fileBytes, tiedEmbeddings, parameters, groupSize }, {
    files: 3,
    fileBytes: 213_816,
    tiedEmbeddings: true,
    parameters: 52_704,
    groupSize: 2,
  });
});

Deno.test("a GGUF file", async () => {
  const description = await describeTiny();
  const { architecture, layers, headSize, vocabularySize, contextLength, ropeTheta, tiedEmbeddings } = description;
  assertEquals({ architecture, layers, headSize, vocabularySize, contextLength, ropeTheta, tiedEmbeddings }, {
    architecture: "llama",
    layers: 2,
    headSize: 32,
    vocabularySize: 7,
    contextLength: 100,
    ropeTheta: 5000,
    tiedEmbeddings: true,
  });
  assertEquals(description.dtypes, [
    { dtype: "q8_0", tensors: 4, parameters: 16_384, bytes: 17_408 },
    { dtype: "f32", tensors: 4, parameters: 256, bytes: 1024 },
    { dtype: "f16", tensors: 1, parameters: 448, bytes: 896 },
  ]);
  // 2 layers * 2 heads * two rows of 32 in 34 bytes
  assertEquals(description.cache.q8_0, { bytesPerToken: 272, bytesAtFullContext: 27_200 });
  // a head is 2 layers * (two projections of 32 rows of 64, and 32 biases)
  assertEquals(description.variants.mqa.parameters, description.parameters - 2 * (4096 + 32));
});

Deno.test("attention is named by its key/value heads", async () => {
  const named = async (heads: number): Promise<string> =>
    (await describeTiny({ "llama.attention.head_count_kv": u32Value(heads) })).attention;
  assertEquals(await Promise.all([4, 2, 1].map(named)), ["MHA", "GQA", "MQA"]);
  const absent = await describeTiny({ "llama.attention.head_count_kv": undefined });
  assertEquals(absent.keyValueHeads, 4);
});

Deno.test("what a header leaves out is derived where that has a meaning", async () => {
  const description = await describeTiny({
    "llama.attention.key_length": undefined,
    "llama.attention.value_length": undefined,
    "llama.rope.freq_base": undefined,
    "tokenizer.ggml.tokens": undefined,
    "llama.attention.head_count_kv": arrayValue(4, 2, [2, 0, 0, 0, 2, 0, 0, 0]),
  });
  const { headSize, valueHeadSize, ropeTheta, vocabularySize, keyValueHeads } = description;
  assertEquals([headSize, valueHeadSize, ropeTheta, vocabularySize, keyValueHeads], [16, 16, null, 7, 2]);
});

Deno.test("a header that does not say enough, or makes no sense, is an error that names the key", async () => {
  const rejects = (metadata: Readonly<Record<string, Value | undefined>>, message: string): Promise<ModelError> =>
    assertRejects(() => describeTiny(metadata), ModelError, message);
  await rejects({ "general.architecture": undefined }, "its header lacks general.architecture");
  await rejects({ "llama.block_count": undefined }, "its header lacks llama.block_count");
  await rejects(
    { "llama.block_count": u32Value(0) },
    "llama.block_count must be a whole number of at least 1 and is 0",
  );
  await rejects(
    { "llama.attention.head_count_kv": arrayValue(4, 2, [2, 0, 0, 0, 1, 0, 0, 0]) },
    "llama.attention.head_count_kv must be a whole number of at least 1 and is a list that differs from layer to layer",
  );
  await rejects(
    { "llama.attention.head_count_kv": u32Value(3) },
    "4 query heads and 3 key/value heads do not make whole",
  );
  await rejects(
    { "llama.attention.head_count": u32Value(6), "llama.attention.key_length": undefined },
    "hidden size 64 is no multiple of its 6 heads",
  );
});

Deno.test("a config.json that does not say enough is an error that names the key", () =>
  withFolder(async (folder) => {
    await Deno.copyFile(join(VECTORS, "hf_tiny/model.safetensors"), join(folder, "model.safetensors"));
    const text = await Deno.readTextFile(join(VECTORS, "hf_tiny/config.json"));
    await Deno.writeTextFile(join(folder, "config.json"), text.replace('"num_hidden_layers"', '"other"'));
    await assertRejects(() => describe(folder), ModelError, "its header lacks num_hidden_layers");
    await Deno.writeTextFile(join(folder, "config.json"), text.replace('"model_type"', '"other"'));
    await assertRejects(() => describe(folder), ModelError, "its header lacks model_type");
    await Deno.writeTextFile(join(folder, "config.json"), "[1");
    await assertRejects(() => describe(folder), ModelError, "it is not a JSON object");
  }));

Deno.test("a rope theta in rope_parameters is found", () =>
  withFolder(async (folder) => {
    await Deno.copyFile(join(VECTORS, "hf_tiny/model.safetensors"), join(folder, "model.safetensors"));
    const config: Record<string, unknown> = JSON.parse(await Deno.readTextFile(join(VECTORS, "hf_tiny/config.json")));
    delete config["rope_theta"];
    config["rope_parameters"] = { rope_theta: 7e5 };
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(config));
    assertEquals((await describe(folder)).ropeTheta, 7e5);
  }));

Deno.test("a folder that is no model, or a part of one, is said to be", () =>
  withFolder(async (folder) => {
    await assertRejects(() => describe(folder), ModelError, `Cannot find a model in ${folder}: it has no config.json`);
    await Deno.writeTextFile(join(folder, "config.json"), "{}");
    await assertRejects(
      () => describe(folder),
      ModelError,
      "it has neither model.safetensors nor model.safetensors.index",
    );
    const part = join(VECTORS, "hf_tiny/model.safetensors");
    await assertRejects(() => describe(part), ModelError, `Cannot describe ${part} by itself: give the folder`);
  }));

Deno.test("a shard that is missing is named", () =>
  withFolder(async (folder) => {
    for (const name of ["config.json", "model.safetensors.index.json"]) {
      await Deno.copyFile(join(VECTORS, "hf_tiny_sharded", name), join(folder, name));
    }
    const error = await assertRejects(() => describe(folder), Error);
    assertStringIncludes(error.message, "model-00001-of-00003.safetensors");
  }));

Deno.test("the text names heads and groups, and shows no cost where there is none", async () => {
  const text = showDescription(await describe(join(VECTORS, "hf_tiny")));
  assertStringIncludes(text, "attention         GQA: 8 query heads on 2 key/value heads, groups of 4\n");
  assertStringIncludes(text, "f16              256 bytes      131.1 kB\n");
  assertStringIncludes(text, "q8_0                     -             -\n");
  assertStringIncludes(text, "as MHA                        8     164,544  1.0 kB (1,024 bytes)      524.3 kB\n");
});

Deno.test("parameters that cannot be counted are unknown", async () => {
  const description = await describeTiny({ "llama.block_count": u32Value(3) }); // one layer without projections
  assertEquals(description.variants.mha.parameters, null);
  assertStringIncludes(showDescription(description), "unknown");
});
