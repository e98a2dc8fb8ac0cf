/** Training as one writes it: a tiny Llama learns to repeat what it read, by seed, without leaks, and resumes exactly. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, cat, full, randint, type Tensor, tidy } from "../../core/mod.ts";
import {
  AdamW,
  clipGradNorm_,
  cosineWithWarmup,
  initialized,
  type LlamaConfig,
  LlamaForCausalLM,
  LrScheduler,
} from "../mod.ts";

/** Two layers, four query heads on two key heads. */
const CONFIG: LlamaConfig = {
  vocabSize: 8,
  hiddenSize: 32,
  intermediateSize: 48,
  numHiddenLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 8,
  maxPositionEmbeddings: 16,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeInterleaved: false,
  attentionBias: false,
  mlpBias: false,
  tieWordEmbeddings: false,
  initializerRange: 0.1,
};
const STEPS = 40;
const SEED = 7;

/** Three random tokens, twice; only the second time can be foretold, and only it counts. */
function batch(backend: Backend, seed: number): { ids: Tensor; labels: Tensor } {
  return tidy(() => {
    const read = randint(0, CONFIG.vocabSize, [16, 3], { seed, backend });
    const ignored = full([16, 3], -100, { dtype: "i32", backend });
    return { ids: cat([read, read], 1), labels: cat([ignored, read], 1) };
  });
}

/** A model in training, with all that a step needs. */
class Run implements Disposable {
  readonly backend: Backend;
  readonly model: LlamaForCausalLM;
  readonly optimizer: AdamW;
  readonly scheduler: LrScheduler;

  constructor(backend: Backend, seed: number) {
    this.backend = backend;
    this.model = new LlamaForCausalLM(CONFIG, initialized({ backend, seed })).requiresGrad_();
    const [vectors, matrices] = [1, 2].map((rank) => [...this.model.parameters()].filter((p) => p.rank === rank));
    const groups = [{ parameters: matrices! }, { parameters: vectors!, weightDecay: 0 }]; // norms do not decay
    this.optimizer = new AdamW(groups, { learningRate: 0.02, weightDecay: 0.1 });
    this.scheduler = new LrScheduler(this.optimizer, cosineWithWarmup({ warmupSteps: 5, totalSteps: STEPS }));
  }

  /** Steps `from` to `to`, and the loss of each before its update. */
  async steps(from: number, to: number): Promise<number[]> {
    const losses: number[] = [];
    for (let step = from; step < to; step++) losses.push(await this.#step(step));
    return losses;
  }

  async #step(step: number): Promise<number> {
    const { ids, labels } = batch(this.backend, step);
    using loss = this.model.loss(ids, labels);
    loss.backward();
    clipGradNorm_(this.model.parameters(), 1).dispose();
    this.optimizer.step();
    this.scheduler.step();
    this.optimizer.zeroGrad();
    for (const tensor of [ids, labels]) tensor.dispose();
    return await loss.item();
  }

  [Symbol.dispose](): void {
    this.optimizer.dispose();
    this.model.dispose();
  }
}

Deno.test("a tiny Llama learns to repeat what it read, and a step leaves nothing behind", async () => {
  const backend = createScalarBackend();
  {
    using run = new Run(backend, SEED);
    const [first] = await run.steps(0, 1);
    const alive = backend.memory.liveStorages;
    const losses = await run.steps(1, STEPS);
    assertEquals(backend.memory.liveStorages, alive);
    assert(Math.abs(first! - Math.log(8)) < 0.5, `seed ${SEED}: it starts near chance, ln 8, found ${first}`);
    const last = Math.max(...losses.slice(-5));
    assert(last < 0.1, `seed ${SEED}: after ${STEPS} steps the loss should be below 0.1, found ${last}`);
  }
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("the same seed trains the same, another one does not", async () => {
  const losses: number[][] = [];
  for (const seed of [SEED, SEED, SEED + 1]) {
    using run = new Run(createScalarBackend(), seed);
    losses.push(await run.steps(0, 3));
  }
  assertEquals(losses[1], losses[0]);
  assertNotEquals(losses[2], losses[0]);
});

Deno.test("a run that resumes equals one that was never interrupted", async () => {
  const backend = createScalarBackend();
  using whole = new Run(backend, SEED);
  using resumed = new Run(backend, SEED + 1); // everything it starts with is replaced
  await whole.steps(0, 6);
  resumed.model.loadStateDict(whole.model.stateDict());
  resumed.optimizer.loadStateDict(whole.optimizer.stateDict());
  resumed.scheduler.loadStateDict(whole.scheduler.stateDict());
  assertEquals(await resumed.steps(6, 10), await whole.steps(6, 10));
  for (const [name, parameter] of whole.model.stateDict()) {
    assertEquals(await resumed.model.stateDict().get(name)!.data(), await parameter.data(), name);
  }
});
