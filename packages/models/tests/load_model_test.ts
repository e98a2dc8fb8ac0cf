import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type Backend,
  BackendError,
  type DType,
  DTypeError,
  quantizeBlocks,
  randn,
  ShapeError,
  tensor,
  tidy,
} from "../../core/mod.ts";
import {
  bytesSource,
  FormatError,
  type GgufValue,
  openSafetensors,
  type TensorData,
  type TensorEntry,
  type TensorFile,
  writeSafetensors,
} from "../../formats/mod.ts";
import { AdamW, LlamaForCausalLM } from "../../nn/mod.ts";
import { llamaConfigFromGguf, llamaConfigFromJson, loadModel, type LoadModelOptions, tensorData } from "../mod.ts";

const CONFIG = {
  model_type: "llama",
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

const DOWN = "model.layers.1.mlp.down_proj.weight";

/** A checkpoint of CONFIG's shapes, with other shapes where `shapes` names them, and without a tensor where it says null. */
async function checkpoint(shapes: Readonly<Record<string, number[] | null>> = {}): Promise<TensorFile> {
  const tensors = new Map<string, TensorData>();
  const backend = createScalarBackend();
  new LlamaForCausalLM(llamaConfigFromJson(CONFIG), {
    take: (name, wanted) => {
      const found = shapes[name];
      const shape = found ?? wanted;
      const bytes = new Uint8Array(4 * shape.reduce((a, b) => a * b, 1));
      if (found !== null) tensors.set(name, { dtype: "f32", shape, bytes });
      return randn(wanted, { seed: 1, backend });
    },
  });
  const bytes = new Uint8Array(await new Response(writeSafetensors(tensors)).arrayBuffer());
  return await openSafetensors(bytesSource(bytes, "tiny.safetensors"));
}

/** Loading must fail with this message, and leave nothing. */
async function assertRefused(file: TensorFile, config: unknown, message: string): Promise<FormatError> {
  const backend = createScalarBackend();
  const error = await assertRejects(() => loadModel({ file, config }, { backend }), FormatError, message);
  assertEquals(backend.memory.liveStorages, 0);
  assertEquals(backend.memory.peakBytes, 0); // not a byte was loaded
  return error;
}

Deno.test("loadModel: a checkpoint loads, and goes with the model", async () => {
  const backend = createScalarBackend();
  const steps: number[] = [];
  const model = await loadModel({ file: await checkpoint(), config: CONFIG }, {
    backend,
    onProgress: ({ loadedBytes, totalBytes }) => steps.push(loadedBytes / totalBytes),
  });
  assertEquals([...model.namedParameters()].length, 2 * 9 + 3);
  assertEquals(backend.memory.liveStorages, 21);
  assertEquals(steps, steps.toSorted((a, b) => a - b));
  assertEquals([steps.length, steps.at(-1)], [21, 1]);
  model.dispose();
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("loadModel: a trainable checkpoint trains, a constant one refuses", async () => {
  const backend = createScalarBackend();
  const files = { file: await checkpoint(), config: CONFIG };
  using constant = await loadModel(files, { backend });
  assertThrows(
    () => new AdamW(constant.requiresGrad_().parameters()),
    ShapeError,
    "it is a constant, as loaded weights are; load it with { trainable: true }",
  );
  using model = await loadModel(files, { backend, trainable: true });
  tidy(() => {
    for (const [i, weight] of [...model.parameters()].entries()) { // the file's are all 0, which gives no gradient
      weight.copy_(randn(weight.shape, { seed: i, backend }).mul(0.2));
    }
  });
  using optimizer = new AdamW(model.requiresGrad_().parameters(), { learningRate: 0.05 });
  using ids = tensor([[1, 2, 3, 4, 1, 2, 3, 4]], { dtype: "i32", backend });
  const losses: number[] = [];
  for (let step = 0; step < 16; step++) {
    const loss = tidy(() => {
      const result = model.loss(ids, ids);
      result.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return result.detach();
    });
    losses.push(await loss.item());
    loss.dispose();
  }
  assertLess(losses.at(-1)!, losses[0]! / 2);
});

/** A checkpoint of random weights, stored in a dtype. */
async function random(dtype: DType): Promise<TensorFile> {
  const backend = createScalarBackend();
  const tensors = new Map<string, TensorData>();
  let seed = 0;
  using _model = new LlamaForCausalLM(llamaConfigFromJson(CONFIG), {
    take: (name, shape) => {
      const weight = tidy(() => randn(shape, { seed: seed++, backend }).mul(shape.length < 2 ? 0.1 : 0.3).to(dtype));
      tensors.set(name, tensorData(weight));
      return weight;
    },
  });
  const bytes = new Uint8Array(await new Response(writeSafetensors(tensors)).arrayBuffer());
  return await openSafetensors(bytesSource(bytes, `${dtype}.safetensors`));
}

/** Mean cross entropy of logits, a row a target and more, in f64. */
function crossEntropyOf(logits: readonly number[], targets: readonly number[]): number {
  const losses = targets.map((target, row) => {
    const words = logits.slice(row * CONFIG.vocab_size, (row + 1) * CONFIG.vocab_size);
    return Math.log(words.reduce((sum, logit) => sum + Math.exp(logit), 0)) - words[target]!;
  });
  return losses.reduce((a, b) => a + b) / losses.length;
}

const MATRIX = "model.layers.0.self_attn.q_proj.weight";

for (const stored of ["bf16", "f16"] as const) {
  Deno.test(`loadModel: weights stay ${stored} as they are stored, and activations are f32 or as asked for`, async () => {
    const backend = createScalarBackend();
    const file = await random(stored);
    const load = (options: object) => loadModel({ file, config: CONFIG }, { backend, ...options });
    using ids = tensor([[1, 2, 3, 4]], { dtype: "i32", backend });
    const logitsOf = async (model: LlamaForCausalLM) => {
      using logits = model.forward(ids);
      assertEquals(logits.dtype, model.dtype);
      return [...await logits.data()];
    };
    using model = await load({});
    using exact = await load({ trainable: true });
    assertEquals(model.dtype, "f32");
    const dtypes = new Map(Array.from(model.namedParameters(), ([name, { dtype }]) => [name, dtype]));
    assertEquals([dtypes.get(MATRIX), dtypes.get("model.norm.weight")], [stored, "f32"]);
    const got = await logitsOf(model);
    const want = await logitsOf(exact); // all of it is f32
    got.forEach((logit, i) => assertAlmostEquals(logit, want[i]!, 1e-6));
    using before = await load({ dtype: stored });
    assertEquals([...new Set(Array.from(before.parameters(), ({ dtype }) => dtype))], [stored]);
    const rounded = await logitsOf(before);
    assert(rounded.some((logit, i) => Math.abs(logit - want[i]!) > 1e-4), "halves should round");
    using loss = before.loss(ids, ids);
    assertEquals(loss.dtype, "f32");
    assertAlmostEquals(await loss.item(), crossEntropyOf(rounded, [2, 3, 4]), 1e-6);
  });
}

Deno.test("loadModel: a bf16 checkpoint trains in f32, in which small steps are not lost", async () => {
  const backend = createScalarBackend();
  const file = await random("bf16");
  const moved = async (options: object) => {
    using model = await loadModel({ file, config: CONFIG }, { backend, trainable: true, ...options });
    const before = await Promise.all(Array.from(model.parameters(), (parameter) => parameter.data()));
    using optimizer = new AdamW(model.requiresGrad_().parameters(), { learningRate: 1e-5, weightDecay: 0 });
    using ids = tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1]], { dtype: "i32", backend });
    tidy(() => model.loss(ids, ids).backward());
    optimizer.step();
    const after = await Promise.all(Array.from(model.parameters(), (parameter) => parameter.data()));
    const elements = after.flatMap((values, i) => Array.from(values, (value, j) => value !== before[i]![j]));
    return elements.filter((it) => it).length / elements.length;
  };
  const [wide, narrow] = [await moved({}), await moved({ dtype: "bf16" })];
  assert(wide > 0.9, `${wide} of the parameters moved in f32`);
  assertLess(narrow, 0.1);
});

