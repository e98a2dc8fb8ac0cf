/**
 * Attention of one layer, looked at: from the layer's inputs, which a {@linkcode TextRun} keeps, to rotated queries and keys,
 * and to scores or weights. It is the layer's own arithmetic (LlamaAttention), stopped where scores can be seen.
 */
import {
  applyRope,
  attention,
  type LlamaConfig,
  type LlamaForCausalLM,
  noGrad,
  type RopeFrequencies,
  ropeFrequencies,
  ropeTables,
  type ScoreStage,
  type Tensor,
  tensor,
  tidy,
} from "../../../../packages/heed/mod.ts";
import type { RowScores, Stage } from "../protocol.ts";
import type { TextRun } from "./text_run.ts";

interface Projected {
  /** `[1, H, T, D]`. */
  readonly query: Tensor;
  /** `[1, Hkv, T, D]`. */
  readonly key: Tensor;
  /** `[1, Hkv, T, D]`. */
  readonly value: Tensor;
}

/** How fast each pair of a head's elements turns. */
export function frequenciesOf(config: LlamaConfig): RopeFrequencies {
  const rotated = Math.floor(config.headDim * (config.partialRotaryFactor ?? 1));
  return ropeFrequencies(rotated, config.ropeTheta, config.ropeScaling);
}

/** Queries, keys and values of a text in a layer, as attention takes them; within a tidy. */
function project(model: LlamaForCausalLM, run: TextRun, layer: number): Projected {
  const { config } = model;
  const { hiddenSize, headDim, numAttentionHeads, numKeyValueHeads, ropeInterleaved: interleaved } = config;
  const [length, backend] = [run.ids.length, model.lm_head.weight.backend];
  const { input_layernorm, self_attn } = model.model.layers[layer]!; // checked by the caller
  const x = input_layernorm.forward(tensor(run.inputsOf(layer), { shape: [1, length, hiddenSize], backend }));
  const rope = ropeTables(frequenciesOf(config), { start: 0, length }, { backend });
  const heads = (h: Tensor, count: number) => h.reshape([1, length, count, headDim]).transpose(1, 2);
  const rotated = (h: Tensor, count: number) => applyRope(heads(h, count), rope.cos, rope.sin, { interleaved });
  return {
    query: rotated(self_attn.q_proj.forward(x), numAttentionHeads),
    key: rotated(self_attn.k_proj.forward(x), numKeyValueHeads),
    value: heads(self_attn.v_proj.forward(x), numKeyValueHeads),
  };
}

function scoresAt(stage: Stage, query: Tensor, key: Tensor, value: Tensor, offset: number): Tensor {
  const options = { causal: "upper-left", offset } as const;
  if (stage === "weights") return attention(query, key, value, { ...options, returns: { weights: true } }).weights;
  const scores: ScoreStage = stage;
  return attention(query, key, value, { ...options, returns: { scores } }).scores;
}

/**
 * Scores or weights of a whole layer.
 *
 * @returns `[H, T, T]`, query by key
 */
export async function lookAt(
  model: LlamaForCausalLM,
  run: TextRun,
  layer: number,
  stage: Stage,
): Promise<Float32Array<ArrayBuffer>> {
  using values = tidy(() =>
    noGrad(() => {
      const { query, key, value } = project(model, run, layer);
      return scoresAt(stage, query, key, value, 0);
    })
  );
  return Float32Array.from(await values.data());
}

/** One token's scores with every key in one head, at each stage. */
export async function rowAt(
  model: LlamaForCausalLM,
  run: TextRun,
  layer: number,
  head: number,
  token: number,
): Promise<RowScores["stages"]> {
  const rows = tidy(() =>
    noGrad(() => {
      const { query, key, value } = project(model, run, layer);
      const row = query.narrow(2, token, 1); // [1, H, 1, D]
      const at = (stage: Stage) => scoresAt(stage, row, key, value, token).narrow(1, head, 1).contiguous();
      return { raw: at("raw"), scaled: at("scaled"), masked: at("masked"), weights: at("weights") };
    })
  );
  const read = async (x: Tensor) => Float32Array.from(await x.data());
  try {
    const [raw, scaled, masked, weights] = await Promise.all(
      [rows.raw, rows.scaled, rows.masked, rows.weights].map(read),
    );
    return { raw: raw!, scaled: scaled!, masked: masked!, weights: weights! };
  } finally {
    for (const row of Object.values(rows)) row.dispose();
  }
}
