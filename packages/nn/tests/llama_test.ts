import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, type KvCache, randn, ShapeError, tensor, tidy, zeros } from "../../core/mod.ts";
import { type LlamaConfig, LlamaForCausalLM } from "../mod.ts";

const CONFIG: LlamaConfig = {
  vocabSize: 17,
  hiddenSize: 16,
  intermediateSize: 24,
  numHiddenLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 6, // not E / H
  maxPositionEmbeddings: 16,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeInterleaved: false,
  attentionBias: false,
  mlpBias: false,
  tieWordEmbeddings: false,
};

/** A Llama of normal weights from fixed seeds. */
function llama(backend: Backend, changes: Partial<LlamaConfig> = {}): LlamaForCausalLM {
  let seed = 0;
  const take = (_: string, shape: readonly number[]) => tidy(() => randn(shape, { seed: seed++, backend }).mul(0.3));
  return new LlamaForCausalLM({ ...CONFIG, ...changes }, { take });
}

async function run(
  model: LlamaForCausalLM,
  rows: number[][],
  options: { cache?: KvCache; logitsToKeep?: number } = {},
): Promise<{ shape: readonly number[]; values: number[] }> {
  using ids = tensor(Int32Array.from(rows.flat()), {
    shape: [rows.length, rows[0]!.length],
    backend: model.lm_head.weight.backend,
  });
  using logits = model.forward(ids, options);
  return { shape: [...logits.shape], values: [...await logits.data()] };
}

function assertClose(got: readonly number[], want: readonly number[]): void {
  assertEquals(got.length, want.length);
  got.forEach((value, i) => assertAlmostEquals(value, want[i]!, 1e-5));
}

const IDS = [3, 1, 4, 1, 5, 9, 2, 6];

Deno.test("Llama: parameters have Hugging Face's names and shapes", () => {
  using model = llama(createScalarBackend(), { numHiddenLayers: 1, attentionBias: true, mlpBias: true });
  const shapes = Array.from(model.namedParameters(), ([name, { shape }]) => `${name} ${shape.join("x")}`);
  const layer = [
    "self_attn.q_proj.weight 24x16",
    "self_attn.q_proj.bias 24",
    "self_attn.k_proj.weight 12x16",
    "self_attn.k_proj.bias 12",
    "self_attn.v_proj.weight 12x16",
    "self_attn.v_proj.bias 12",
    "self_attn.o_proj.weight 16x24",
    "self_attn.o_proj.bias 16",
    "mlp.gate_proj.weight 24x16",
    "mlp.gate_proj.bias 24",
    "mlp.up_proj.weight 24x16",
    "mlp.up_proj.bias 24",
    "mlp.down_proj.weight 16x24",
    "mlp.down_proj.bias 16",
    "input_layernorm.weight 16",
    "post_attention_layernorm.weight 16",
  ].map((name) => `model.layers.0.${name}`);
  const top = ["model.embed_tokens.weight 17x16", "model.norm.weight 16", "lm_head.weight 17x16"];
  assertEquals(shapes.sort(), [...layer, ...top].sort());
});