Deno.test("loadModel: quantised weights become floats that train", async () => {
  const backend = createScalarBackend();
  const config = { ...CONFIG, hidden_size: 32, intermediate_size: 32 };
  const tensors = new Map<string, TensorEntry>();
  const scratch = createScalarBackend();
  using _model = new LlamaForCausalLM(llamaConfigFromJson(config), {
    take: (name, shape) => {
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i) / 4);
      const [dtype, bytes] = shape.length < 2
        ? ["f32", new Uint8Array(values.buffer)] as const
        : ["q8_0", quantizeBlocks("q8_0", values)] as const;
      const source = bytesSource(bytes, "blocks");
      tensors.set(name, { name, dtype, shape, source, offsetBytes: 0, byteLength: bytes.byteLength });
      return randn(shape, { seed: 1, backend: scratch });
    },
  });
  const file: TensorFile = { name: "blocks", format: "safetensors", tensors, metadata: new Map(), close: () => {} };
  using compact = await loadModel({ file, config }, { backend });
  assertEquals([compact.lm_head.weight.dtype, compact.dtype], ["q8_0", "f32"]);
  const compactBytes = backend.memory.liveBytes;
  using model = await loadModel({ file, config }, { backend, trainable: true });
  const numel = [...model.parameters()].reduce((sum, parameter) => sum + parameter.numel, 0);
  assertEquals(backend.memory.liveBytes - compactBytes, 4 * numel);
  using optimizer = new AdamW(model.requiresGrad_().parameters());
  using ids = tensor([[1, 2, 3]], { dtype: "i32", backend });
  tidy(() => model.loss(ids, ids).backward());
  optimizer.step();
});

