/** Rotary embedding: what it preserves, both directions, its gradient, positions of all kinds, scalings, and what it refuses. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { poisoned } from "../../conformance/src/suite/poisoned.ts";
import { unfused } from "../../conformance/src/suite/unfused.ts";
import {
  applyRope,
  type Backend,
  BackendError,
  DTypeError,
  gradcheck,
  gradients,
  randint,
  randn,
  type RopeFrequencies,
  ropeFrequencies,
  type RopeOptions,
  type RopeScaling,
  ropeTables,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  tidy,
  trace,
  zeros,
} from "../mod.ts";

const backend = createScalarBackend();
/** Primitives alone, so that the composition runs; its outputs start as NaN. */
const composed = unfused(poisoned(createScalarBackend()));

const DIRECTIONS: readonly RopeOptions[] = [
  {},
  { interleaved: true },
  { inverse: true },
  { interleaved: true, inverse: true },
];

function assertClose(got: Tensor, want: Tensor, tolerance: number, what: string): void {
  assertEquals(got.shape, want.shape, what);
  const [a, b] = [got.dataSync(), want.dataSync()];
  for (let i = 0; i < a.length; i++) assertAlmostEquals(Number(a[i]), Number(b[i]), tolerance, `${what} at ${i}`);
}

/** Runs `fn` in a scope; nothing may be left of it. */
function withoutLeaks(fn: () => void): void {
  const before = backend.memory.liveStorages;
  tidy(fn);
  assertEquals(backend.memory.liveStorages, before);
}

Deno.test("applyRope: pairs keep their length, and products depend on the distance only", () => {
  withoutLeaks(() => {
    const seed = 11;
    const [q, k] = [0, 1].map((i) => randn([1, 1, 1, 8], { seed: seed + i, backend }));
    const at = (x: Tensor, position: number, options: RopeOptions): Tensor => {
      const { cos, sin } = ropeTables(ropeFrequencies(8, 100), { start: position, length: 1 }, { backend });
      return applyRope(x, cos, sin, options);
    };
    for (const options of DIRECTIONS) {
      const product = (t: number, s: number): Tensor => at(q!, t, options).mul(at(k!, s, options)).sum();
      const what = `seed ${seed} ${JSON.stringify(options)}`;
      assertClose(at(q!, 5, options).square().sum(), q!.square().sum(), 1e-5, what);
      assertClose(product(9, 4), product(25, 20), 1e-5, what);
      assert(Math.abs(Number(product(9, 4).dataSync()[0]) - Number(product(9, 5).dataSync()[0])) > 1e-3, what);
    }
  });
});

Deno.test("applyRope: inverse undoes it, and is the rotation by the negative angle", () => {
  withoutLeaks(() => {
    const seed = 3;
    const x = randn([2, 3, 5, 12], { seed, backend });
    const { cos, sin } = ropeTables(ropeFrequencies(8, 10000), { start: 7, length: 5 }, { backend });
    for (const interleaved of [false, true]) {
      const what = `seed ${seed} interleaved ${interleaved}`;
      const turned = applyRope(x, cos, sin, { interleaved });
      assertClose(applyRope(turned, cos, sin, { interleaved, inverse: true }), x, 1e-5, what);
      const negative = applyRope(x, cos, sin.neg(), { interleaved });
      assertClose(applyRope(x, cos, sin, { interleaved, inverse: true }), negative, 0, what);
      assertClose(turned.narrow(3, 8, 4), x.narrow(3, 8, 4), 0, `${what}: the rest passes through`);
    }
  });
});

Deno.test("applyRope: the kernel equals the composition, in every float dtype, with tables of each row", () => {
  withoutLeaks(() => {
    const seed = 5;
    const tolerance = { f64: 1e-12, f32: 1e-6, f16: 2e-3, bf16: 2e-2 };
    for (const dtype of ["f64", "f32", "f16", "bf16"] as const) {
      for (const lead of [[], [1], [2]]) {
        for (const options of DIRECTIONS) {
          const on = (where: Backend): Tensor => {
            const x = randn([2, 3, 4, 10], { seed, backend: where }).to(dtype);
            const [cos, sin] = [1, 2].map((i) => randn([...lead, 4, 3], { seed: seed + i, backend: where }));
            return applyRope(x, cos!, sin!, options);
          };
          const [fused, plain] = [on(backend), on(composed)];
          const what = `seed ${seed} ${dtype} tables [${[...lead, 4, 3]}] ${JSON.stringify(options)}`;
          assertEquals([fused.dtype, plain.dtype], [dtype, dtype], what);
          assertClose(fused, plain, tolerance[dtype], what);
        }
      }
    }
  });
});

