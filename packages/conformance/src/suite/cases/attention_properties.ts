/**
 * What must hold of attention whatever the numbers are, by random search over shapes and options; the seed is in the case's name.
 */
import * as core from "../../../../core/mod.ts";
import { type Backend, type Tensor, tidy } from "../../../../core/mod.ts";
import { mismatch } from "../../compare.ts";
import { RandomSource } from "../random_source.ts";
import type { AsyncSuiteCase } from "../suite_case.ts";

/** One call. */
interface Sample {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly options: core.AttentionOptions;
}

/** A result beside one that must equal it. */
interface Pair {
  readonly got: Tensor;
  readonly want: Tensor;
}

type Property = (sample: Sample, random: RandomSource) => Pair;

function attend({ query, key, value, options }: Sample): Tensor {
  return core.scaledDotProductAttention(query, key, value, options);
}

function sampleOf(backend: Backend, random: RandomSource): Sample {
  const [batch, keyHeads, groups] = [random.integer(1, 4), random.integer(1, 4), random.integer(1, 4)];
  const length = random.integer(1, 9);
  const keys = length + random.integer(0, 40);
  const [size, valueSize] = [random.integer(1, 17), random.integer(1, 17)];
  const draw = (shape: number[]): Tensor => core.randn(shape, { seed: random.integer(0, 1e6), backend });
  const maybe = <T>(make: () => T): T | undefined => random.next() < 0.4 ? make() : undefined;
  const heads = keyHeads * groups;
  return {
    query: draw([batch, heads, length, size]),
    key: draw([batch, keyHeads, keys, size]),
    value: draw([batch, keyHeads, keys, valueSize]),
    options: {
      causal: maybe(() => "lower-right"),
      window: maybe(() => ({
        left: random.integer(0, 6),
        right: random.integer(0, 3),
        sinkTokens: random.integer(0, 2),
      })),
      softcap: maybe(() => random.between(0.5, 5)),
      scale: maybe(() => random.between(-1, 1)),
      alibiSlopes: maybe(() => draw([heads])),
      sinks: maybe(() => draw([heads])),
      mask: maybe(() => draw([batch, 1, length, keys]).gt(-0.5)),
    },
  };
}

/** Some rows of queries, masks with them, and how far from the end they are. */
function rowsOf({ query, key, value, options }: Sample, start: number, count: number): Sample {
  const offset = key.shape[2]! - query.shape[2]! + start;
  const mask = options.mask?.narrow(2, start, count);
  return { query: query.narrow(2, start, count), key, value, options: { ...options, mask, offset } };
}

const PROPERTIES: Readonly<Record<string, Property>> = {
  "grouped equals repeated": (sample) => {
    const n = sample.query.shape[1]! / sample.key.shape[1]!;
    const { key, value } = sample;
    return {
      got: attend(sample),
      want: attend({ ...sample, key: core.repeatKv(key, n), value: core.repeatKv(value, n) }),
    };
  },
  "a permuted batch gives a permuted output": (sample) => {
    const turn = (x: Tensor): Tensor => core.roll(x, 1, 0);
    const { query, key, value, options } = sample;
    const turned = { query: turn(query), key: turn(key), value: turn(value) };
    const mask = options.mask === undefined ? undefined : turn(options.mask.to("i32")).ne(0);
    return { got: attend({ ...turned, options: { ...options, mask } }), want: turn(attend(sample)) };
  },
  "chunks equal one pass": (sample, random) => {
    const length = sample.query.shape[2]!;
    const outputs: Tensor[] = [];
    for (let start = 0; start < length;) {
      const count = random.integer(1, length - start + 1);
      outputs.push(attend(rowsOf(sample, start, count)));
      start += count;
    }
    return { got: core.cat(outputs, 2), want: attend(sample) };
  },
  "later keys do not matter to causal attention": (sample) => {
    const { query, key, value } = sample;
    const [length, keys] = [query.shape[2]!, key.shape[2]!];
    const options = { ...sample.options, causal: "lower-right" as const, mask: undefined };
    const first = {
      query: query.narrow(2, 0, 1),
      key: key.narrow(2, 0, keys - length + 1),
      value: value.narrow(2, 0, keys - length + 1),
    };
    return { got: attend({ ...first, options }), want: attend({ ...sample, options }).narrow(2, 0, 1) };
  },
  "weights sum to 1 or 0": (sample) => {
    const { query, key, value } = sample;
    const options = { ...sample.options, sinks: undefined };
    const { weights, logSumExp } = core.attention(query, key, value, {
      ...options,
      returns: { weights: true, logSumExp: true },
    });
    const empty = logSumExp.eq(-Infinity);
    return { got: weights.sum({ dim: -1 }), want: empty.logicalNot().to("f32") };
  },
  "rows that see nothing are zero": (sample) => {
    const { query } = sample;
    const rows = [query.shape[0]!, 1, query.shape[2]!, 1];
    const shown = core.randn(rows, { seed: 4, backend: query.backend }).gt(0);
    const options = { ...sample.options, mask: shown };
    const output = attend({ ...sample, options });
    return { got: output, want: core.where(shown, output, 0) };
  },
  "slopes, masks and windows as functions": (sample) => {
    const { alibiSlopes, window, mask, ...rest } = sample.options;
    const scoreMod = alibiSlopes === undefined ? undefined : core.mods.alibi(alibiSlopes);
    const size = (window?.left ?? 3) + 1;
    const near = { ...rest, mask, alibiSlopes, window: { left: size - 1 }, causal: "lower-right" as const };
    const byFunctions = { ...rest, mask, scoreMod, causal: undefined, maskMod: core.mods.slidingWindow(size) };
    return { got: attend({ ...sample, options: byFunctions }), want: attend({ ...sample, options: near }) };
  },
};

