/** Every wrong call of attention has its error: the op, all shapes, why, and what to do. */
import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  attention,
  type AttentionOptions,
  attentionQkvPacked,
  type AttentionReturns,
  BackendError,
  causalMask,
  createBlockMask,
  DTypeError,
  GrowableKvCache,
  mods,
  ones,
  repeatKv,
  scaledDotProductAttention,
  scaledDotProductGqa,
  ShapeError,
  SlidingWindowKvCache,
  type Tensor,
  tensor,
} from "../mod.ts";

const backend = createScalarBackend();
const of = (...shape: number[]): Tensor => ones(shape, { backend });
const bools = (...shape: number[]): Tensor => ones(shape, { dtype: "bool", backend });
const ints = (...values: number[]): Tensor => tensor(values, { dtype: "i32", backend });

const SHAPES: readonly (readonly [string, readonly Tensor[], string])[] = [
  [
    "three dims",
    [of(8, 5, 4), of(8, 5, 4), of(8, 5, 4)],
    "Cannot attend with query [8, 5, 4], key [8, 5, 4], value [8, 5, 4]: each must be [batch, heads, tokens, head size]",
  ],
  [
    "batch sizes",
    [of(2, 4, 3, 8), of(3, 4, 5, 8), of(3, 4, 5, 8)],
    "Cannot attend with query [2, 4, 3, 8], key [3, 4, 5, 8], value [3, 4, 5, 8]: batch sizes differ",
  ],
  [
    "a batch of one",
    [of(2, 4, 3, 8), of(1, 4, 5, 8), of(1, 4, 5, 8)],
    "Cannot attend with query [2, 4, 3, 8], key [1, 4, 5, 8], value [1, 4, 5, 8]: batch sizes differ; expand the one of 1",
  ],
  [
    "head sizes",
    [of(1, 4, 3, 8), of(1, 4, 5, 7), of(1, 4, 5, 8)],
    "Cannot attend with query [1, 4, 3, 8], key [1, 4, 5, 7], value [1, 4, 5, 8]: head sizes of query and key, 8 and 7, differ",
  ],
  [
    "heads of no size",
    [of(1, 4, 3, 0), of(1, 4, 5, 0), of(1, 4, 5, 8)],
    "Cannot attend with query [1, 4, 3, 0], key [1, 4, 5, 0], value [1, 4, 5, 8]: the head size is 0, so there are no scores",
  ],
  [
    "tokens of key and value",
    [of(1, 4, 3, 8), of(1, 2, 5, 8), of(1, 2, 6, 8)],
    "Cannot attend with query [1, 4, 3, 8], key [1, 2, 5, 8], value [1, 2, 6, 8]: key and value differ in heads or length",
  ],
  [
    "heads that do not divide",
    [of(1, 4, 3, 8), of(1, 3, 5, 8), of(1, 3, 5, 8)],
    "Cannot attend with query [1, 4, 3, 8], key [1, 3, 5, 8], value [1, 3, 5, 8]: 4 query heads do not share 3 key heads evenly",
  ],
  [
    "tokens before heads",
    [of(1, 5, 8, 4), of(1, 8, 5, 4), of(1, 8, 5, 4)],
    "Cannot attend with query [1, 5, 8, 4], key [1, 8, 5, 4], value [1, 8, 5, 4]: 5 query heads do not share 8 key heads " +
    "evenly; heads come before tokens: transpose(1, 2)",
  ],
];

for (const [name, [query, key, value], message] of SHAPES) {
  Deno.test(`attention refuses ${name}`, () => {
    assertThrows(() => scaledDotProductAttention(query!, key!, value!), ShapeError, message);
  });
}

type Wrong = readonly [options: object, type: typeof ShapeError | typeof DTypeError, message: string];