Deno.test("loadModel: a dtype that activations cannot have is refused", async () => {
  const backend = createScalarBackend();
  const file = await checkpoint();
  for (const dtype of ["float32", "q8_0", "i32", null]) {
    const options = { backend, dtype } as object as LoadModelOptions; // from JavaScript anything may come
    const message = `Cannot make a Llama with dtype ${JSON.stringify(dtype)}: activations are f32, f16, bf16 or f64`;
    await assertRejects(() => loadModel({ file, config: CONFIG }, options), DTypeError, message);
  }
  assertEquals(backend.memory.peakBytes, 0);
});

Deno.test("loadModel: a missing tensor is named", async () => {
  const file = await checkpoint({ [DOWN]: null });
  const error = await assertRefused(
    file,
    CONFIG,
    `Cannot load tiny.safetensors: tensor "${DOWN}" [8, 12] is missing`,
  );
  assertEquals([error.file, error.tensor, error.expected], ["tiny.safetensors", DOWN, "[8, 12]"]);
  const untied = await checkpoint({ "lm_head.weight": null });
  await assertRefused(untied, CONFIG, 'Cannot load tiny.safetensors: tensor "lm_head.weight" [11, 8] is missing');
});

Deno.test("loadModel: a tensor of another shape is named, with both shapes", async () => {
  const error = await assertRefused(
    await checkpoint({ [DOWN]: [12, 8] }),
    CONFIG,
    `Cannot load tiny.safetensors: tensor "${DOWN}" should be [8, 12], found [12, 8]`,
  );
  assertEquals([error.file, error.tensor], ["tiny.safetensors", DOWN]);
  assertEquals([error.expected, error.found], ["[8, 12]", "[12, 8]"]);
  const flat = await checkpoint({ "model.norm.weight": [8, 1] });
  await assertRefused(flat, CONFIG, 'tensor "model.norm.weight" should be [8], found [8, 1]');
});

Deno.test("loadModel: a config.json that is none of a Llama's, or corrupt, is named", async () => {
  const file = await checkpoint();
  const name = "config.json of tiny.safetensors";
  const refusals: [unknown, string][] = [
    [undefined, `Cannot load ${name}: its model_type is not named; known is "llama"`],
    [JSON.stringify(CONFIG), `Cannot read ${name}: it is text; give the parsed config.json (JSON.parse)`],
    [{ ...CONFIG, model_type: "gpt2" }, `Cannot load ${name}: its model_type is "gpt2"; known is "llama"`],
    [{ ...CONFIG, hidden_size: "8" }, `Cannot read ${name}: "hidden_size" should be a number above 0, found "8"`],
    [
      { ...CONFIG, vocab_size: undefined },
      `Cannot read ${name}: "vocab_size" should be a number above 0, found nothing`,
    ],
    [{ ...CONFIG, vocab_size: null }, `Cannot read ${name}: "vocab_size" should be a number above 0, found nothing`],
    [{ ...CONFIG, num_hidden_layers: -1 }, `"num_hidden_layers" should be a number above 0, found -1`],
    [{ ...CONFIG, num_hidden_layers: 1.5 }, `"num_hidden_layers" should be a whole number, found 1.5`],
    [{ ...CONFIG, rms_norm_eps: NaN }, `"rms_norm_eps" should be a number above 0, found null`],
    [{ ...CONFIG, num_attention_heads: 6 }, `"head_dim" should be a whole number, found ${8 / 6}`],
    [{ ...CONFIG, num_key_value_heads: 3 }, `Cannot load ${name}: 4 query heads do not share 3 key heads evenly`],
    [
      { ...CONFIG, rope_scaling: { rope_type: "dynamic", factor: 2 } },
      `Cannot load ${name}: its RoPE is scaled by "dynamic"; known are "linear", "llama3" and "yarn"`,
    ],
    [{ ...CONFIG, hidden_act: "gelu" }, `Cannot load ${name}: its hidden_act is "gelu"`],
    [{ ...CONFIG, num_hidden_layers: 3 }, 'tensor "model.layers.2.self_attn.q_proj.weight" [8, 8] is missing'],
  ];
  for (const [config, message] of refusals) {
    assertEquals((await assertRefused(file, config, message)).file?.includes("tiny.safetensors"), true);
  }
});

