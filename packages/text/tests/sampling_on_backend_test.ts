/** Sampling where the logits are, against sampling on the host. */
import { assert, assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { createWasmBackend } from "../../backend-wasm/mod.ts";
import { createWebGpuBackend } from "../../backend-webgpu/mod.ts";
import { type Backend, tensor, tidy } from "../../core/mod.ts";
import { filterLogits, type SampleOptions, sampleToken } from "../mod.ts";
import { drawPoint } from "../src/sampling.ts";
import { filteredOnBackend, sampleOnBackend, seenIds, whyNot, withSeen } from "../src/sampling_on_backend.ts";
import { integers } from "./texts.ts";

const BACKENDS: Readonly<Record<string, () => Backend | Promise<Backend>>> = {
  scalar: () => createScalarBackend(),
  wasm: () => createWasmBackend({ threads: 1 }),
  webgpu: () => createWebGpuBackend({ softwareAdapter: true }),
};

const SEED = 77;

type Next = (below: number) => number;

/** Logits on a grid, so that there are ties, and sometimes infinite ones; the first is finite. */
function randomLogits(next: Next, words: number): Float32Array {
  const coarse = 1 + next(20);
  return Float32Array.from({ length: words }, (_, id) => {
    return id > 0 && next(20) === 0 ? -Infinity : (next(12 * coarse) - 6 * coarse) / coarse;
  });
}

/** Filters some of which are off; the grid's probabilities do not come to lie on their edges. */
function randomFilters(next: Next): SampleOptions {
  return {
    ...(next(3) === 0 ? {} : { temperature: (1 + next(16)) / 8 }),
    ...(next(2) === 0 ? {} : { topK: 1 + next(30) }),
    ...(next(2) === 0 ? {} : { topP: (next(1000) + 0.37) / 1000 }),
    ...(next(2) === 0 ? {} : { minP: (next(300) + 0.37) / 1000 }),
  };
}

/** The interval of points that draw an id, by f64 sums of the host's filtered logits. */
function intervalOf(filtered: Float32Array, id: number): [from: number, to: number] {
  const most = filtered.reduce((a, b) => Math.max(a, b));
  const weights = Array.from(filtered, (x) => Math.exp(x - most));
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  return [sum(weights.slice(0, id)) / sum(weights), sum(weights.slice(0, id + 1)) / sum(weights)];
}

/** Codes of a batch. */
async function draw(
  logits: readonly Float32Array[],
  backend: Backend,
  options: SampleOptions,
  step: number,
  previous?: readonly number[][],
): Promise<number[]> {
  const words = logits[0]!.length;
  const { ids, codes } = tidy(() => {
    const batch = tensor(Float32Array.from(logits.flatMap((row) => [...row])), {
      shape: [logits.length, words],
      backend,
    });
    const seen = previous === undefined ? undefined : seenIds(previous, words, backend);
    return sampleOnBackend(batch, options, step, seen);
  });
  try {
    const told = [...await codes.data()];
    const fed = [...await ids.data()];
    assertEquals(ids.shape, [logits.length, 1]);
    assert(fed.every((id) => id >= 0 && id < words), `${fed} are fed of ${words}`);
    told.forEach((code, row) => assert(whyNot(code, words) !== undefined || code === fed[row]));
    return told;
  } finally {
    ids.dispose();
    codes.dispose();
  }
}

for (const [name, create] of Object.entries(BACKENDS)) {
  Deno.test(`sampling on ${name}: it keeps what the host keeps (seed ${SEED})`, async () => {
    const backend = await create();
    const next = integers(SEED);
    for (let round = 0; round < 40; round++) {
      const logits = randomLogits(next, 1 + next(60));
      const { temperature: _, ...filters } = randomFilters(next);
      using row = tensor(logits, { shape: [1, logits.length], backend });
      using filtered = filteredOnBackend(row, filters);
      const message = `seed ${SEED}, round ${round}: ${JSON.stringify(filters)} of ${logits}`;
      assertEquals([...await filtered.data()], [...filterLogits(logits, filters)], message);
    }
    assertEquals(backend.memory.liveStorages, 0);
    backend.dispose();
  });

  Deno.test(`sampling on ${name}: it draws what the host draws, up to rounding (seed ${SEED + 1})`, async () => {
    const backend = await create();
    const next = integers(SEED + 1);
    for (let round = 0; round < 40; round++) {
      const logits = randomLogits(next, 2 + next(60));
      const rows = [logits, logits.toReversed(), logits];
      const options = { ...randomFilters(next), seed: next(1000), row: next(5) };
      const step = next(100);
      const codes = await draw(rows, backend, options, step);
      const { seed, row, ...filters } = options;
      rows.forEach((of, r) => {
        const point = drawPoint(seed, step, row + r);
        const [from, to] = intervalOf(filterLogits(of, filters), codes[r]!);
        const message = `seed ${SEED + 1}, round ${round}, row ${r}: ${JSON.stringify(options)} of ${of}`;
        assert(to > from && point > from - 1e-5 && point < to + 1e-5, `${message}: ${point} in ${from} to ${to}`);
      });
    }
    assertEquals(backend.memory.liveStorages, 0);
    backend.dispose();
  });

  Deno.test(`sampling on ${name}: the greedy choice is the host's, after the penalty (seed ${SEED + 2})`, async () => {
    const backend = await create();
    const next = integers(SEED + 2);
    for (let round = 0; round < 20; round++) {
      const rows = [randomLogits(next, 30), randomLogits(next, 30)];
      const previous = rows.map(() => Array.from({ length: next(8) }, () => next(30)));
      const options = { temperature: 0, repetitionPenalty: 2 ** (next(5) - 2), topK: 1 + next(9), topP: 0.3 };
      const message = `seed ${SEED + 2}, round ${round}: ${JSON.stringify(options)}`;
      assertEquals(
        await draw(rows, backend, options, round, previous),
        rows.map((logits, row) => sampleToken(logits, options, round, previous[row])),
        message,
      );
    }
    assertEquals(backend.memory.liveStorages, 0);
    backend.dispose();
  });

  Deno.test(`sampling on ${name}: what cannot be drawn from is told by its code, and a row stands for itself`, async () => {
    const backend = await create();
    const good = Float32Array.of(1, 3, 2, -Infinity);
    const none = new Float32Array(4).fill(-Infinity);
    const rows = [Float32Array.of(1, NaN, Infinity, NaN), good, none, Float32Array.of(NaN, 1, 2, 3)];
    for (const options of [{ temperature: 0 }, { topK: 1 }, { topP: 0 }, { minP: 1 }]) {
      const codes = await draw(rows, backend, options, 0);
      const reasons = codes.map((code) => whyNot(code, 4));
      assertEquals(reasons, ["logit 1 is NaN", undefined, "every logit is -Infinity", "logit 0 is NaN"]);
      assertEquals(codes[1], 1);
    }
    const infinite = Float32Array.of(1, 2, Infinity, 3);
    assertEquals(await draw([infinite], backend, { topP: 0.9, minP: 0.1 }, 3), [2]);
    backend.dispose();
  });

  Deno.test(`sampling on ${name}: a temperature next to 0 takes the largest logit`, async () => {
    const backend = await create();
    const rows = [[1, 3, 2.999, -Infinity], [-5, -4, -9, -3.4e38], [1, 3e38, 2e38, 0], [0, Infinity, 1, 2]];
    for (const temperature of [5e-324, 1e-46, 1e-40, 1e-38, 1e-30]) {
      for (let step = 0; step < 5; step++) {
        const drawn = await draw(rows.map((row) => Float32Array.from(row)), backend, { temperature, topP: 0.9 }, step);
        assertEquals(drawn, [1, 1, 1, 1], `temperature ${temperature}, step ${step}`);
      }
    }
    assertEquals(await draw([Float32Array.of(3e38, 3e38)], backend, { temperature: 0.5, minP: 1 }, 1), [
      sampleToken(Float32Array.of(3e38, 3e38), { temperature: 0.5, minP: 1 }, 1),
    ]);
    const none = [Float32Array.of(1, NaN), new Float32Array(2).fill(-Infinity)];
    assertEquals(await draw(none, backend, { temperature: 1e-40 }, 0), [-2, 2]);
    backend.dispose();
  });

  Deno.test(`sampling on ${name}: ids that were drawn are seen from then on`, async () => {
    const backend = await create();
    using before = seenIds([[0, 2], []], 4, backend);
    using ids = tensor([[3], [0]], { dtype: "i32", backend });
    using after = withSeen(before, ids);
    assertEquals(await after.toArray(), [[1, 0, 1, 1], [1, 0, 0, 0]]);
    backend.dispose();
  });
}