const OPTIONS: readonly Wrong[] = [
  [
    { mask: bools(3, 4) },
    ShapeError,
    "Cannot attend with a mask [3, 4]: it does not broadcast to the scores [B, H, T, S], [2, 4, 3, 5]",
  ],
  [
    { mask: bools(2, 5) },
    ShapeError,
    "[2, 4, 3, 5]; for one of keys by row use reshape([B, 1, 1, S])",
  ],
  [
    { mask: ones([3, 5], { dtype: "i32", backend }) },
    DTypeError,
    "Cannot attend with a mask i32 [3, 5]: it is bool (true: may attend) or float (added); use ne(0)",
  ],
  [
    { causal: true },
    ShapeError,
    'Cannot attend with causal true: it is "upper-left" (s <= t) or "lower-right" (s <= t + S - T)',
  ],
  [
    { isCausal: true },
    ShapeError,
    'Cannot attend with an option "isCausal": there is none; use causal: "upper-left" (PyTorch\'s is_causal), or ' +
    '"lower-right" for cached decoding',
  ],
  [{ attn_mask: bools(3, 5) }, ShapeError, 'Cannot attend with an option "attn_mask": there is none; use mask'],
  [{ slope: 1 }, ShapeError, 'Cannot attend with an option "slope": there is none; use mask, causal, window'],
  [
    { headGrouping: "strided" },
    ShapeError,
    'Cannot attend with headGrouping "strided": it is "contiguous" (floor(h / G)) or "interleaved" (h mod Hkv)',
  ],
  [
    { window: { left: -1 } },
    ShapeError,
    "Cannot attend with window.left -1: it is a count of positions from 0; leave it out for all",
  ],
  [{ window: { right: 1.5 } }, ShapeError, "Cannot attend with window.right 1.5: it is a count of positions from 0"],
  [{ window: { sinkTokens: Infinity } }, ShapeError, "Cannot attend with window.sinkTokens"],
  [{ scale: NaN }, ShapeError, "Cannot attend with scale NaN: it is a finite factor"],
  [{ softcap: 0 }, ShapeError, "Cannot attend with softcap 0: it is a bound above 0; leave it out for none"],
  [{ offset: 0.5 }, ShapeError, "Cannot attend with offset 0.5: it is the first query's position"],
  [{ dropout: 1, seed: 1 }, ShapeError, "Cannot attend with dropout 1: it is a probability below 1"],
  [
    { dropout: 0.5 },
    ShapeError,
    "Cannot attend with dropout 0.5 without a seed: pass { seed }, another one for each call",
  ],
  [{ alibiSlopes: of(3) }, ShapeError, "Cannot attend with alibiSlopes [3]: it is [H], [4]"],
  [
    { alibiSlopes: ints(1, 2, 3, 4) },
    DTypeError,
    'Cannot attend with alibiSlopes i32 [4]: it takes floats; use to("f32")',
  ],
  [{ sinks: of(1, 4) }, ShapeError, "Cannot attend with sinks [1, 4]: it is [H], [4]"],
  [{ keyLengths: ints(5) }, ShapeError, "Cannot attend with keyLengths [1]: it is [B], [2]"],
  [
    { keyLengths: of(2) },
    DTypeError,
    'Cannot attend with keyLengths f32 [2]: counts up to S = 5 are i32; use to("i32")',
  ],
  [{ maskMod: () => of(3, 5) }, DTypeError, "Cannot attend: maskMod gave f32 [3, 5]; it must give bool"],
  [
    { maskMod: () => bools(2, 5) },
    ShapeError,
    "Cannot attend: maskMod gave [2, 5], which does not broadcast to the scores [2, 4, 3, 5]",
  ],
  [
    { scoreMod: () => of(3, 5) },
    ShapeError,
    "Cannot attend: scoreMod gave [3, 5]; it must keep the scores' shape [2, 4, 3, 5]",
  ],
  [
    { scoreMod: (score: Tensor) => score.gt(0) },
    DTypeError,
    "Cannot attend: scoreMod gave bool [2, 4, 3, 5]; it must give floats",
  ],
];

for (const [options, type, message] of OPTIONS) {
  Deno.test(`attention refuses: ${message}`, () => {
    using query = of(2, 4, 3, 8);
    using key = of(2, 2, 5, 8);
    const before = backend.memory.liveStorages;
    // Untyped callers pass what the types forbid.
    assertThrows(() => scaledDotProductAttention(query, key, key, options as AttentionOptions), type, message);
    assertEquals(backend.memory.liveStorages, before);
  });
}

