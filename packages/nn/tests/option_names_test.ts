/** Options with names that there are none of, foreign or misspelt, are refused by everything that takes options. */
import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { ones, ShapeError, tensor, zeros } from "../../core/mod.ts";
import {
  AdamW,
  clipGradNorm_,
  constantWithWarmup,
  cosineWithWarmup,
  Embedding,
  GroupedQueryAttention,
  init,
  initialized,
  LayerNorm,
  Linear,
  linearWithWarmup,
  LlamaForCausalLM,
  MultiHeadAttention,
  MultiheadGQA,
  MultiQueryAttention,
  QkNormAttention,
  RMSNorm,
  SelfAttention,
  SGD,
} from "../mod.ts";

const backend = createScalarBackend();
const source = initialized({ backend, seed: 3 });

const LLAMA = {
  ...{ vocabSize: 7, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, maxPositionEmbeddings: 8 },
  ...{ numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4, rmsNormEps: 1e-5, ropeTheta: 10000 },
  ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true },
};
const HEADS = { hiddenSize: 8, numHeads: 2 };
const NANO = { nHead: 2, kvHead: 1, nEmbed: 8 };
const GQA = { embedDim: 16, queryHeads: 2, kvHeads: 1 };

type Options = Record<string, unknown>;

Deno.test("layers refuse to be made without a source of parameters, as in PyTorch", () => {
  const none = undefined as never;
  const cases: readonly [what: string, make: () => unknown][] = [
    ["Linear", () => new Linear({ inFeatures: 4, outFeatures: 2 }, none)],
    ["Embedding", () => new Embedding({ numEmbeddings: 4, embeddingDim: 2 }, none)],
    ["LayerNorm", () => new LayerNorm({ size: 4 }, none)],
    ["RMSNorm", () => new RMSNorm({ size: 4 }, none)],
  ];
  for (const [what, make] of cases) {
    assertEquals(
      assertThrows(make, ShapeError).message,
      `Cannot make ${what} from undefined: pass initialized({ backend }), fromStateDict(state) or a checkpoint as the ` +
        `last argument`,
    );
  }
});

type Case = readonly [
  what: string,
  foreign: Options,
  instead: string,
  misspelt: string,
  run: (more: object) => unknown,
];

/** Everything is run with an option of another library, and with a misspelt one; messages name what there is. */
function refuseAll(cases: readonly Case[]): void {
  const before = backend.memory.liveStorages;
  for (const [what, foreign, instead, misspelt, run] of cases) {
    const [name] = Object.keys(foreign);
    const { message } = assertThrows(() => run(foreign), ShapeError);
    assertEquals(message, `Cannot ${what} with an option "${name}": there is none; use ${instead}`);
    const unknown = `Cannot ${what} with an option "${misspelt}": there is none; use `;
    assertThrows(() => run({ [misspelt]: 1 }), ShapeError, unknown);
    assertEquals(backend.memory.liveStorages, before, what);
  }
}

Deno.test("layers refuse options that there are none of, before they take a parameter", () => {
  refuseAll([
    ["make Linear", { in_features: 2 }, "inFeatures", "biass", (o) => {
      return new Linear({ inFeatures: 2, outFeatures: 2, ...o }, source);
    }],
    ["make Embedding", { padding_idx: 0 }, "paddingIdx", "padding", (o) => {
      return new Embedding({ numEmbeddings: 2, embeddingDim: 2, ...o }, source);
    }],
    ["make LayerNorm", { normalized_shape: 2 }, "size", "epsilon", (o) => new LayerNorm({ size: 2, ...o }, source)],
    ["make RMSNorm", { normalizedShape: [2] }, "size", "ep", (o) => new RMSNorm({ size: 2, ...o }, source)],
    ["make GroupedQueryAttention", { num_kv_heads: 1 }, "numGroups", "biass", (o) => {
      return new GroupedQueryAttention({ ...HEADS, numGroups: 1, ...o }, source);
    }],
    ["make MultiHeadAttention", { numGroups: 1 }, "GroupedQueryAttention, which takes groups", "dropout", (o) => {
      return new MultiHeadAttention({ ...HEADS, ...o }, source);
    }],
    ["make MultiQueryAttention", { embed_dim: 8 }, "hiddenSize", "numHead", (o) => {
      return new MultiQueryAttention({ ...HEADS, ...o }, source);
    }],
    ["make MultiheadGQA", { layer_norm: false }, "layerNorm", "droput", (o) => {
      return new MultiheadGQA({ ...GQA, ...o }, source);
    }],
    [
      "make SelfAttention",
      { rope_theta: 1 },
      "ropeTheta",
      "theta",
      (o) => new SelfAttention({ ...NANO, ...o }, 0, source),
    ],
    ["make QkNormAttention", { n_embd: 8 }, "nEmbed", "inverse", (o) => {
      return new QkNormAttention({ ...NANO, ...o }, 0, source);
    }],
    [
      "make a Llama",
      { hidden_size: 8 },
      "llamaConfigFromJson(json), which reads a config.json",
      "ropetheta",
      (o) => new LlamaForCausalLM({ ...LLAMA, ...o }, source),
    ],
    ["make a Llama", { torch_dtype: "f16" }, "dtype", "dtypes", (o) => new LlamaForCausalLM(LLAMA, source, o)],
    ["initialize parameters", { device: "cpu" }, "backend", "sead", (o) => initialized({ backend, ...o })],
    ["make init.kaimingUniform", { negative_slope: 1 }, "a", "slope", (o) => init.kaimingUniform(o)],
    ["make init.uniform", { a: 0 }, "low", "hi", (o) => init.uniform(o)],
  ]);
});

