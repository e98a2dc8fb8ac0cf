/** Configs of Llamas: rotary scaling as Hugging Face and GGUF say it, partial rotation, and config.json written back. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { randn, type RopeScaling, tensor, tidy } from "../../core/mod.ts";
import { bytesSource, FormatError, type GgufValue, type TensorEntry, type TensorFile } from "../../formats/mod.ts";
import { type LlamaConfig, LlamaModel } from "../../nn/mod.ts";
import { rotaryDim } from "../../nn/src/llama_config.ts";
import { llamaConfigFromGguf, llamaConfigFromJson, llamaConfigToJson, ropeScalingFromJson } from "../mod.ts";

const CONFIG = {
  model_type: "llama",
  vocab_size: 11,
  hidden_size: 32,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 32,
};

const LINEAR = { rope_type: "linear", factor: 4 };
const LLAMA3 = {
  ...{ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
  original_max_position_embeddings: 16,
};
const YARN = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 16 };
const LLAMA3_SCALING: RopeScaling = {
  ...{ type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
  originalMaxPositionEmbeddings: 16,
};
/** What YaRN's fields are where the file leaves them out. */
const YARN_UNSAID = {
  ...{ betaFast: undefined, betaSlow: undefined, attentionFactor: undefined },
  ...{ mscale: undefined, mscaleAllDim: undefined, truncate: true },
};

Deno.test("llamaConfigFromJson: rope_scaling and rope_parameters, old and new", () => {
  const yarn = { type: "yarn", factor: 4, originalMaxPositionEmbeddings: 16, ...YARN_UNSAID } as const;
  const cases: [object, RopeScaling | undefined][] = [
    [{}, undefined],
    [{ rope_scaling: null }, undefined],
    [{ rope_scaling: { type: "default" } }, undefined],
    [{ rope_parameters: { rope_type: "default", rope_theta: 500 } }, undefined],
    [{ rope_parameters: { rope_theta: 500 } }, undefined],
    [{ rope_scaling: LINEAR }, { type: "linear", factor: 4 }],
    [{ rope_scaling: { type: "linear", factor: 4 } }, { type: "linear", factor: 4 }],
    [{ rope_scaling: null, rope_parameters: { ...LINEAR, rope_theta: 500 } }, { type: "linear", factor: 4 }],
    [{ rope_scaling: LLAMA3 }, LLAMA3_SCALING],
    [{ rope_parameters: LLAMA3 }, LLAMA3_SCALING],
    [{ rope_scaling: YARN }, yarn],
    [{ rope_scaling: { rope_type: "yarn", factor: 4 } }, { ...yarn, originalMaxPositionEmbeddings: 32 }],
    [
      { rope_scaling: { ...YARN, beta_fast: 16, beta_slow: 2, mscale: 0.7, mscale_all_dim: 0.4, truncate: false } },
      { ...yarn, betaFast: 16, betaSlow: 2, mscale: 0.7, mscaleAllDim: 0.4, truncate: false },
    ],
    [{ rope_scaling: { ...YARN, beta_fast: null, mscale: 0, attention_factor: 1.5 } }, {
      ...yarn,
      attentionFactor: 1.5,
    }],
  ];
  for (const [fields, scaling] of cases) {
    assertEquals(llamaConfigFromJson({ ...CONFIG, ...fields }).ropeScaling, scaling, JSON.stringify(fields));
  }
});

Deno.test("llamaConfigFromJson: theta, the rotating part and the range of fresh weights", () => {
  const plain = llamaConfigFromJson(CONFIG);
  assertEquals([plain.ropeTheta, rotaryDim(plain), plain.initializerRange], [10000, 8, undefined]);
  const nested = { rope_theta: 500, rope_type: "default", partial_rotary_factor: 0.5 };
  for (const fields of [nested, { rope_parameters: nested }]) {
    const config = llamaConfigFromJson({ ...CONFIG, ...fields, initializer_range: 0.5 });
    assertEquals([config.ropeTheta, rotaryDim(config), config.initializerRange], [500, 4, 0.5]);
  }
});

