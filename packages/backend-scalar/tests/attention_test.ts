import { assert, assertEquals, assertThrows } from "@std/assert";
import type { AttentionAttrs, AttentionExtra } from "../../core/src/backend.ts";
import { type DType, isBlock } from "../../core/src/dtype.ts";
import { ShapeError } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import { threefry2x32 } from "../../core/src/random.ts";
import type { ScalarOperand } from "../src/buffer.ts";
import { scratchBytes, tileSizes } from "../src/kernels/attention.ts";
import { attend, type Call } from "./attention_oracle.ts";
import { backend, draws, numbersOf, operand, output } from "./operands.ts";

const kernel = backend.kernels.attention!;

const PLAIN: Omit<AttentionAttrs, "extras" | "keyCount"> = {
  scale: 0.5,
  softcap: 0,
  offset: 0,
  left: Infinity,
  right: Infinity,
  sinkTokens: 0,
  dropout: undefined,
};

/** The order that the contract gives. */
const EXTRAS: readonly AttentionExtra[] = [
  "mask",
  "alibiSlopes",
  "sinks",
  "keyLengths",
  "keyPositions",
  "pageTable",
  "blockKinds",
  "blockTable",
];

const TOLERANCES: Partial<Record<DType, number>> = { f64: 1e-12, f32: 2e-6, f16: 1e-3, bf16: 8e-3 };

/** Runs the kernel on poisoned outputs. */
function compute({ query, key, value, extras, attrs }: Call): { output: number[]; logSumExp: number[] } {
  const names = EXTRAS.filter((name) => extras[name] !== undefined);
  const inputs = [query, key, value, ...names.map((name) => extras[name]!)];
  const all = { extras: names, ...attrs };
  assert(kernel.supports!(inputs, all));
  const shape = query.shape.slice(0, 4);
  const size = value.shape[3]!;
  const out = operand(query.dtype, [...shape, size], new Array(numelOf(shape) * size).fill(NaN));
  const dtype = query.dtype === "f64" ? "f64" : "f32";
  const logSumExp = operand(dtype, shape, new Array(numelOf(shape)).fill(NaN));
  kernel.run(inputs, [out, logSumExp], all);
  return { output: numbersOf(out), logSumExp: numbersOf(logSumExp) };
}

function check(what: string, call: Call): void {
  const [got, want] = [compute(call), attend(call)];
  const dtype = call.query.dtype;
  near(`${what}: output`, got.output, want.output, TOLERANCES[dtype]!);
  near(`${what}: logSumExp`, got.logSumExp, want.logSumExp, TOLERANCES[dtype === "f64" ? "f64" : "f32"]!);
}

function near(what: string, got: number[], want: number[], tolerance: number): void {
  assertEquals(got.length, want.length, what);
  const scale = Math.max(1, ...want.filter(Number.isFinite).map(Math.abs));
  want.forEach((x, i) => {
    const equal = Object.is(got[i]! + 0, x + 0) || Math.abs(got[i]! - x) <= tolerance * scale;
    assert(equal, `${what} [${i}] is ${got[i]}, not ${x}`);
  });
}

/** Query, key and value of small numbers. */
function plain(
  [B, Hkv, G, T, S, D, Dv]: readonly number[],
  attrs: Partial<AttentionAttrs> = {},
  extras: Call["extras"] = {},
): Call {
  const make = (shape: number[], seed: number): ScalarOperand => operand("f32", shape, draws(numelOf(shape), seed));
  return {
    query: make([B!, Hkv!, G!, T!, D!], 1),
    key: make([B!, Hkv!, S!, D!], 2),
    value: make([B!, Hkv!, S!, Dv!], 3),
    extras,
    attrs: { ...PLAIN, keyCount: S!, ...attrs },
  };
}

function set({ buffer }: ScalarOperand, at: number, value: number): void {
  buffer.elements[at] = value;
}

