/**
 * Attention, rotations and Llama's layers against PyTorch and transformers, gradients of attention included. Cases that need
 * what this version lacks (windows, softcap, sinks, ALiBi, key lengths, returned weights) are left out by their settings.
 */
import { assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import type { Call, Mapping, OpTable } from "../../conformance/src/golden/call.ts";
import type { GoldenCase } from "../../conformance/src/golden/manifest.ts";
import { runCase } from "../../conformance/src/golden/run_case.ts";
import { loadGroup } from "../../conformance/src/golden/vector_group.ts";
import {
  applyRope,
  GrowableKvCache,
  ropeFrequencies,
  ropeTables,
  scaledDotProductAttention,
  type Tensor,
} from "../../core/mod.ts";
import { llamaConfigFromJson } from "../../models/mod.ts";
import {
  LlamaAttention,
  type LlamaConfig,
  LlamaDecoderLayer,
  LlamaMLP,
  type ParameterSource,
  RMSNorm,
} from "../mod.ts";

const FOLDER = new URL("../../conformance/vectors/", import.meta.url);
const READER = {
  json: async (path: string): Promise<unknown> => JSON.parse(await Deno.readTextFile(new URL(path, FOLDER))),
  bytes: (path: string): Promise<Uint8Array> => Deno.readFile(new URL(path, FOLDER)),
};

/** Runs some cases of a group; the failures' messages and the number of passes. */
async function run(group: string, wants: (golden: GoldenCase) => boolean, ops: OpTable): Promise<[string[], number]> {
  const backend = createScalarBackend();
  const vectors = await loadGroup(READER, group, wants);
  const failures: string[] = [];
  for (const golden of vectors.cases) {
    const { name, status, message } = await runCase(backend, vectors, golden, ops[golden.op]!);
    if (status !== "passed") failures.push(`${name}: ${status}: ${message}`);
  }
  return [failures, vectors.cases.length - failures.length];
}

const LATER_SETTINGS = ["need_weights", "window_left", "window_right", "softcap"];
const LATER_INPUTS = ["alibi_slopes", "sinks", "key_lengths"];

const sdpa: Mapping = (c) => {
  const alignment = c.attrs.text("causal_alignment") === "bottom-right" ? "lower-right" : "upper-left";
  return {
    output: scaledDotProductAttention(c.tensor("query"), c.tensor("key"), c.tensor("value"), {
      mask: c.maybe("attn_mask"),
      causal: c.attrs.flag("is_causal") ? alignment : undefined,
      scale: c.attrs.maybeNumber("scale"),
    }),
  };
};

const rope: Mapping = (c) => {
  const x = c.tensor("x");
  const frequencies = ropeFrequencies(c.attrs.number("rotary_dim"), c.attrs.number("theta"));
  const start = c.attrs.number("position_start");
  const { cos, sin } = ropeTables(frequencies, start, x.shape[2]!, { backend: c.backend });
  return { output: applyRope(x, cos, sin, { interleaved: c.attrs.text("style") === "interleaved" }) };
};

Deno.test("attention: plain, causal, masked and grouped is PyTorch's", async () => {
  const wants = ({ attrs, inputs }: GoldenCase): boolean =>
    !LATER_SETTINGS.some((key) => attrs.has(key)) && !LATER_INPUTS.some((key) => key in inputs);
  assertEquals(await run("sdpa", wants, { sdpa }), [[], 77]);
});

Deno.test("attention, rope: gradients are PyTorch's", async () => {
  assertEquals(await run("autograd", ({ op }) => op === "sdpa" || op === "rope", { sdpa, rope }), [[], 8]);
});

function configOf(c: Call): LlamaConfig {
  return llamaConfigFromJson({ ...Object(c.attrs.raw("config")), model_type: "llama" });
}

/** The case's state dict as a source of parameters. */
function sourceOf(c: Call): ParameterSource {
  const key = (name: string): string => name.replace("it.", "state_dict.");
  return {
    has: (name) => c.has(key(name)),
    take: (name, shape) => {
      const parameter = c.tensor(key(name));
      assertEquals([...parameter.shape], [...shape], name);
      return parameter;
    },
  };
}

/** The tables of the case's positions, which follow each other. */
function tablesOf(c: Call, config: LlamaConfig): { cos: Tensor; sin: Tensor } {
  const { values, shape } = c.stored("position_ids");
  const frequencies = ropeFrequencies(config.headDim, config.ropeTheta);
  return ropeTables(frequencies, values[0]!, shape.at(-1)!, { backend: c.backend });
}

const LAYERS: OpTable = {
  LlamaRMSNorm: (c) => ({
    output: new RMSNorm(c.tensor("state_dict.weight"), c.attrs.number("eps")).forward(c.tensor("hidden_states")),
  }),
  LlamaMLP: (c) => ({ output: new LlamaMLP(configOf(c), sourceOf(c), "it").forward(c.tensor("hidden_states")) }),
  LlamaAttention: (c) => {
    const config = configOf(c);
    using cache = new GrowableKvCache(1);
    if (c.has("past_keys")) cache.append(0, c.tensor("past_keys"), c.tensor("past_values"));
    const layer = new LlamaAttention(config, sourceOf(c), "it");
    return { output: layer.forward(c.tensor("hidden_states"), tablesOf(c, config), 0, cache) };
  },
  LlamaDecoderLayer: (c) => {
    const config = configOf(c);
    const layer = new LlamaDecoderLayer(config, sourceOf(c), "it");
    return { output: layer.forward(c.tensor("hidden_states"), tablesOf(c, config), 0) };
  },
};

Deno.test("Llama: norms, MLPs, attention with and without a past, and layers are those of transformers", async () => {
  const backend = createScalarBackend();
  const vectors = await loadGroup(READER, "llama", ({ op }) => op in LAYERS);
  for (const golden of vectors.cases) {
    const only = { ...golden, outputs: { output: golden.outputs!["output"]! } }; // the weights are not handed out
    const { status, message } = await runCase(backend, vectors, only, LAYERS[golden.op]!);
    assertEquals([golden.name, status, message], [golden.name, "passed", undefined]);
  }
  assertEquals(vectors.cases.length, 13);
});
