/** What is looked at is what the model computes, and a model with fewer heads is one. */
import { assert, assertEquals } from "@std/assert";
import {
  type Backend,
  createBackend,
  initialized,
  type LlamaConfig,
  LlamaForCausalLM,
  tensor,
  tidy,
} from "../../../packages/heed/mod.ts";
import { lookAt, rowAt } from "../src/worker/look.ts";
import { regroup } from "../src/worker/regroup.ts";
import { TextRun } from "../src/worker/text_run.ts";

const CONFIG: LlamaConfig = {
  ...{ vocabSize: 11, hiddenSize: 32, intermediateSize: 24, numHiddenLayers: 3, maxPositionEmbeddings: 64 },
  ...{ numAttentionHeads: 4, numKeyValueHeads: 2, headDim: 8, rmsNormEps: 1e-5, ropeTheta: 10000 },
  ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true, initializerRange: 0.5 },
};
const IDS = [3, 1, 4, 1, 5, 9, 2];
const [H, T] = [CONFIG.numAttentionHeads, IDS.length];

/** Runs with a model that has read the ids in three pieces; nothing may be left then. */
async function withRun(
  work: (model: LlamaForCausalLM, run: TextRun, backend: Backend) => Promise<void>,
): Promise<void> {
  const backend = await createBackend("scalar");
  {
    using model = new LlamaForCausalLM(CONFIG, initialized({ backend, seed: 1 }));
    const run = new TextRun(model);
    for (const ids of [IDS.slice(0, 4), IDS.slice(4, 5), IDS.slice(5)]) await run.feed(ids);
    await work(model, run, backend);
    run.dispose();
  }
  assertEquals(backend.memory.liveStorages, 0);
}

function assertNear(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
  assertEquals(got.length, want.length, what);
  for (let i = 0; i < want.length; i++) {
    assert(
      got[i] === want[i] || Math.abs(got[i]! - want[i]!) < 1e-5,
      `${what}: ${got[i]} at ${i}, expected ${want[i]}`,
    );
  }
}

Deno.test("look: weights and logits of a text read in pieces are those of the whole model, in every layer", async () => {
  await withRun(async (model, run, backend) => {
    const whole = tidy(() =>
      model.outputs(tensor([IDS], { dtype: "i32", backend }), { returns: ["attentions"], logitsToKeep: 1 })
    );
    for (const [layer, want] of whole.attentions!.entries()) {
      assertNear(await lookAt(model, run, layer, "weights"), await want.data(), `layer ${layer}`);
    }
    assertNear(run.logits, await whole.logits.data(), "logits");
    for (const x of [whole.logits, ...whole.attentions!]) x.dispose();
  });
});

Deno.test("look: each stage is made of the one before, and later tokens are hidden", async () => {
  await withRun(async (model, run) => {
    const [raw, scaled, masked, weights] = await Promise.all(
      (["raw", "scaled", "masked", "weights"] as const).map((stage) => lookAt(model, run, 1, stage)),
    );
    assertNear(scaled!, raw!.map((x) => x / Math.sqrt(CONFIG.headDim)), "scaled");
    assertNear(masked!, scaled!.map((x, i) => i % T > Math.floor(i / T) % T ? -Infinity : x), "masked");
    for (let row = 0; row < H * T; row++) {
      const scores = masked!.subarray(row * T, (row + 1) * T);
      const sum = scores.reduce((total, x) => total + Math.exp(x), 0);
      assertNear(weights!.subarray(row * T, (row + 1) * T), scores.map((x) => Math.exp(x) / sum), `row ${row}`);
    }
  });
});

Deno.test("look: a row at each stage is that row of the whole", async () => {
  await withRun(async (model, run) => {
    const [layer, head, token] = [2, 3, 4];
    const row = await rowAt(model, run, layer, head, token);
    for (const [stage, values] of Object.entries(row)) {
      const whole = await lookAt(model, run, layer, stage as keyof typeof row); // its own keys
      const start = (head * T + token) * T;
      assertNear(values, whole.subarray(start, start + T), stage);
    }
  });
});

Deno.test("text run: the bytes it tells are those of its keys and values", async () => {
  await withRun(async (_model, run) => {
    assertEquals(run.cacheBytes, T * 3 * 2 * 8 * 2 * 4); // tokens, layers, key/value heads, head size, keys and values, f32
    await Promise.resolve();
  });
});

Deno.test("regroup: only keys' and values' projections are new, and logits change", async () => {
  await withRun(async (model, run, backend) => {
    const before = backend.memory.liveStorages;
    {
      using fewer = regroup(model, 1);
      assertEquals(backend.memory.liveStorages, before + 2 * CONFIG.numHiddenLayers);
      assertEquals(fewer.config.numKeyValueHeads, 1);
      const other = new TextRun(fewer);
      await other.feed(IDS);
      assert(other.logits.some((x, i) => Math.abs(x - run.logits[i]!) > 1e-3), "nothing changed");
      other.dispose();
    }
    assertEquals(backend.memory.liveStorages, before);
  });
});