Deno.test("attention refuses ints and blocks it cannot read", () => {
  const [query, key] = [of(1, 2, 3, 32), of(1, 2, 3, 32)];
  assertThrows(
    () => scaledDotProductAttention(query.to("i32"), key, key),
    DTypeError,
    'Cannot attend with query [1, 2, 3, 32], key [1, 2, 3, 32], value [1, 2, 3, 32]: the query is i32, not float; use to("f32")',
  );
  assertThrows(
    () => scaledDotProductAttention(query, key.to("i32"), key),
    DTypeError,
    "keys and values are floats or q8_0, not i32",
  );
});

Deno.test("attention refuses operands of two backends", () => {
  const other = createScalarBackend();
  const key = ones([1, 2, 3, 8], { backend: other });
  assertThrows(
    () => scaledDotProductAttention(of(1, 2, 3, 8), key, key),
    BackendError,
    "Cannot attend [1, 2, 3, 8] with [1, 2, 3, 8] with [1, 2, 3, 8]: operands live on scalar",
  );
});

Deno.test("block masks name what does not fit", async () => {
  const settings = { queryLength: 4, keyLength: 4, blockSize: 2, backend };
  using mask = await createBlockMask(mods.causal, settings);
  const [query, key] = [of(2, 4, 3, 8), of(2, 2, 5, 8)];
  assertThrows(
    () => scaledDotProductAttention(query, key, key, { blockMask: mask }),
    ShapeError,
    "Cannot attend with a blockMask of 1 rows, 1 heads, T = 4 and S = 4: the scores [B, H, T, S] are [2, 4, 3, 5]",
  );
  const fails = async (promise: Promise<unknown>) => String(await promise.catch((error: unknown) => error));
  assertEquals(
    await fails(createBlockMask(mods.causal, { ...settings, keyLength: 0 })),
    "ShapeError: Cannot make a blockMask with keyLength 0: it is a count of at least 1",
  );
  assertEquals(
    await fails(createBlockMask((b, _h, t) => b.add(t), settings)),
    "DTypeError: Cannot make a blockMask: maskMod gave i32 [1, 1, 2, 1]; it must give bool",
  );
  assertEquals(
    await fails(createBlockMask(() => bools(3, 1, 1, 1), settings)),
    "ShapeError: Cannot make a blockMask: maskMod gave [3, 1, 1, 1], which does not broadcast to the scores [1, 1, 2, 4]; pass " +
      "{ batch } or { heads } where it looks at b or h",
  );
});

Deno.test("ready-made functions check what they are made of", () => {
  assertThrows(
    () => mods.slidingWindow(0),
    ShapeError,
    "Cannot make a slidingWindow of 0: it is a count of at least 1",
  );
  assertThrows(
    () => mods.document(of(1, 1, 1)),
    ShapeError,
    "Cannot mask documents by ids [1, 1, 1]: they are [S] or [B, S]",
  );
  assertThrows(() => mods.alibi(of(2, 2)), ShapeError, "Cannot alibi with slopes [2, 2]: they are [H]");
  assertThrows(() => mods.prefix(NaN), ShapeError, "Cannot make a prefix of NaN: it is a count from 0, or [B]");
  assertThrows(() => mods.andMasks(), ShapeError, "Cannot andMasks of nothing: give at least one function");
  assertThrows(() => mods.prefix(of(2, 2)), ShapeError, "Cannot make a prefix of [2, 2]: it is a count from 0, or [B]");
});

Deno.test("a cache with a window takes no key lengths, from its first token on", () => {
  using cache = new SlidingWindowKvCache(1, { window: 2, blockTokens: 2 });
  const view = cache.append(0, of(1, 1, 1, 4), of(1, 1, 1, 4));
  assertThrows(
    () => scaledDotProductAttention(of(1, 1, 1, 4), view, { keyLengths: ints(1) }),
    ShapeError,
    "Cannot attend with keyLengths to a cache with a window: its 1 keys of 1 tokens are not always the first ones; use a " +
      "maskMod, or another cache",
  );
});