Deno.test("llamaConfigFromJson: what it refuses of RoPE", () => {
  const known = 'known are "linear", "llama3" and "yarn"';
  const refusals: [object, string][] = [
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, `Cannot load x: its RoPE is scaled by "dynamic"; ${known}`],
    [{ rope_scaling: { rope_type: "longrope" } }, `Cannot load x: its RoPE is scaled by "longrope"; ${known}`],
    [{ rope_scaling: { factor: 2 } }, `Cannot load x: its RoPE is scaled by a kind it does not name; ${known}`],
    [{ rope_scaling: { rope_type: "linear" } }, 'Cannot read x: "factor" should be a number above 0, found nothing'],
    [
      { rope_scaling: { ...LLAMA3, low_freq_factor: "1" } },
      'Cannot read x: "low_freq_factor" should be a number above 0, found "1"',
    ],
    [
      { rope_scaling: { ...YARN, attention_factor: -1 } },
      'Cannot read x: "attention_factor" should be a number above 0, found -1',
    ],
    [
      { rope_scaling: { rope_type: "linear", factor: 0.5 } },
      'Cannot load x: its RoPE does not fit: Cannot make ropeFrequencies scaled by "linear" with factor 0.5: it is a ' +
      "number of at least 1",
    ],
    [
      { partial_rotary_factor: 0.375 },
      "Cannot load x: its RoPE does not fit: Cannot make ropeFrequencies of 3 elements: elements rotate in pairs, so " +
      "their count is even and at least 2",
    ],
    [{ partial_rotary_factor: 1.5 }, 'Cannot read x: "partial_rotary_factor" should be at most 1, found 1.5'],
  ];
  for (const [fields, message] of refusals) {
    const error = assertThrows(() => llamaConfigFromJson({ ...CONFIG, ...fields }, "x"), FormatError);
    assertEquals([error.message, error.file], [message, "x"]);
  }
  const alone = assertThrows(() => ropeScalingFromJson({ rope_type: "yarn", factor: 4 }), FormatError);
  const original = '"original_max_position_embeddings" should be a number above 0, found nothing';
  assertEquals(alone.message, `Cannot read config.json: ${original}`);
});

Deno.test("llamaConfigToJson: what it writes is read back", () => {
  const fields = [
    {},
    { rope_scaling: LINEAR, rope_theta: 500, head_dim: 12, attention_bias: true },
    { rope_scaling: LLAMA3, tie_word_embeddings: true, mlp_bias: true, rms_norm_eps: 1e-5 },
    { rope_scaling: { ...YARN, beta_fast: 16, mscale: 0.7, mscale_all_dim: 0.4, truncate: false } },
    { rope_parameters: { ...YARN, rope_theta: 500, partial_rotary_factor: 0.5 }, initializer_range: 0.5 },
  ];
  for (const more of fields) {
    const config = llamaConfigFromJson({ ...CONFIG, ...more });
    const text = JSON.stringify(llamaConfigToJson(config, "bfloat16"));
    assertEquals(llamaConfigFromJson(JSON.parse(text)), config, text);
  }
});

Deno.test("llamaConfigToJson: Hugging Face's fields", () => {
  assertEquals(llamaConfigToJson(llamaConfigFromJson({ ...CONFIG, rope_scaling: LLAMA3 }), "float16"), {
    ...CONFIG,
    architectures: ["LlamaForCausalLM"],
    attention_bias: false,
    head_dim: 8,
    hidden_act: "silu",
    mlp_bias: false,
    rms_norm_eps: 1e-6,
    rope_scaling: LLAMA3,
    rope_theta: 10000,
    tie_word_embeddings: false,
    torch_dtype: "float16",
  });
  assertEquals(llamaConfigToJson(llamaConfigFromJson(CONFIG), "float32")["rope_scaling"], null);
});