Deno.test("attention: tiles and blocks of every remainder", () => {
  for (const T of [1, 2, 3, 4, 5, 17, 49]) {
    for (const S of [1, 3, 64, 67, 131]) check(`T ${T}, S ${S}`, plain([1, 2, 1, T, S, 5, 7]));
  }
  for (const G of [1, 2, 3, 7, 50, 97]) check(`G ${G}`, plain([2, 1, G, 3, 66, 4, 6]));
  for (const D of [1, 2, 3, 4, 6, 33]) check(`D ${D}`, plain([1, 1, 3, 5, 70, D, 34 - D]));
});

Deno.test("attention: causal, windows and sink tokens, at any offset", () => {
  for (const offset of [0, -3, 5, 100, -200]) {
    for (
      const [left, right, sinkTokens] of [[Infinity, 0, 0], [3, 0, 0], [3, 2, 0], [0, 0, 5], [70, Infinity, 2], [
        -1,
        4,
        0,
      ]]
    ) {
      check(
        `offset ${offset}, left ${left}, right ${right}, sinks ${sinkTokens}`,
        plain([1, 1, 2, 29, 139, 4, 4], { offset, left: left!, right: right!, sinkTokens: sinkTokens! }),
      );
    }
  }
});

Deno.test("attention: key lengths of 0 and beyond S", () => {
  const keyLengths = operand("i32", [4], [0, 3, 7, 99]);
  for (const offset of [0, "keyLengths"] as const) {
    check(`${offset}`, plain([4, 2, 1, 3, 7, 4, 4], { offset, right: 0 }, { keyLengths }));
  }
  check("no lengths, which are then S", plain([1, 1, 1, 3, 7, 4, 4], { offset: "keyLengths", right: 0 }));
});