Deno.test("queries that cannot be a cache's last tokens are refused", () => {
  using cache = new GrowableKvCache(1);
  const view = cache.append(0, of(1, 1, 3, 4), of(1, 1, 3, 4));
  assertThrows(
    () => scaledDotProductAttention(of(1, 1, 5, 4), view),
    ShapeError,
    "Cannot attend with 5 queries to a cache of 3 tokens: they are its last ones; append their keys and values first, or " +
      "pass { offset }",
  );
  assertThrows(
    () => scaledDotProductAttention(of(1, 1, 1, 4), view, { causal: "upper-left" }),
    ShapeError,
    'Cannot attend with causal "upper-left" and 1 queries to a cache of 3 tokens: the queries are its last tokens; use ' +
      '"lower-right", or pass { offset }',
  );
  scaledDotProductAttention(of(1, 1, 3, 4), view, { causal: "upper-left" }).dispose();
});

Deno.test("attention refuses what is no tensor and no function", () => {
  using query = of(1, 1, 3, 4);
  const attend = (key: unknown, value: unknown, options: object = {}) =>
    scaledDotProductAttention(query, key as Tensor, value as Tensor, options); // untyped callers pass anything
  const tail = "it is a Tensor; make one with tensor()";
  assertThrows(() => attend(undefined, query), DTypeError, `Cannot attend with key undefined: ${tail}`);
  assertThrows(() => attend([[1]], query), DTypeError, `Cannot attend with key [[1]]: ${tail}`);
  assertThrows(() => attend(query, null), DTypeError, `Cannot attend with value null: ${tail}`);
  assertThrows(() => attend(query, query, { mask: null }), DTypeError, `Cannot attend with mask null: ${tail}`);
  assertThrows(
    () => attend(query, query, { scoreMod: 3 }),
    DTypeError,
    "Cannot attend with scoreMod 3: it is a function of index tensors",
  );
  assertThrows(
    () => attend(query, query, { blockMask: {} }),
    DTypeError,
    "Cannot attend with blockMask an object of Object: it is what createBlockMask gives, awaited",
  );
  assertThrows(
    () => attend(query, query, { scoreMod: () => undefined }),
    DTypeError,
    "Cannot attend: scoreMod gave undefined, no tensor; it must give floats",
  );
  assertThrows(
    () => attend(query, query, { maskMod: () => true }),
    DTypeError,
    "Cannot attend: maskMod gave true, no tensor; it must give bool",
  );
});

Deno.test("attention refuses nested options that nobody would look at", () => {
  using x = of(1, 1, 3, 4);
  const refuse = (options: object, message: string) =>
    void assertThrows(
      () => attention(x, x, x, options as AttentionOptions & { returns: AttentionReturns }), // as an untyped caller may
      ShapeError,
      message,
    );
  refuse({ window: 4 }, "Cannot attend with a window with options 4: they are an object of left, right, sinkTokens");
  refuse({ window: [1, 1] }, "Cannot attend with a window with options [1, 1]");
  refuse(
    { window: { lefft: 1 } },
    'Cannot attend with a window with an option "lefft": there is none; use left, right',
  );
  refuse({ returns: { weigths: true } }, 'Cannot attend with returns with an option "weigths"');
  refuse({ returns: ["weights"] }, 'Cannot attend with returns with options ["weights"]');
  refuse(
    { returns: { weights: false } },
    'Cannot attend with returns.weights false: it is true or "mean", or left out',
  );
  refuse({ returns: { scores: "masks" } }, 'Cannot attend with returns.scores "masks": it is "raw" or "scaled" or');
  refuse({ returns: null }, "Cannot attend with returns with options null");
  assertThrows(
    () => scaledDotProductAttention(x, x, x, { returns: { weights: true } } as AttentionOptions), // likewise
    ShapeError,
    'Cannot attend with an option "returns": there is none; use attention, which hands out more than the output',
  );
});

Deno.test("scaledDotProductGqa refuses options of other calls, and a scale of 0", () => {
  const inputs = { query: of(1, 3, 4, 8), key: of(1, 5, 2, 8), value: of(1, 5, 2, 8) };
  assertThrows(
    () => scaledDotProductGqa(inputs, { causal: true } as object),
    ShapeError,
    'Cannot scaledDotProductGqa with an option "causal": there is none; use isCausal',
  );
  assertThrows(
    () => scaledDotProductGqa(inputs, { scale: 0 }),
    ShapeError,
    "scale 0 divides the scores, so it is finite and not 0",
  );
});