Deno.test("llamaConfigToJson: what Hugging Face cannot say is refused", () => {
  const config = llamaConfigFromJson(CONFIG);
  const refused = (changed: LlamaConfig): string =>
    assertThrows(() => llamaConfigToJson(changed, "float32"), FormatError).message;
  assertEquals(
    refused({ ...config, ropeInterleaved: true }),
    "Cannot write config.json: the model's q and k rows pair 2i with 2i + 1, as GGUF has them, and Hugging Face's pair " +
      "i with i + D/2; permute the rows first and set ropeInterleaved to false",
  );
  assertEquals(
    refused({ ...config, ropeScaling: { type: "factors", factors: [1, 1, 1, 1] } }),
    "Cannot write config.json: RoPE is scaled by factors, for which Hugging Face's Llama has no field; " +
      "set ropeScaling to the scaling they were made from",
  );
});

const METADATA: Readonly<Record<string, GgufValue>> = {
  "general.architecture": "llama",
  "llama.block_count": 1,
  "llama.context_length": 32,
  "llama.embedding_length": 32,
  "llama.feed_forward_length": 12,
  "llama.attention.head_count": 4,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
  "llama.vocab_size": 11,
};

/** A GGUF file of these keys, under `llama.rope.`, and of the numbers of rope_freqs.weight, after 4 bytes of something else. */
function gguf(
  rope: Readonly<Record<string, GgufValue>>,
  factors?: number[],
  wrong: Partial<TensorEntry> = {},
): TensorFile {
  const bytes = new Uint8Array(4 + 4 * (factors?.length ?? 0));
  for (const [i, factor] of (factors ?? []).entries()) new DataView(bytes.buffer).setFloat32(4 + 4 * i, factor, true);
  const name = "rope_freqs.weight";
  const place = { source: bytesSource(bytes, "tiny.gguf"), offsetBytes: 4, byteLength: bytes.length - 4 };
  const entry: TensorEntry = { name, dtype: "f32", shape: [factors?.length ?? 0], ...place, ...wrong };
  const keys = Object.entries(rope).map(([key, value]): [string, GgufValue] => [`llama.rope.${key}`, value]);
  return {
    name: "tiny.gguf",
    format: "gguf",
    tensors: new Map(factors === undefined ? [] : [[name, entry]]),
    metadata: new Map([...Object.entries(METADATA), ...keys]),
    close: () => {},
  };
}

Deno.test("llamaConfigFromGguf: scaling of every kind", async () => {
  const grown = 0.1 * Math.log(4) + 1;
  const yarn = { type: "yarn", factor: 4, betaFast: 32, betaSlow: 1, attentionFactor: grown } as const;
  const cases: [TensorFile, RopeScaling | undefined][] = [
    [gguf({}), undefined],
    [gguf({ "scaling.type": "none", "scaling.factor": 4 }), undefined],
    [gguf({ "scaling.type": "linear", "scaling.factor": 0 }), undefined],
    [gguf({ "scaling.type": "linear", "scaling.factor": 4 }), { type: "linear", factor: 4 }],
    [gguf({ "scaling.factor": 4 }), { type: "linear", factor: 4 }],
    [gguf({ "scale_linear": 4 }), { type: "linear", factor: 4 }],
    [
      gguf({ "scaling.type": "yarn", "scaling.factor": 4, "scaling.original_context_length": 8 }),
      { ...yarn, originalMaxPositionEmbeddings: 8 },
    ],
    [
      gguf({ "scaling.type": "yarn", "scaling.factor": 4, "scaling.attn_factor": 2, "scaling.yarn_beta_fast": 16 }),
      { ...yarn, originalMaxPositionEmbeddings: 32, attentionFactor: 2 * grown, betaFast: 16 },
    ],
    [gguf({}, [1, 1, 2, 8]), { type: "factors", factors: [1, 1, 2, 8] }],
  ];
  for (const [file, scaling] of cases) {
    assertEquals((await llamaConfigFromGguf(file)).ropeScaling, scaling, JSON.stringify([...file.metadata]));
  }
});