Deno.test("Llama: tied embeddings are one parameter, and freed once", () => {
  const backend = createScalarBackend();
  const model = llama(backend, { tieWordEmbeddings: true });
  assert(model.lm_head.weight === model.model.embed_tokens.weight);
  assertEquals(model.parameters().size, 20);
  assertEquals(backend.memory.liveStorages, 20);
  model.dispose();
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("Llama: every way to cut a sequence gives the same logits", async () => {
  for (const ropeInterleaved of [false, true]) {
    using model = llama(createScalarBackend(), { ropeInterleaved });
    const whole = await run(model, [IDS]);
    assertEquals(whole.shape, [1, 8, 17]);
    for (const schedule of [[1, 1, 1, 1, 1, 1, 1, 1], [5, 1, 1, 1], [3, 5], [1, 6, 1]]) {
      using cache = model.createCache();
      const parts: number[] = [];
      for (const count of schedule) {
        parts.push(...(await run(model, [IDS.slice(cache.length, cache.length + count)], { cache })).values);
      }
      assertClose(parts, whole.values);
    }
  }
});

Deno.test("Llama: a later token changes no earlier logits, and order matters", async () => {
  using model = llama(createScalarBackend());
  const { values } = await run(model, [IDS]);
  const changed = (await run(model, [IDS.with(7, 0)])).values;
  assertEquals(changed.slice(0, 7 * 17), values.slice(0, 7 * 17));
  assert(Math.abs(changed[7 * 17]! - values[7 * 17]!) > 1e-3);
  const swapped = (await run(model, [IDS.with(0, IDS[2]!).with(2, IDS[0]!)])).values;
  assert(Math.abs(swapped[7 * 17]! - values[7 * 17]!) > 1e-4);
});

Deno.test("Llama: sequences of a batch do not meet, and logitsToKeep keeps the last", async () => {
  using model = llama(createScalarBackend());
  const other = IDS.toReversed();
  const both = await run(model, [IDS, other]);
  assertClose(both.values, [...(await run(model, [IDS])).values, ...(await run(model, [other])).values]);
  const last = await run(model, [IDS], { logitsToKeep: 2 });
  assertEquals(last.shape, [1, 2, 17]);
  assertClose(last.values, (await run(model, [IDS])).values.slice(-2 * 17));
});

Deno.test("Llama: a cache that was truncated goes on from there", async () => {
  using model = llama(createScalarBackend());
  using cache = model.createCache();
  await run(model, [[3, 1, 4, 16, 16]], { cache });
  cache.truncate(3);
  const got = await run(model, [IDS.slice(3)], { cache });
  assertClose(got.values, (await run(model, [IDS])).values.slice(3 * 17));
});

Deno.test("Llama: a pass leaves its logits and nothing else", async () => {
  const backend = createScalarBackend();
  using model = llama(backend);
  const before = backend.memory.liveStorages;
  await run(model, [IDS]);
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("Llama: heads that do not share evenly are refused", () => {
  assertThrows(
    () => llama(createScalarBackend(), { numKeyValueHeads: 3 }),
    ShapeError,
    "Cannot make a Llama: 4 query heads do not share 3 key heads evenly",
  );
});

Deno.test("Llama: activations, cache and logits are of the asked dtype, whatever the weights and biases are of", () => {
  const backend = createScalarBackend();
  let seed = 0;
  const take = (_: string, shape: readonly number[]) => randn(shape, { seed: seed++, backend });
  const cacheBytes = new Set<number>();
  for (const biased of [false, true]) {
    const config = { ...CONFIG, attentionBias: biased, mlpBias: biased };
    using model = new LlamaForCausalLM(config, { take }, { dtype: "bf16" });
    using cache = model.createCache();
    using ids = tensor(Int32Array.from(IDS), { shape: [1, IDS.length], backend });
    using logits = model.forward(ids, { cache });
    assertEquals([logits.dtype, model.dtype], ["bf16", "bf16"]);
    cacheBytes.add(cache.byteLength);
  }
  assertEquals(cacheBytes.size, 1);
});

Deno.test("Llama: ids of a wrong shape, beyond the context or the vocabulary are refused, and leave nothing", () => {
  const backend = createScalarBackend();
  using model = llama(backend);
  const refuse = (shape: number[], message: string, value = 0): void => {
    const before = backend.memory.liveStorages;
    using ids = tensor(new Int32Array(shape.reduce((a, b) => a * b, 1)).fill(value), { shape, backend });
    assertThrows(() => model.forward(ids), ShapeError, message);
    assertEquals(backend.memory.liveStorages, before + 1);
  };
  refuse([3], "Cannot run a Llama on ids [3]: they are [B, T] with T >= 1");
  refuse([1, 0], "Cannot run a Llama on ids [1, 0]: they are [B, T] with T >= 1");
  refuse([1, 17], "Cannot run a Llama on 17 tokens after 0: its context holds 16; shorten the prompt");
  using cache = model.createCache();
  using first = zeros([1, 10], { dtype: "i32", backend });
  model.forward(first, { cache }).dispose();
  const message = "Cannot run a Llama on 10 tokens after 10: its context holds 16; shorten the prompt";
  assertThrows(() => model.forward(first, { cache }), ShapeError, message);
  refuse([1, 2], "token 17 at [0, 0] is outside the vocabulary of 17", 17);
});