Deno.test("passes refuse options that there are none of", () => {
  using model = new LlamaForCausalLM(LLAMA, source);
  using gqa = new MultiheadGQA(GQA, source);
  using ids = tensor([[1, 2, 3]], { dtype: "i32", backend });
  using x = zeros([1, 2, 16], { backend });
  using hidden = zeros([1, 1, 8], { backend });
  using table = ones([1, 2], { backend });
  const rope = { cos: table, sin: table };
  const layer = model.model.layers[0]!;
  refuseAll([
    ["run a Llama", { attention_mask: ids }, "attentionMask", "attentionmask", (o) => model.forward(ids, o)],
    ["run a Llama", { labels: ids }, "model.loss(ids, labels)", "catch", (o) => model.outputs(ids, o)],
    [
      "run a Llama",
      { past_key_values: [] },
      "cache: model.createCache()",
      "positions",
      (o) => model.model.outputs(ids, o),
    ],
    ["run a Llama", { returns: ["attentions"] }, "outputs(ids, { returns })", "return", (o) => model.forward(ids, o)],
    ["take the loss", { position_ids: ids }, "positionIds", "mask", (o) => model.loss(ids, ids, o)],
    [
      "run LlamaAttention",
      { attention_mask: ids },
      "mask",
      "layr",
      (o) => layer.self_attn.forward(hidden, { rope, ...o }),
    ],
    ["run LlamaAttention", { layer_idx: 0 }, "layer", "caches", (o) => layer.forward(hidden, { rope, ...o })],
    ["run MultiheadGQA", { is_causal: true }, "isCausal", "needWeight", (o) => gqa.forward(x, x, x, o)],
    ["load a state dict", { stict: false }, "strict", "strickt", (o) => model.loadStateDict(model.stateDict(), o)],
  ]);
  const message = 'Cannot run a Llama with returns ["attention"]: it is a list of "hiddenStates", "attentions"';
  const returns = JSON.parse('["attention"]'); // of any type, as JavaScript gives it
  assertThrows(() => model.outputs(ids, { returns }), ShapeError, message);
  assertThrows(() => model.outputs(ids, { returns: returns[0] }), ShapeError, 'returns "attention": it is a list of');
});

Deno.test("training refuses options that there are none of", () => {
  using x = tensor([1], { backend }).requiresGrad_();
  const steps = { warmupSteps: 1, totalSteps: 2 };
  refuseAll([
    ["make AdamW", { lr: 1 }, "learningRate", "weightdecay", (o) => new AdamW([x], o)],
    ["make SGD", { weight_decay: 1 }, "weightDecay", "momentom", (o) => new SGD([x], o)],
    ["make a group of SGD", { lr: 1 }, "learningRate", "learningrate", (o) => new SGD([{ parameters: [x], ...o }])],
    ["clipGradNorm_", { norm_type: 1 }, "normType", "normtype", (o) => clipGradNorm_([x], 1, o)],
    [
      "constantWithWarmup",
      { num_warmup_steps: 1 },
      "warmupSteps",
      "warmup",
      (o) => constantWithWarmup({ ...steps, ...o }),
    ],
    [
      "linearWithWarmup",
      { num_training_steps: 1 },
      "totalSteps",
      "cycles",
      (o) => linearWithWarmup({ ...steps, ...o }),
    ],
    ["cosineWithWarmup", { num_cycles: 1 }, "cycles", "cycle", (o) => cosineWithWarmup({ ...steps, ...o })],
  ]);
});