const SEEDS = 12;

function propertyCase(name: string, property: Property, seed: number): AsyncSuiteCase {
  const title = `attention/${name}, seed ${seed}`;
  return {
    name: title,
    runAsync: async (backend) => {
      const random = new RandomSource(title);
      const { got, want } = tidy(() => property(sampleOf(backend, random), random));
      try {
        const wanted = Float64Array.from(await want.data());
        const problem = mismatch(await got.data(), wanted, want.shape, { rtol: 1e-4, atol: 1e-5 });
        if (problem !== undefined) throw new Error(problem);
      } finally {
        for (const tensor of [got, want]) tensor.dispose();
      }
    },
  };
}

/** A block mask hides what its function hides, with and without a kernel that skips blocks. */
function blockCase(seed: number): AsyncSuiteCase {
  const title = `attention/block mask equals its function, seed ${seed}`;
  return {
    name: title,
    runAsync: async (backend) => {
      const random = new RandomSource(title);
      const [length, keys, blockSize] = [random.integer(1, 40), random.integer(1, 60), random.integer(1, 20)];
      const draw = (shape: number[], i: number): Tensor => core.randn(shape, { seed: i, backend });
      using query = draw([2, 4, length, 5], 1);
      using key = draw([2, 2, keys, 5], 2);
      using value = draw([2, 2, keys, 3], 3);
      const positions = keys + Math.max(0, length - keys);
      using ids = core.randint(0, 3, [2, positions], { seed, backend });
      const mods = [core.mods.slidingWindow(random.integer(1, 9)), core.mods.document(ids), core.mods.prefix(3)];
      const maskMod = core.mods.orMasks(core.mods.andMasks(mods[0]!, mods[1]!), mods[2]!);
      const offset = Math.max(0, keys - length);
      const sizes = { queryLength: length, keyLength: keys, batch: 2, blockSize, offset, backend };
      using blockMask = await core.createBlockMask(maskMod, sizes);
      using got = core.scaledDotProductAttention(query, key, value, { blockMask, causal: "lower-right", offset });
      using want = core.scaledDotProductAttention(query, key, value, { maskMod, causal: "lower-right", offset });
      const wanted = Float64Array.from(await want.data());
      const problem = mismatch(await got.data(), wanted, want.shape, { rtol: 1e-4, atol: 1e-5 });
      if (problem !== undefined) throw new Error(problem);
    },
  };
}

/** Cases of attention's properties. */
export const ATTENTION_PROPERTY_CASES: readonly AsyncSuiteCase[] = Array.from({ length: SEEDS }, (_, seed) => [
  ...Object.entries(PROPERTIES).map(([name, property]) => propertyCase(name, property, seed)),
  blockCase(seed),
]).flat();