Deno.test("attention: a row that sees nothing is zeros, and its logSumExp -Infinity or the sink", () => {
  const mask = operand("bool", [1, 1, 1, 3, 5], [1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
  const hidden = compute(plain([1, 1, 1, 3, 5, 4, 2], {}, { mask }));
  assertEquals(hidden.output.slice(2, 4), [0, 0]);
  assertEquals(hidden.logSumExp[1], -Infinity);
  const sinks = operand("f32", [1, 1], [0.25]);
  const withSink = compute(plain([1, 1, 1, 3, 5, 4, 2], {}, { mask, sinks }));
  assertEquals(withSink.output.slice(2, 4), [0, 0]);
  assertEquals(withSink.logSumExp[1], 0.25);
});

Deno.test("attention: what is hidden does not count, even NaN and Infinity", () => {
  for (const S of [6, 150]) {
    const mask = operand("bool", [1, 1, 1, 4, S], Array.from({ length: 4 * S }, (_, i) => Number(i % S % 5 !== 2)));
    const bias = operand("f16", mask.shape, numbersOf(mask).map((shown) => shown === 0 ? -Infinity : 0.5));
    const clean = compute(plain([1, 1, 1, 4, S, 4, 4], {}, { mask }));
    for (const extras of [{ mask }, { mask: bias }]) {
      const poisoned = plain([1, 1, 1, 4, S, 4, 4], {}, extras);
      for (let s = 2; s < S; s += 5) {
        set(poisoned.key, s * 4 + 1, s % 2 === 0 ? NaN : Infinity);
        set(poisoned.value, s * 4 + 3, s % 2 === 0 ? Infinity : NaN);
      }
      near("poisoned", compute(poisoned).output, clean.output, 1e-6);
    }
  }
});

Deno.test("attention: a visible score of NaN or Infinity makes its row NaN, a visible value its column", () => {
  for (const s of [0, 3, 70]) {
    for (const bad of [NaN, Infinity]) {
      const scores = plain([1, 1, 1, 2, 71, 1, 2], { scale: 1 }, {
        mask: operand("f32", [1, 1, 1, 2, 71], new Array(142).fill(0)),
      });
      set(scores.extras.mask!, s, bad);
      const got = compute(scores).output;
      assertEquals(got.slice(0, 2), [NaN, NaN], `score ${s} ${bad}`);
      assert(got.slice(2).every(Number.isFinite));
      const values = plain([1, 1, 1, 2, 71, 1, 2]);
      set(values.value, s * 2 + 1, bad);
      assertEquals(
        compute(values).output.map((x) => Number.isFinite(x) ? 0 : x),
        [0, bad, 0, bad],
        `value ${s} ${bad}`,
      );
    }
  }
});

Deno.test("attention: large scores do not overflow", () => {
  check("large", plain([1, 1, 2, 5, 140, 4, 3], { scale: 3e4 }));
  check("large, capped", plain([1, 1, 2, 5, 140, 4, 3], { scale: 3e4, softcap: 20 }));
});

Deno.test("attention: dropped weights are those that the contract counts", () => {
  check("dropout", plain([2, 2, 3, 5, 67, 4, 3], { dropout: { p: 0.4, seed: [5, 6] } }));
  assertEquals(
    compute(plain([1, 1, 1, 2, 5, 4, 3], { dropout: { p: 1, seed: [5, 6] } })).output,
    new Array(6).fill(0),
  );
});

Deno.test("attention: weights are counted beyond 2^32", () => {
  const keyLengths = operand("i32", [1], [5]);
  check(
    "huge S",
    plain([1, 1, 1, 7, 5, 4, 3], { keyCount: 2 ** 31 - 1, dropout: { p: 0.4, seed: [5, 6] } }, { keyLengths }),
  );
});

Deno.test("attention: a page of no pool is named", () => {
  const call = plain([1, 1, 1, 2, 5, 4, 4]);
  const pool = (seed: number): ScalarOperand => operand("f32", [3, 1, 4, 4], draws(48, seed));
  const paged = (table: number[]): Call => ({
    ...call,
    ...{ key: pool(1), value: pool(2), extras: { pageTable: operand("i32", [1, table.length], table) } },
  });
  for (const page of [3, -1]) {
    assertThrows(
      () => compute(paged([1, page])),
      ShapeError,
      `Cannot attend to keys of the pool [3, 1, 4, 4] by the page table [1, 2]: page ${page} at [0, 1] is out of range`,
    );
  }
  assertThrows(
    () => compute(paged([1])),
    ShapeError,
    "Cannot attend to keys of the pool [3, 1, 4, 4] by the page table [1, 1]: it has no entry for key 4",
  );
  const behind = { ...paged([1, -1]), attrs: { ...call.attrs, right: 0 } }; // no row sees key 4, so its page is not read
  check("unseen page", behind);
});

Deno.test("attention: a block that the block mask hides is not read", () => {
  const [key, value] = [1, 2].map((seed) => operand("f32", [1, 1, 64, 4], draws(256, seed)));
  const pageTable = operand("i32", [1, 3], [0, -1, 0]); // page -1 would be an error
  const blockKinds = operand("i32", [1, 1, 1, 1, 3], [1, 0, 1]);
  const blockTable = operand("bool", [1, 64, 64], new Array(4096).fill(0));
  const call = plain([1, 1, 2, 3, 192, 4, 4], {}, { pageTable, blockKinds, blockTable });
  check("hidden page", { ...call, key: key!, value: value! });
});

Deno.test("attention: supports says no to what it cannot read", () => {
  const { query, key, value, attrs } = plain([1, 1, 1, 2, 5, 4, 4]);
  const supports = (inputs: ScalarOperand[], extras: AttentionExtra[] = []): boolean =>
    kernel.supports!(inputs, { extras, ...attrs });
  assert(supports([query, key, value]));
  assert(!supports([{ ...query, dtype: "i32" }, key, value]));
  assert(!supports([query, { ...key, dtype: "i32" }, value]));
  assert(!supports([query, key, { ...value, dtype: "q8_0", strides: [32, 32, 1, 32] }]));
  assert(!supports([query, key, value, operand("i32", [1, 1, 1, 2, 5], new Array(10).fill(1))], ["mask"]));
  assert(!supports([query, key, value, operand("i32", [1, 1, 1, 1, 1], [1])], ["blockKinds"]));
});

Deno.test("attention: scratch stays under a megabyte, whatever T and S are", () => {
  for (const size of [1, 64, 128, 256, 512, 1000, 2048]) {
    const { rows, keys } = tileSizes(size, size);
    assert(scratchBytes(rows, keys, size, size) <= 2 ** 19, `D ${size}: ${rows} rows, ${keys} keys`);
  }
  const { rows, keys } = tileSizes(64, 64);
  assertEquals([rows, keys], [48, 64]);
});

Deno.test("attention: T = S = 8192 in a window, against the oracle at some rows", () => {
  const [T, D] = [8192, 4];
  const call = plain([1, 1, 1, T, T, D, D], { left: 40, right: 0 });
  const got = compute(call).output;
  for (const t of [0, 41, 4000, T - 1]) {
    const query = { ...call.query, shape: [1, 1, 1, 1, D], offset: t * D };
    near(
      `row ${t}`,
      got.slice(t * D, t * D + D),
      attend({ ...call, query, attrs: { ...call.attrs, offset: t } }).output,
      1e-6,
    );
  }
});

/** Whole numbers that a seed and a count decide. */
class Dice {
  readonly #seed: number;
  #count = 0;
  constructor(seed: number) {
    this.#seed = seed;
  }
  below(n: number): number {
    return threefry2x32(this.#seed, 11, this.#count++, 0)[0] % n;
  }
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** An operand that lies in a random order of dims, with gaps, an offset and repeated dims. */
function lying(dice: Dice, dtype: DType, shape: readonly number[], element?: (i: number) => number): ScalarOperand {
  const last = shape.length - 1;
  const order = shape.map((_, d) => d);
  if (dice.chance(60)) { for (let d = last; d > 0; d--) swap(order, d, dice.below(d + 1)); }
  if (isBlock(dtype)) order.push(order.splice(order.indexOf(last), 1)[0]!);
  const strides = new Array<number>(shape.length);
  let step = isBlock(dtype) || dice.chance(70) ? 1 : 2;
  for (const d of order.reverse()) {
    const repeats = d !== last && dice.chance(8);
    strides[d] = repeats ? 0 : step;
    if (!repeats) step *= shape[d]!;
    if (d !== last && dice.chance(10)) step += isBlock(dtype) ? 32 : 1;
  }
  const offset = isBlock(dtype) ? 32 * dice.below(2) : dice.below(4);
  const values = element === undefined
    ? draws(offset + step + 64, dice.below(1000))
    : Array.from({ length: offset + step + 64 }, (_, i) => element(i));
  if (!isBlock(dtype)) return operand(dtype, shape, values, strides, offset);
  const whole = operand("f32", [Math.floor(values.length / 32) * 32], values);
  const quantized = { ...output("q8_0", [0]), buffer: backend.allocate("q8_0", whole.shape[0]!), shape: whole.shape };
  backend.kernels.copy.run([whole], [{ ...quantized, strides: [1] }], {});
  return { ...quantized, shape, strides, offset };
}

function swap(list: number[], i: number, j: number): void {
  [list[i], list[j]] = [list[j]!, list[i]!];
}

const FLOATS = ["f32", "f32", "f16", "bf16", "f64"] as const;
const READABLE = [...FLOATS, "q8_0"] as const;

function randomCall(dice: Dice): Call {
  const [B, Hkv, G, T] = [
    dice.of([1, 2, 3]),
    dice.of([1, 2, 3]),
    dice.of([1, 1, 2, 3, 5]),
    dice.of([1, 1, 2, 3, 7, 19, 37]),
  ];
  const S = dice.of([1, 2, 5, 13, 63, 64, 67, 131]);
  const [keyDType, valueDType] = [dice.of(READABLE), dice.of(READABLE)];
  const D = keyDType === "q8_0" ? 32 : dice.of([1, 3, 4, 8, 11]);
  const Dv = valueDType === "q8_0" ? 32 : dice.of([1, 3, 4, 8, 11]);
  const extras: { -readonly [name in AttentionExtra]?: ScalarOperand } = {};
  const some = (size: number): number => dice.chance(30) ? 1 : size;
  if (dice.chance(40)) extras.mask = randomMask(dice, [some(B), some(Hkv), some(G), some(T), some(S)]);
  if (dice.chance(30)) extras.alibiSlopes = lying(dice, dice.of(FLOATS), [Hkv, G]);
  if (dice.chance(30)) extras.sinks = lying(dice, dice.of(FLOATS), [Hkv, G]);
  if (dice.chance(40)) extras.keyLengths = lying(dice, "i32", [B], () => dice.below(S + 3));
  if (dice.chance(25)) extras.keyPositions = lying(dice, "i32", [S], () => dice.below(2 * S));
  let [rows, length] = [B, S];
  if (dice.chance(30)) {
    [rows, length] = [dice.of([1, 4, 9]), dice.of([1, 4, 16])];
    extras.pageTable = lying(dice, "i32", [B, Math.ceil(S / length)], () => dice.below(rows));
  }
  if (dice.chance(30)) {
    const n = dice.of([1, 4, 7, 64]);
    const sizes = [some(B), some(Hkv), some(G), Math.ceil(T / n), Math.ceil(S / n)];
    extras.blockKinds = lying(dice, "i32", sizes, () => dice.below(4));
    extras.blockTable = lying(dice, "bool", [4, n, n], () => dice.below(2));
  }
  return {
    query: lying(dice, dice.of(FLOATS), [B, Hkv, G, T, D]),
    key: lying(dice, keyDType, [rows, Hkv, length, D]),
    value: lying(dice, valueDType, [rows, Hkv, length, Dv]),
    extras,
    attrs: {
      keyCount: S,
      scale: dice.of([1, 0.3, -2]),
      softcap: dice.of([0, 0, 1.5]),
      offset: dice.of([0, S - T, "keyLengths", 3] as const),
      left: dice.of([Infinity, Infinity, 0, 5]),
      right: dice.of([Infinity, 0, 0, 2]),
      sinkTokens: dice.of([0, 0, 3]),
      dropout: dice.chance(15) ? { p: 0.3, seed: [dice.below(100), 3] } : undefined,
    },
  };
}

function randomMask(dice: Dice, shape: readonly number[]): ScalarOperand {
  if (dice.chance(50)) return lying(dice, "bool", shape, () => dice.below(3) === 0 ? 0 : 1);
  return lying(dice, dice.of(FLOATS), shape, () => dice.below(4) === 0 ? -Infinity : dice.below(8) / 4);
}

/** Puts a NaN or an infinity somewhere. */
function poison(dice: Dice, { buffer, dtype }: ScalarOperand): void {
  if (isBlock(dtype)) return;
  const at = dice.below(buffer.elements.length);
  const bad = dice.of([0, 1, 2]);
  if (dtype === "f32" || dtype === "f64") buffer.elements[at] = [NaN, Infinity, -Infinity][bad]!;
  else buffer.elements[at] = (dtype === "f16" ? [0x7e00, 0x7c00, 0xfc00] : [0x7fc0, 0x7f80, 0xff80])[bad]!;
}

const SEED = 20240817;

Deno.test(`attention: random shapes, layouts, dtypes and options, seed ${SEED}`, () => {
  for (let i = 0; i < 400; i++) {
    const dice = new Dice(SEED + i);
    const call = randomCall(dice);
    if (dice.chance(25)) poison(dice, dice.of([call.key, call.value]));
    const { query, key, value, extras, attrs } = call;
    const dtypes = [query, key, value].map((x) => `${x.dtype} [${x.shape}]`).join(" ");
    check(`seed ${SEED + i}: ${dtypes} ${Object.keys(extras)} ${JSON.stringify(attrs)}`, call);
  }
});