Deno.test("applyRope: no positions, and one new token, as decoding has them", () => {
  withoutLeaks(() => {
    const rope = ropeFrequencies(4, 10000);
    const none = ropeTables(rope, { start: 0, length: 0 }, { backend });
    assertEquals(applyRope(zeros([2, 3, 0, 4], { backend }), none.cos, none.sin).shape, [2, 3, 0, 4]);
    const x = randn([2, 3, 5, 4], { seed: 1, backend });
    const all = ropeTables(rope, { start: 0, length: 5 }, { backend });
    const last = ropeTables(rope, { start: 4, length: 1 }, { backend });
    const whole = applyRope(x, all.cos, all.sin).narrow(2, 4, 1);
    assertClose(applyRope(x.narrow(2, 4, 1), last.cos, last.sin), whole, 0, "the last of 5 tokens alone");
  });
});

Deno.test("applyRope: gradients to x and to tables are those of differences", async () => {
  for (const where of [backend, composed]) {
    const before = where.memory.liveStorages;
    for (const options of DIRECTIONS) {
      for (const lead of [[], [2]]) {
        using x = randn([2, 2, 3, 6], { seed: 8, dtype: "f64", backend: where });
        using cos = randn([...lead, 3, 2], { seed: 9, dtype: "f64", backend: where });
        using sin = randn([...lead, 3, 2], { seed: 10, dtype: "f64", backend: where });
        await gradcheck((a) => applyRope(a!, cos, sin, options), [x], { seed: 2 });
        await gradcheck((a, c, s) => applyRope(a!, c!, s!, options), [x, cos, sin], { seed: 2 });
        await gradcheck((c) => applyRope(x, c!, sin, options), [cos], { seed: 2 });
      }
    }
    assertEquals(where.memory.liveStorages, before);
  }
});

Deno.test("applyRope: forward and backward are one kernel call each", () => {
  withoutLeaks(() => {
    const x = randn([1, 2, 3, 4], { seed: 1, backend }).requiresGrad_();
    const { cos, sin } = ropeTables(ropeFrequencies(4, 10000), { start: 0, length: 3 }, { backend });
    const forward = trace(() => applyRope(x, cos, sin));
    assertEquals(forward.calls.map(({ kernel }) => kernel), ["rope"]);
    const gradient = randn([1, 2, 3, 4], { seed: 2, backend });
    const { result, calls } = trace(() => gradients(forward.result, [x], { gradient }));
    assertEquals(calls.filter(({ kernel }) => kernel === "rope").length, 1);
    assertEquals(calls.filter(({ kernel }) => kernel === "binary").length, 0);
    assertClose(result[0]!, applyRope(gradient, cos, sin, { inverse: true }), 0, "the gradient rotated back");
  });
});

Deno.test("ropeTables: positions in a tensor give what positions in a row give, row by row", () => {
  withoutLeaks(() => {
    const scaling: RopeScaling = { type: "yarn", factor: 4, originalMaxPositionEmbeddings: 64 };
    for (const rope of [ropeFrequencies(8, 10000), ropeFrequencies(8, 10000, scaling)]) {
      const row = ropeTables(rope, { start: 90, length: 6 }, { backend });
      const one = ropeTables(rope, tensor([90, 91, 92, 93, 94, 95], { dtype: "i32", backend }));
      assertClose(one.cos, row.cos, 0, "cos [T]");
      assertClose(one.sin, row.sin, 0, "sin [T]");
      const seed = 4;
      const positions = randint(0, 1000, [3, 5], { seed, backend });
      const each = [0, 1, 2].map((b) => ropeTables(rope, positions.select(0, b)));
      const all = ropeTables(rope, positions, { backend });
      assertClose(all.cos, stack(each.map(({ cos }) => cos), 0), 0, `cos [B, T], seed ${seed}`);
      assertClose(all.sin, stack(each.map(({ sin }) => sin), 0), 0, `sin [B, T], seed ${seed}`);
      const length = Math.hypot(Number(row.cos.dataSync()[0]), Number(row.sin.dataSync()[0]));
      assertAlmostEquals(length, rope.attentionFactor, 1e-6);
    }
  });
});