Deno.test("loadModel: an option that there is none of is refused", async () => {
  const file = await checkpoint();
  const backend = createScalarBackend();
  const load = (options: object) => loadModel({ file, config: CONFIG }, { backend, ...options });
  const message = "Cannot load a model with an option";
  await assertRejects(() => load({ device: "cpu" }), ShapeError, `${message} "device": there is none; use backend`);
  await assertRejects(
    () => load({ trainabel: true }),
    ShapeError,
    `${message} "trainabel": there is none; use backend,`,
  );
  assertEquals(backend.memory.liveStorages, 0);
});

const METADATA: Readonly<Record<string, GgufValue>> = {
  "general.architecture": "llama",
  "llama.block_count": 1,
  "llama.context_length": 32,
  "llama.embedding_length": 8,
  "llama.feed_forward_length": 12,
  "llama.attention.head_count": 4,
  "llama.attention.head_count_kv": 2,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
  "llama.vocab_size": 11,
};

/** The header of a GGUF file whose tensors are empty promises. */
function ggufHeader(changes: Readonly<Record<string, GgufValue>>, tensors: readonly string[] = []): TensorFile {
  const source = bytesSource(new Uint8Array(), "tiny.gguf");
  const entry = (name: string): TensorEntry => ({
    name,
    dtype: "f32",
    shape: [1],
    source,
    offsetBytes: 0,
    byteLength: 4,
  });
  return {
    name: "tiny.gguf",
    format: "gguf",
    tensors: new Map(tensors.map((name) => [name, entry(name)])),
    metadata: new Map(Object.entries({ ...METADATA, ...changes })),
    close: () => {},
  };
}

Deno.test("loadModel: a GGUF header that is none of a Llama's, or corrupt, is named", async () => {
  const refusals: [Record<string, GgufValue>, string][] = [
    [{ "general.architecture": "mamba" }, 'Cannot load tiny.gguf: its architecture is "mamba"; known is "llama"'],
    [
      { "llama.block_count": "two" },
      'Cannot read tiny.gguf: "llama.block_count" should be a number above 0, found "two"',
    ],
    [{ "llama.attention.head_count": 6 }, '"llama.attention.key_length" should be a whole number'],
    [{ "llama.attention.head_count_kv": 3 }, "Cannot load tiny.gguf: 4 query heads do not share 3 key heads evenly"],
    [{ "llama.rope.dimension_count": 4 }, "Cannot load tiny.gguf: RoPE turns 4 of 2 elements of a head"],
    [{ "llama.rope.scaling.type": "longrope" }, 'Cannot load tiny.gguf: its RoPE is scaled by "longrope"'],
    [{}, 'Cannot load tiny.gguf: tensor "token_embd.weight" [11, 8] is missing'],
  ];
  for (const [changes, message] of refusals) {
    assertEquals((await assertRefused(ggufHeader(changes), undefined, message)).file, "tiny.gguf");
  }
  const misshapen = ggufHeader({}, ["token_embd.weight"]);
  const vocab = 'tensor "token_embd.weight" should be [1, 8], found [1]';
  assertEquals((await assertRefused(misshapen, undefined, vocab)).tensor, "token_embd.weight");
});

Deno.test("llamaConfigFromGguf: what the header leaves out has its default", async () => {
  const config = await llamaConfigFromGguf(ggufHeader({}));
  assertEquals([config.headDim, config.ropeTheta, config.tieWordEmbeddings], [2, 10000, true]);
  assertEquals([config.vocabSize, config.numKeyValueHeads, config.ropeInterleaved], [11, 2, true]);
  assertEquals((await llamaConfigFromGguf(ggufHeader({}, ["output.weight"]))).tieWordEmbeddings, false);
});

