import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { ShapeError } from "../../core/mod.ts";
import { Embedding, init, initialized, type Initializer, LayerNorm, Linear, MultiheadGQA, RMSNorm } from "../mod.ts";

const backend = createScalarBackend();
const SEED = 11;

interface Statistics {
  readonly mean: number;
  readonly std: number;
  readonly low: number;
  readonly high: number;
}

function statistics(values: ArrayLike<number>): Statistics {
  const all = Array.from(values);
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const std = Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length);
  return { mean, std, low: Math.min(...all), high: Math.max(...all) };
}

async function drawn(initial: Initializer, shape = [60, 100]): Promise<Statistics> {
  using parameter = initial(shape, { backend, seed: SEED });
  return statistics(await parameter.data());
}

/** A uniform draw's bound is nearly reached, and its deviation is the bound's over sqrt(3). */
function assertWithin({ mean, std, low, high }: Statistics, bound: number): void {
  const message = `seed ${SEED}, bound ${bound}`;
  assert(low >= -bound && high <= bound && high > 0.99 * bound && low < -0.99 * bound, message);
  assertAlmostEquals(mean, 0, 0.03 * bound, message);
  assertAlmostEquals(std, bound / Math.sqrt(3), 0.03 * bound, message);
}

Deno.test("init: normal and uniform have the numbers asked for", async () => {
  const normal = await drawn(init.normal({ mean: 2, std: 0.5 }));
  assertAlmostEquals(normal.mean, 2, 0.03, `seed ${SEED}`);
  assertAlmostEquals(normal.std, 0.5, 0.02, `seed ${SEED}`);
  const standard = await drawn(init.normal());
  assertAlmostEquals(standard.mean, 0, 0.05, `seed ${SEED}`);
  assertAlmostEquals(standard.std, 1, 0.04, `seed ${SEED}`);
  assertWithin(await drawn(init.uniform({ low: -3, high: 3 })), 3);
  const unit = await drawn(init.uniform());
  assert(unit.low >= 0 && unit.high < 1 && unit.high > 0.99, `seed ${SEED}`);
});

Deno.test("init: Xavier and Kaiming take their bounds from the fans", async () => {
  assertWithin(await drawn(init.xavierUniform({ gain: 2 })), 2 * Math.sqrt(6 / 160));
  assertWithin(await drawn(init.kaimingUniform()), 1 / Math.sqrt(100));
  assertWithin(await drawn(init.kaimingUniform({ a: 0 })), Math.sqrt(6 / 100));
  assertWithin(await drawn(init.kaimingUniform(), [60, 10, 10]), 1 / Math.sqrt(100));
  const xavier = await drawn(init.xavierNormal({ gain: 3 }));
  assertAlmostEquals(xavier.std, 3 * Math.sqrt(2 / 160), 0.01, `seed ${SEED}`);
});

Deno.test("init: fans want two dims", () => {
  for (const name of ["xavierUniform", "xavierNormal", "kaimingUniform"] as const) {
    assertThrows(
      () => init[name]()([4], { backend, seed: 0 }),
      ShapeError,
      `Cannot ${name} [4]: fans are those of [out, in, …]; use uniform or normal`,
    );
  }
});

Deno.test("init: layers start as PyTorch's do", async () => {
  const source = () => initialized({ backend, seed: SEED });
  using linear = new Linear({ inFeatures: 64, outFeatures: 200 }, source());
  assertWithin(statistics(await linear.weight.data()), 1 / 8);
  const bias = statistics(await linear.bias!.data());
  assert(bias.high <= 1 / 8 && bias.low >= -1 / 8 && bias.std > 0.06, `seed ${SEED}`);
  using embedding = new Embedding({ numEmbeddings: 50, embeddingDim: 40 }, source());
  assertAlmostEquals(statistics(await embedding.weight.data()).std, 1, 0.06, `seed ${SEED}`);
  using layer = new LayerNorm({ size: 3 }, source());
  assertEquals([...await layer.weight.data(), ...await layer.bias.data()], [1, 1, 1, 0, 0, 0]);
  using rms = new RMSNorm({ size: 2 }, source());
  assertEquals([...await rms.weight.data()], [1, 1]);
});

Deno.test("init: MultiheadGQA starts Xavier-normal, v and out with gain gammaInit, biases 0", async () => {
  const gammaInit = 4;
  using layer = new MultiheadGQA(
    { embedDim: 64, queryHeads: 8, kvHeads: 4, gammaInit },
    initialized({ backend, seed: SEED }),
  );
  const std = async ({ weight }: Linear) => statistics(await weight.data()).std;
  assertAlmostEquals(await std(layer.q_proj), Math.sqrt(2 / 128), 0.01, `seed ${SEED}`);
  assertAlmostEquals(await std(layer.k_proj), Math.sqrt(2 / 96), 0.01, `seed ${SEED}`);
  assertAlmostEquals(await std(layer.v_proj), gammaInit * Math.sqrt(2 / 96), 0.04, `seed ${SEED}`);
  assertAlmostEquals(await std(layer.out_proj), gammaInit * Math.sqrt(2 / 128), 0.03, `seed ${SEED}`);
  for (const { bias } of [layer.q_proj, layer.k_proj, layer.v_proj, layer.out_proj]) {
    assert((await bias!.data()).every((x) => x === 0));
  }
});