Deno.test("ropeTables: the angle is rounded to single precision, and positions may be below 0", () => {
  withoutLeaks(() => {
    const frequency = Math.fround(0.1);
    const rope: RopeFrequencies = { frequencies: new Float32Array([frequency]), attentionFactor: 1 };
    const far = ropeTables(rope, { start: 99999, length: 1 }, { backend });
    assertEquals(far.cos.dataSync()[0], Math.fround(Math.cos(Math.fround(99999 * frequency))));
    const [before, after] = [-2, 2].map((start) => ropeTables(rope, { start, length: 1 }, { backend }));
    assertEquals([before!.cos.dataSync()[0], before!.sin.dataSync()[0]], [
      after!.cos.dataSync()[0],
      -Number(after!.sin.dataSync()[0]),
    ]);
  });
});

/** Each with everything but its factor. */
const SCALINGS: readonly ((factor: number) => RopeScaling)[] = [
  (factor) => ({ type: "linear", factor }),
  (factor) => ({
    ...{ type: "llama3", factor, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 256,
  }),
  (factor) => ({ type: "yarn", factor, originalMaxPositionEmbeddings: 256 }),
  (factor) => ({ type: "factors", factors: new Array<number>(16).fill(factor) }),
];

Deno.test("ropeFrequencies: they fall from 1, and a factor of 1 changes nothing", () => {
  const plain = ropeFrequencies(32, 10000);
  assertEquals(plain.attentionFactor, 1);
  assertEquals([plain.frequencies[0], plain.frequencies[8]], [1, Math.fround(0.01)]);
  for (const scaling of SCALINGS) {
    const { frequencies, attentionFactor } = ropeFrequencies(32, 10000, scaling(1));
    assertEquals(attentionFactor, 1, scaling(1).type);
    for (const [i, frequency] of frequencies.entries()) {
      assertAlmostEquals(frequency / plain.frequencies[i]!, 1, 2e-7, `${scaling(1).type} at ${i}`);
    }
  }
});

Deno.test("ropeFrequencies: scaled ones lie between the plain and the divided ones, and keep falling", () => {
  const plain = ropeFrequencies(32, 10000).frequencies;
  for (const scaling of SCALINGS) {
    const { frequencies } = ropeFrequencies(32, 10000, scaling(8));
    for (const [i, frequency] of frequencies.entries()) {
      const what = `${scaling(8).type} at ${i}`;
      assert(frequency <= plain[i]! * 1.000001 && frequency >= plain[i]! / 8.000001, what);
      assert(i === 0 || frequency < frequencies[i - 1]!, what);
    }
  }
});

Deno.test("ropeFrequencies: llama3 and yarn leave fast pairs and divide slow ones", () => {
  const plain = ropeFrequencies(32, 10000).frequencies;
  for (const scaling of [SCALINGS[1]!, SCALINGS[2]!]) {
    const { frequencies } = ropeFrequencies(32, 10000, scaling(8));
    assertEquals(frequencies[0], plain[0], scaling(8).type);
    assertEquals(frequencies.at(-1), Math.fround(plain.at(-1)! / 8), scaling(8).type);
    const between = frequencies.filter((f, i) => f < plain[i]! * 0.999 && f > plain[i]! / 8 * 1.001);
    assert(between.length >= 2, scaling(8).type);
  }
});

Deno.test("ropeFrequencies: yarn's settings", () => {
  const base = { type: "yarn", factor: 8, originalMaxPositionEmbeddings: 256 } as const;
  const grown = (by: number): number => 0.1 * by * Math.log(8) + 1;
  const factorOf = (more: object): number => ropeFrequencies(32, 10000, { ...base, ...more }).attentionFactor;
  assertAlmostEquals(factorOf({}), grown(1), 1e-12);
  assertAlmostEquals(factorOf({ mscale: 0.7, mscaleAllDim: 0.4 }), grown(0.7) / grown(0.4), 1e-12);
  assertAlmostEquals(factorOf({ mscale: 0.7 }), grown(1), 1e-12); // transformers wants both
  assertAlmostEquals(factorOf({ mscale: 0.7, mscaleAllDim: 0 }), grown(1), 1e-12);
  assertEquals(factorOf({ attentionFactor: 1.5, mscale: 0.7, mscaleAllDim: 0.4 }), 1.5);
  const of = (more: object): Float32Array => ropeFrequencies(32, 10000, { ...base, ...more }).frequencies;
  assertEquals(of({ betaFast: 32, betaSlow: 1, truncate: true }), of({}));
  // pair i turns 256 / 2π / 10000^(i / 16) times: 32 times at 0.42, once at 6.44; the ramp then runs from 0 to 7, or exactly
  const plain = ropeFrequencies(32, 10000).frequencies;
  const [low, high] = [32, 1].map((turns) => 16 * Math.log(256 / (turns * 2 * Math.PI)) / Math.log(10000));
  for (const [i, frequency] of of({ truncate: false }).entries()) {
    const kept = 1 - Math.min(Math.max((i - low!) / (high! - low!), 0), 1);
    assertAlmostEquals(frequency / plain[i]!, kept + (1 - kept) / 8, 1e-6, `exact at ${i}`);
  }
  for (const [i, frequency] of of({}).entries()) {
    const kept = 1 - Math.min(i / 7, 1);
    assertAlmostEquals(frequency / plain[i]!, kept + (1 - kept) / 8, 1e-6, `truncated at ${i}`);
  }
  // a context too short for any pair to turn twice: the ramp has no width and is a step
  const step = of({ originalMaxPositionEmbeddings: 6 });
  assertEquals([step[0], step[1]], [1, Math.fround(plain[1]! / 8)]);
});

Deno.test("ropeFrequencies: what it refuses", () => {
  const scaled = (scaling: object): [number, number, RopeScaling] => [8, 10000, scaling as RopeScaling]; // also wrong ones
  const llama3 = {
    ...{ type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 64,
  };
  const yarn = { type: "yarn", factor: 4, originalMaxPositionEmbeddings: 64 };
  const pairs = "elements rotate in pairs, so their count is even and at least 2";
  const refusals: [[number, number, RopeScaling?], string][] = [
    [[7, 10000], `of 7 elements: ${pairs}`],
    [[0, 10000], `of 0 elements: ${pairs}`],
    [[2.5, 10000], `of 2.5 elements: ${pairs}`],
    [[8, 0], "with theta 0: it is a number above 0"],
    [[8, NaN], "with theta NaN: it is a number above 0"],
    [[8, Infinity], "with theta Infinity: it is a number above 0"],
    [scaled({ type: "linear", factor: 0.5 }), 'scaled by "linear" with factor 0.5: it is a number of at least 1'],
    [scaled({ type: "linear" }), 'scaled by "linear" with factor undefined: it is a number of at least 1'],
    [scaled({ ...llama3, factor: NaN }), 'scaled by "llama3" with factor NaN: it is a number of at least 1'],
    [
      scaled({ ...llama3, highFreqFactor: 1 }),
      'scaled by "llama3" with lowFreqFactor 1 and highFreqFactor 1: both are numbers above 0, and the low one is the smaller',
    ],
    [
      scaled({ ...llama3, lowFreqFactor: 0 }),
      'scaled by "llama3" with lowFreqFactor 0 and highFreqFactor 4: both are numbers above 0, and the low one is the smaller',
    ],
    [
      scaled({ ...llama3, originalMaxPositionEmbeddings: 0 }),
      'scaled by "llama3" with originalMaxPositionEmbeddings 0: it is a number above 0',
    ],
    [scaled({ ...yarn, factor: "4" }), 'scaled by "yarn" with factor 4: it is a number of at least 1'],
    [
      scaled({ ...yarn, originalMaxPositionEmbeddings: undefined }),
      'scaled by "yarn" with originalMaxPositionEmbeddings undefined: it is a number above 0',
    ],
    [
      scaled({ ...yarn, betaSlow: 40 }),
      'scaled by "yarn" with betaFast 32 and betaSlow 40: both are numbers above 0, and the slow one is the smaller',
    ],
    [scaled({ ...yarn, mscale: -1 }), 'scaled by "yarn" with mscale -1: it is a number of at least 0'],
    [scaled({ ...yarn, mscaleAllDim: NaN }), 'scaled by "yarn" with mscaleAllDim NaN: it is a number of at least 0'],
    [scaled({ ...yarn, attentionFactor: 0 }), 'scaled by "yarn" with attentionFactor 0: it is a number above 0'],
    [
      [8, 1, yarn as RopeScaling],
      'scaled by "yarn" with theta 1: frequencies must fall from pair to pair; it is above 1',
    ],
    [scaled({ type: "factors", factors: [1, 2] }), "of 8 elements by 2 factors: there is one a pair, so 4"],
    [
      scaled({ type: "factors", factors: [1, 2, 0, 4] }),
      "scaled by factor 0 at pair 2: it is a number above 0",
    ],
    [scaled({ type: "dynamic" }), 'scaled by "dynamic": known are "linear", "llama3", "yarn" and "factors"'],
  ];
  for (const [args, message] of refusals) {
    const error = assertThrows(() => ropeFrequencies(...args), ShapeError);
    assertEquals(error.message, `Cannot make ropeFrequencies ${message}`);
  }
});

Deno.test("ropeTables, applyRope: what they refuse, before anything is made", () => {
  const rope = ropeFrequencies(4, 10000);
  const of = (...shape: number[]): Tensor => zeros(shape, { backend });
  const ints = (...shape: number[]): Tensor => zeros(shape, { dtype: "i32", backend });
  const elsewhere = createScalarBackend();
  const [x, table, cube, matrix, whole] = [of(1, 2, 3, 4), of(3, 2), ints(1, 1, 3), of(1, 3), ints(3)];
  const [scalar, cells, x16, other] = [ints(), ints(3, 2), ints(1, 2, 3, 4), of(2, 3, 2)];
  const before = backend.memory.liveStorages;
  const refusals: [() => unknown, new (message: string) => Error, string][] = [
    [
      () => ropeTables(rope, { start: 0.5, length: 2 }, { backend }),
      ShapeError,
      "Cannot make ropeTables of 2 positions from 0.5: both are whole numbers, and the count is at least 0",
    ],
    [
      () => ropeTables(rope, { start: 0, length: -1 }, { backend }),
      ShapeError,
      "Cannot make ropeTables of -1 positions from 0: both are whole numbers, and the count is at least 0",
    ],
    [() => ropeTables(rope, cube), ShapeError, "Cannot make ropeTables of positions [1, 1, 3]: they are [T] or [B, T]"],
    [() => ropeTables(rope, scalar), ShapeError, "Cannot make ropeTables of positions []: they are [T] or [B, T]"],
    [
      () => ropeTables(rope, matrix),
      DTypeError,
      'Cannot make ropeTables of f32 positions [1, 3]: they are i32; use to("i32")',
    ],
    [
      () => applyRope(x, table, of(2, 2)),
      ShapeError,
      "Cannot applyRope [1, 2, 3, 4] with cos [3, 2] and sin [2, 2]: x is [B, H, T, D], and both tables are " +
      "[T, R/2] or [B, T, R/2] with R <= D",
    ],
    [
      () => applyRope(x, other, other),
      ShapeError,
      "Cannot applyRope [1, 2, 3, 4] with cos [2, 3, 2] and sin [2, 3, 2]: x is [B, H, T, D], and both tables are " +
      "[T, R/2] or [B, T, R/2] with R <= D",
    ],
    [
      () => applyRope(x, cells, table),
      DTypeError,
      "Cannot applyRope f32 [1, 2, 3, 4] with cos i32 [3, 2] and sin f32 [3, 2]: tables are of floats; " +
      "make them by ropeTables",
    ],
    [
      () => applyRope(x16, table, table),
      DTypeError,
      'Cannot applyRope i32 [1, 2, 3, 4]: it takes floats; use to("f32")',
    ],
  ];
  for (const [call, type, message] of refusals) {
    assertEquals(assertThrows(() => tidy(call), type).message, message);
  }
  assertEquals(backend.memory.liveStorages, before);
  assertThrows(() => ropeTables(rope, whole, { backend: elsewhere }), BackendError, "operands live on");
  for (const t of [x, table, cube, matrix, whole, scalar, cells, x16, other]) t.dispose();
  assertEquals([before - backend.memory.liveStorages, elsewhere.memory.liveStorages], [9, 0]);
});