Deno.test("loadModel: an abort in the middle leaves nothing", async () => {
  const backend = createScalarBackend();
  const controller = new AbortController();
  const seen: string[] = [];
  const loading = async (): Promise<unknown> =>
    await loadModel({ file: await checkpoint(), config: CONFIG }, {
      backend,
      signal: controller.signal,
      onProgress: ({ tensor }) => {
        seen.push(tensor);
        if (seen.length === 5) controller.abort(new Error("changed my mind"));
      },
    });
  await assertRejects(loading, Error, "changed my mind");
  assertEquals(seen.length, 5);
  assert(backend.memory.peakBytes > 0);
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("loadModel: no room, and a file that breaks off, leave nothing", async () => {
  const small = createScalarBackend({ memoryBudgetBytes: 2000 });
  const file = await checkpoint();
  assertInstanceOf(await assertRejects(() => loadModel({ file, config: CONFIG }, { backend: small })), BackendError);
  assertEquals(small.memory.liveStorages, 0);
  const backend = createScalarBackend();
  const entries = new Map(file.tensors);
  const last = entries.get(DOWN)!;
  const short: TensorEntry = {
    ...last,
    source: { ...last.source, read: () => Promise.reject(new FormatError("it broke off")) },
  };
  entries.set(DOWN, short);
  const broken = { ...file, tensors: entries };
  await assertRejects(() => loadModel({ file: broken, config: CONFIG }, { backend }), FormatError, "it broke off");
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("loadModel: a model without room is refused before a byte is read", async () => {
  const file = await checkpoint();
  const needed = [...file.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const unread = { ...file.tensors.get(DOWN)!.source, read: () => Promise.reject(new Error("a weight was read")) };
  const tensors = new Map([...file.tensors].map(([name, entry]) => [name, { ...entry, source: unread }]));
  const load = (backend: Backend) => loadModel({ file: { ...file, tensors }, config: CONFIG }, { backend });

  const small = createScalarBackend({ memoryBudgetBytes: needed });
  using _live = tensor([1], { backend: small });
  await assertRejects(
    () => load(small),
    BackendError,
    `Cannot load tiny.safetensors on scalar: it needs ${needed} bytes, which with the 4 live ones would pass the budget ` +
      `of ${needed}; its largest tensor is "model.layers.0.mlp.gate_proj.weight" f32 [12, 8] (384 bytes); dispose of`,
  );
  assertEquals(small.memory.liveStorages, 1);

  const narrow: Backend = Object.assign(createScalarBackend(), { largestBuffer: () => 380 });
  await assertRejects(
    () => load(narrow),
    BackendError,
    `Cannot load tiny.safetensors on scalar: it needs ${needed} bytes, and its largest tensor ` +
      `"model.layers.0.mlp.gate_proj.weight" f32 [12, 8] (384 bytes) is beyond the 380 that the device has for one; load`,
  );
  assertEquals(narrow.memory.liveStorages, 0);
});

Deno.test("loadModel: the room that is asked for is what will be allocated, in the dtypes that will be", async () => {
  const file = await random("bf16");
  const load = (backend: Backend, options: object) => loadModel({ file, config: CONFIG }, { backend, ...options });
  for (const options of [{}, { dtype: "bf16" }, { trainable: true }, { trainable: true, dtype: "bf16" }]) {
    const backend = createScalarBackend();
    using _model = await load(backend, options);
    const { liveBytes: needed, peakBytes } = backend.memory;
    assertEquals(peakBytes, needed, "nothing is there twice");
    using _again = await load(createScalarBackend({ memoryBudgetBytes: needed }), options);
    const small = createScalarBackend({ memoryBudgetBytes: needed - 1 });
    await assertRejects(
      () => load(small, options),
      BackendError,
      `Cannot load bf16.safetensors on scalar: it needs ${needed} bytes, which`,
    );
    assertEquals(small.memory.peakBytes, 0);
  }
  const trained = "f32 [12, 8] (384 bytes); dispose of tensors, load a smaller model, or raise memoryBudgetBytes";
  const small = createScalarBackend({ memoryBudgetBytes: 100 });
  await assertRejects(() => load(small, { trainable: true }), BackendError, trained);
});