const GQA: readonly (readonly [string, () => unknown, string])[] = [
  [
    "a mask with isCausal",
    () =>
      scaledDotProductGqa({ query: of(1, 3, 4, 8), key: of(1, 5, 2, 8), value: of(1, 5, 2, 8) }, {
        mask: bools(1, 5),
        isCausal: false,
      }),
    "Cannot scaledDotProductGqa with query [1, 3, 4, 8], key [1, 5, 2, 8], value [1, 5, 2, 8]: a mask [1, 5] and isCausal " +
    "exclude each other; scaledDotProductAttention takes both",
  ],
  [
    "other ranks",
    () => scaledDotProductGqa({ query: of(3, 4, 8), key: of(5, 2, 8), value: of(5, 2, 8) }),
    "each must be [batch, tokens, heads, head size]",
  ],
  [
    "other batch sizes",
    () => scaledDotProductGqa({ query: of(1, 3, 4, 8), key: of(2, 5, 2, 8), value: of(2, 5, 2, 8) }),
    "batch sizes differ",
  ],
  [
    "other head sizes",
    () => scaledDotProductGqa({ query: of(1, 3, 4, 8), key: of(1, 5, 2, 8), value: of(1, 5, 2, 7) }),
    "head sizes differ",
  ],
  [
    "keys and values of two lengths",
    () => scaledDotProductGqa({ query: of(1, 3, 4, 8), key: of(1, 5, 2, 8), value: of(1, 6, 2, 8) }),
    "key and value differ in heads or length",
  ],
  [
    "heads that do not divide",
    () => scaledDotProductGqa({ query: of(1, 3, 4, 8), key: of(1, 5, 3, 8), value: of(1, 5, 3, 8) }),
    "4 query heads do not share 3 key heads evenly",
  ],
  [
    "a mask of another shape",
    () =>
      scaledDotProductGqa({ query: of(1, 3, 4, 8), key: of(1, 5, 2, 8), value: of(1, 5, 2, 8) }, { mask: bools(3, 5) }),
    "a mask [3, 5] is none of [B, S], [B, T, S], [B, H, T, S], [B, G, Hkv, T, S] with B = 1, T = 3, S = 5, H = 4, Hkv = 2",
  ],
];

for (const [name, call, message] of GQA) {
  Deno.test(`scaledDotProductGqa refuses ${name}`, () => void assertThrows(call, ShapeError, message));
}

Deno.test("scaledDotProductGqa refuses a mask of numbers", () => {
  const inputs = { query: of(1, 3, 4, 8), key: of(1, 5, 2, 8), value: of(1, 5, 2, 8) };
  assertThrows(
    () => scaledDotProductGqa(inputs, { mask: of(1, 5) }),
    DTypeError,
    "and a mask f32 [1, 5]: it is bool; use ne(0)",
  );
});

Deno.test("the calls for people who compose by hand check their shapes", () => {
  assertThrows(
    () => attentionQkvPacked(of(1, 2, 4, 3, 8)),
    ShapeError,
    "Cannot attentionQkvPacked [1, 2, 4, 3, 8]: it is [B, T, 3, H, D]",
  );
  assertThrows(
    () => attentionQkvPacked(of(1, 2, 3, 4, 8), { causal: "upper-left" as unknown as boolean }), // from untyped code
    ShapeError,
    'Cannot attentionQkvPacked with causal "upper-left": it is true or false',
  );
  assertThrows(() => repeatKv(of(2, 3), 2), ShapeError, "Cannot repeatKv [2, 3] 2 times: it is [B, Hkv, S, D]");
  assertThrows(() => repeatKv(of(1, 2, 3, 4), 0.5), ShapeError, "Cannot repeatKv [1, 2, 3, 4] 0.5 times");
  assertThrows(
    () => causalMask(0, { backend }),
    ShapeError,
    "Cannot make a causalMask of 0: it is a count of at least 1",
  );
});
