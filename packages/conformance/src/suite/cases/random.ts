/** Random tensors: draw i is the same on every backend, whatever the shape. */
import { dropout, rand, randint, randn } from "../../../../core/mod.ts";
import { generate, map } from "../../oracle/dense.ts";
import { threefry, uniform } from "../../oracle/threefry.ts";
import type { SuiteCase } from "../suite_case.ts";

const SEED = 2026;
const KEY = [SEED, 0] as const;

function randCase(shape: readonly number[]): SuiteCase {
  return {
    name: `random/rand [${shape}]`,
    run: ({ backend }) => {
      let i = 0;
      const want = generate(shape, () => uniform(KEY, i++));
      return { got: rand(shape, { seed: SEED, backend }), want, dtype: "f32", tolerance: { rtol: 0, atol: 0 } };
    },
  };
}

/** Seeds beyond 32 bits use the key's second word. */
const LARGE_SEED: SuiteCase = {
  name: "random/rand of a large seed",
  run: ({ backend }) => ({
    got: rand([5], { seed: 3 * 2 ** 32 + 7, backend }),
    want: generate([5], ([i]) => uniform([7, 3], i!)),
    tolerance: { rtol: 0, atol: 0 },
  }),
};

/** Known answers of Random123's `kat_vectors`, threefry2x32 with 20 rounds. */
const KNOWN_ANSWERS: SuiteCase = {
  name: "random/known answers of the oracle",
  run: (c) => {
    const words = [
      ...threefry([0, 0], [0, 0]),
      ...threefry([0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff]),
      ...threefry([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]),
    ];
    const known = [0x6b200159, 0x99ba4efe, 0x1cb996fc, 0xbb002be7, 0xc4923a9c, 0x483df7a0];
    const halves = (list: number[]): number[] => list.flatMap((word) => [word >>> 16, word & 0xffff]);
    const got = c.operand([12], { dtype: "i32", values: halves(words) });
    return { got: got.tensor, want: { shape: [12], data: Float64Array.from(halves(known)) } };
  },
};

/** Box-Muller in f32 of two streams: key words from counters (0, 1) and (1, 1). */
const NORMAL: SuiteCase = {
  name: "random/randn",
  run: ({ backend }) => {
    const [radius, angle] = [threefry(KEY, [0, 1]), threefry(KEY, [1, 1])];
    const want = generate([33], ([i]) => {
      const length = Math.sqrt(-2 * Math.log(1 - uniform(radius, i!)));
      return length * Math.cos(2 * Math.PI * uniform(angle, i!));
    });
    return { got: randn([33], { seed: SEED, backend }), want, tolerance: { rtol: 1e-4, atol: 1e-5 } };
  },
};

const INTEGERS: SuiteCase = {
  name: "random/randint",
  run: ({ backend }) => ({
    got: randint(-3, 9, [5, 7], { seed: SEED, backend }),
    want: generate([5, 7], ([i, j]) => Math.floor(uniform(KEY, 7 * i! + j!) * 12) - 3),
    dtype: "i32",
  }),
};

/** What is kept is scaled, what is dropped is 0, and about p are dropped. */
const DROPOUT: SuiteCase = {
  name: "random/dropout",
  run: (c) => {
    const x = c.operand([1000], { low: 1, high: 2 });
    const got = dropout(x.tensor, 0.25, SEED);
    const ratio = got.div(x.tensor);
    const strange = ratio.sub(1 / 0.75).abs().gt(1e-5).logicalAnd(ratio.ne(0));
    const none = map({ shape: [], data: new Float64Array(1) }, (v) => v);
    return [
      { what: "neither 0 nor scaled", got: strange.any(), want: none },
      {
        what: "share of those kept",
        got: ratio.ne(0).to("f32").mean(),
        want: map(none, () => 0.75),
        tolerance: { rtol: 0, atol: 0.05 },
      },
    ];
  },
};

/** Cases of random tensors. */
export const RANDOM_CASES: readonly SuiteCase[] = [
  ...[[], [7], [64], [5, 13], [1, 1000]].map(randCase),
  LARGE_SEED,
  KNOWN_ANSWERS,
  NORMAL,
  INTEGERS,
  DROPOUT,
];