Deno.test("llamaConfigFromGguf: partial rotation is exact for every size", async () => {
  assertEquals(rotaryDim(await llamaConfigFromGguf(gguf({ dimension_count: 4 }))), 4);
  for (let headDim = 2; headDim <= 128; headDim += 2) {
    for (let rotated = 2; rotated <= headDim; rotated += 2) {
      const file = gguf({ dimension_count: rotated });
      const metadata = new Map([...file.metadata, ["llama.attention.key_length", headDim] as const]);
      assertEquals(rotaryDim(await llamaConfigFromGguf({ ...file, metadata })), rotated, `of ${headDim}`);
    }
  }
});

Deno.test("llamaConfigFromGguf: what it refuses of RoPE", async () => {
  const weight = 'Cannot load tiny.gguf: tensor "rope_freqs.weight" should be f32 [4], found';
  const refusals: [TensorFile, string][] = [
    [
      gguf({ "scaling.type": "longrope" }),
      'Cannot load tiny.gguf: its RoPE is scaled by "longrope"; known are "linear" and "yarn"',
    ],
    [
      gguf({ "scaling.type": "linear", "scaling.factor": "4" }),
      'Cannot read tiny.gguf: "llama.rope.scaling.factor" should be a number above 0, found "4"',
    ],
    [
      gguf({ "scaling.type": "yarn", "scaling.factor": 0.5 }),
      'Cannot load tiny.gguf: its RoPE does not fit: Cannot make ropeFrequencies scaled by "yarn" with factor 0.5: it ' +
      "is a number of at least 1",
    ],
    [
      gguf({ "scaling.factor": 4 }, [1, 1, 2, 8]),
      'Cannot load tiny.gguf: its RoPE is scaled twice, by "linear" and by rope_freqs.weight; one is known at a time',
    ],
    [
      gguf({ "scaling.type": "linear", "scaling.factor": 4, "scaling.attn_factor": 2 }),
      "Cannot load tiny.gguf: llama.rope.scaling.attn_factor is 2 without YaRN, whose factor alone is known",
    ],
    [gguf({}, [1, 1, 2]), `${weight} f32 [3]`],
    [gguf({}, [1, 1, 2, 8], { dtype: "f16" }), `${weight} f16 [4]`],
    [gguf({ dimension_count: 10 }), "Cannot load tiny.gguf: RoPE turns 10 of 8 elements of a head"],
    [
      gguf({}, [1, 1, -2, 8]),
      "Cannot load tiny.gguf: its RoPE does not fit: Cannot make ropeFrequencies scaled by factor -2 at pair 2: it is a " +
      "number above 0",
    ],
  ];
  for (const [file, message] of refusals) {
    const error = await assertRejects(() => llamaConfigFromGguf(file), FormatError);
    assertEquals([error.message, error.file], [message, "tiny.gguf"]);
  }
});

Deno.test("a model rotates as its config says", () => {
  const backend = createScalarBackend();
  const run = (fields: object): number[] =>
    tidy(() => {
      let seed = 1;
      const take = (_name: string, shape: readonly number[]) => randn(shape, { seed: seed++, backend });
      const model = new LlamaModel(llamaConfigFromJson({ ...CONFIG, ...fields }), { take });
      const ids = tensor([[1, 2, 3, 4, 5]], { dtype: "i32", backend });
      return Array.from(model.outputs(ids).lastHiddenState.dataSync(), Number);
    });
  const plain = run({});
  const scaled = [LINEAR, LLAMA3, YARN].map((rope_scaling) => run({ rope_scaling }));
  const results = [plain, ...scaled, run({ partial_rotary_factor: 0.5 }), run({ rope_theta: 500 })];
  assertEquals(new Set(results.map(String)).size, results.length); // each is another model
  assertEquals(run({ rope_scaling: { ...LINEAR, factor: 1 }, partial_rotary_factor: 1 }), plain);
  assertEquals(backend.memory.liveStorages, 0);
});
