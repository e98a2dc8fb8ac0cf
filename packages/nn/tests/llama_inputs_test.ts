import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  BackendError,
  causalMask,
  crossEntropy,
  DTypeError,
  GrowableKvCache,
  type KeyValueView,
  type KvCache,
  ones,
  randn,
  type RopeScaling,
  ShapeError,
  SlidingWindowKvCache,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from "../../core/mod.ts";
import {
  type ForwardOptions,
  initialized,
  LlamaAttention,
  type LlamaConfig,
  LlamaDecoderLayer,
  LlamaForCausalLM,
  LlamaMLP,
  LlamaModel,
} from "../mod.ts";

const CONFIG: LlamaConfig = {
  vocabSize: 17,
  hiddenSize: 16,
  intermediateSize: 24,
  numHiddenLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 4,
  maxPositionEmbeddings: 64,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeInterleaved: false,
  attentionBias: true,
  mlpBias: false,
  tieWordEmbeddings: true,
  initializerRange: 0.4,
};

const backend = createScalarBackend();

function llama(changes: Partial<LlamaConfig> = {}): LlamaForCausalLM {
  return new LlamaForCausalLM({ ...CONFIG, ...changes }, initialized({ backend, seed: 9 }));
}

function ints(rows: number[] | number[][]): Tensor {
  return tensor(rows, { dtype: "i32", backend });
}

/** Logits `[B][T][V]`. */
async function logits(model: LlamaForCausalLM, rows: number[][], options: ForwardOptions = {}): Promise<number[][][]> {
  using ids = ints(rows);
  using out = model.forward(ids, options);
  return await out.toArray() as number[][][]; // of rank 3
}

function assertClose(got: number[], want: number[]): void {
  assertEquals(got.length, want.length);
  got.forEach((value, i) => assertAlmostEquals(value, want[i]!, 1e-4));
}

const [SHORT, LONG] = [[3, 1, 4], [1, 5, 9, 2, 6]];
const PADDED = [[0, 0, ...SHORT], LONG];
const PADDING = [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]];

Deno.test("Llama: a row padded on the left is what it is alone, and padding is never NaN", async () => {
  using model = llama();
  using attentionMask = ints(PADDING);
  const [short, long] = await logits(model, PADDED, { attentionMask });
  const [alone] = await logits(model, [SHORT]);
  short!.slice(2).forEach((row, t) => assertClose(row, alone![t]!));
  (await logits(model, [LONG]))[0]!.forEach((row, t) => assertClose(long![t]!, row));
  assert(short!.flat().every(Number.isFinite));
  using flags = attentionMask.to("bool");
  assertEquals(await logits(model, PADDED, { attentionMask: flags }), [short, long]);
});

Deno.test("Llama: a padded batch goes on from its cache", async () => {
  using model = llama();
  using cache = model.createCache();
  using first = ints(PADDING);
  using second = ints(PADDING.map((row) => [...row, 1]));
  await logits(model, PADDED, { attentionMask: first, cache });
  const [short, long] = await logits(model, [[7], [8]], { attentionMask: second, cache });
  assertClose(short![0]!, (await logits(model, [[...SHORT, 7]]))[0]!.at(-1)!);
  assertClose(long![0]!, (await logits(model, [[...LONG, 8]]))[0]!.at(-1)!);
});

Deno.test("Llama: position ids may be given, for all rows or each", async () => {
  using model = llama();
  const plain = await logits(model, [LONG, LONG]);
  using shared = ints([0, 1, 2, 3, 4]);
  assertEquals(await logits(model, [LONG, LONG], { positionIds: shared }), plain);
  using each = ints([[0, 1, 2, 3, 4], [0, 3, 5, 6, 9]]);
  const [same, moved] = await logits(model, [LONG, LONG], { positionIds: each });
  assertEquals(same, plain[0]);
  assert(moved!.flat().some((value, i) => Math.abs(value - plain[1]!.flat()[i]!) > 1e-3));
});

Deno.test("Llama: linear scaling is positions divided", async () => {
  using plain = llama();
  using scaled = llama({ ropeScaling: { type: "linear", factor: 2 } });
  using positionIds = ints([0, 2, 4, 6, 8]);
  const want = await logits(plain, [LONG]);
  (await logits(scaled, [LONG], { positionIds }))[0]!.forEach((row, t) => assertClose(row, want[0]![t]!));
});

Deno.test("Llama: what of a head does not rotate knows no positions", async () => {
  const swapped = [LONG[1]!, LONG[0]!, ...LONG.slice(2)];
  const change = async (partialRotaryFactor: number) => {
    using model = llama({ partialRotaryFactor, numHiddenLayers: 1, attentionBias: false });
    // queries without their first two elements, all that rotates of a head when a half does
    tidy(() => model.model.layers[0]!.self_attn.q_proj.weight.unflatten(0, [4, 4]).narrow(1, 0, 2).fill_(0));
    const [a, b] = [await logits(model, [LONG]), await logits(model, [swapped])];
    return Math.max(...a[0]!.at(-1)!.map((value, i) => Math.abs(value - b[0]!.at(-1)![i]!)));
  };
  assert(await change(0.5) < 1e-5);
  assert(await change(1) > 1e-3);
});

Deno.test("Llama: a mask of scores, bool or added, hides more than what is later", async () => {
  using model = llama();
  const plain = await logits(model, [LONG]);
  using none = zeros([1, 1, 5, 5], { backend });
  using causal = tidy(() => causalMask(5, { backend }).reshape([1, 1, 5, 5]));
  assertEquals(await logits(model, [LONG], { attentionMask: none }), plain);
  assertEquals(await logits(model, [LONG], { attentionMask: causal }), plain);
  using noFirst = tidy(() => ints([0, 1, 1, 1, 1]).to("bool").expand([1, 1, 5, 5]).contiguous());
  using padding = ints([[0, 1, 1, 1, 1]]);
  using positionIds = ints([0, 1, 2, 3, 4]);
  const hidden = await logits(model, [LONG], { attentionMask: noFirst });
  assertEquals(hidden, await logits(model, [LONG], { attentionMask: padding, positionIds }));
  assert(hidden[0]!.flat().some((value, i) => Math.abs(value - plain[0]!.flat()[i]!) > 1e-3));
});

Deno.test("Llama: masks and windows of a cache meet", async () => {
  using model = llama();
  const window = () => new SlidingWindowKvCache(2, { window: 4, sinkTokens: 1, blockTokens: 2 });
  const tokens = Array.from({ length: 40 }, (_, i) => i % 17);
  const decode = async (cache: KvCache, masked: boolean) => {
    const rows: number[][][] = [];
    for (const [i, token] of tokens.entries()) {
      using attentionMask = ints([new Array<number>(i + 1).fill(1)]);
      rows.push((await logits(model, [[token]], masked ? { cache, attentionMask } : { cache }))[0]!);
    }
    return rows.flat();
  };
  using plain = window();
  using masked = window();
  const want = await decode(plain, false);
  (await decode(masked, true)).forEach((row, t) => assertClose(row, want[t]!));
});

Deno.test("Llama: hidden states and attention weights on request", async () => {
  using model = llama();
  using ids = ints([LONG]);
  const before = backend.memory.liveStorages;
  const outputs = model.outputs(ids, { returns: ["hiddenStates", "attentions"], logitsToKeep: 1 });
  assertEquals(outputs.logits.shape, [1, 1, 17]);
  assertEquals(outputs.hiddenStates!.map(({ shape }) => shape), new Array(3).fill([1, 5, 16]));
  assertEquals(outputs.attentions!.map(({ shape }) => shape), new Array(2).fill([1, 4, 5, 5]));
  using sums = outputs.attentions![1]!.sum({ dim: 3 });
  (await sums.data()).forEach((sum) => assertAlmostEquals(sum, 1, 1e-6));
  for (const x of [outputs.logits, ...outputs.hiddenStates!, ...outputs.attentions!, sums]) x.dispose();
  assertEquals(backend.memory.liveStorages, before);
  using plain = model.forward(ids);
  const { logits: same, ...rest } = model.outputs(ids);
  assertEquals([await same.data(), rest], [await plain.data(), {}]);
  same.dispose();
});

Deno.test("Llama: the loss is the cross entropy of each next token, and -100 does not count", async () => {
  using model = llama();
  using ids = ints([LONG, LONG.toReversed()]);
  using labels = ints([LONG.with(2, -100), LONG.toReversed()]);
  using loss = model.loss(ids, labels);
  using want = tidy(() => {
    const rows = model.forward(ids).narrow(1, 0, 4).reshape([8, 17]);
    return crossEntropy(rows, ints([5, -100, 2, 6, 2, 9, 5, 1]));
  });
  assertEquals(loss.shape, []);
  assertAlmostEquals(await loss.item(), await want.item(), 1e-6);
});

Deno.test("Llama: a training step leaves the gradients and nothing else", () => {
  using model = llama().requiresGrad_();
  using ids = ints([LONG, LONG]);
  using attentionMask = ints(PADDING);
  const before = backend.memory.liveStorages;
  {
    using loss = model.loss(ids, ids, { attentionMask });
    loss.backward();
  }
  assertEquals(backend.memory.liveStorages, before + model.parameters().size);
  assert([...model.parameters()].every((parameter) => parameter.grad !== undefined));
  model.zeroGrad();
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("Llama: masks, positions and counts that do not fit are refused, and leave nothing", () => {
  using model = llama();
  using ids = ints([LONG, LONG]);
  using cache = model.createCache();
  using first = ints([[1], [2]]);
  model.forward(first, { cache }).dispose();
  const refuse = (
    options: ForwardOptions,
    message: string,
    kind: typeof ShapeError | typeof DTypeError = ShapeError,
  ) => {
    const before = backend.memory.liveStorages;
    assertThrows(() => model.forward(ids, { cache, ...options }), kind, message);
    assertEquals([backend.memory.liveStorages, cache.length], [before, 1]);
  };
  const of = (shape: number[], dtype: "f32" | "i32" = "i32") => zeros(shape, { dtype, backend });
  using flat = of([2, 5]);
  using scores = of([2, 1, 5, 5], "f32");
  using floats = of([2, 6], "f32");
  using whole = of([2, 1, 5, 6]);
  refuse(
    { attentionMask: flat },
    "Cannot run a Llama on ids [2, 5] and an attention mask [2, 5]: it should be [B, S] = [2, 6] or [B, 1, T, S] = [2, 1, 5, 6]",
  );
  refuse(
    { attentionMask: scores },
    "Cannot run a Llama on [2, 5] with a mask [2, 1, 5, 5]: it should be [B, 1, T, S] = [2, 1, 5, 6]",
  );
  refuse(
    { attentionMask: floats },
    "Cannot run a Llama on ids [2, 5] and an attention mask [2, 6] of f32: [B, S] is of 0 and 1, in i32, u8 or bool",
    DTypeError,
  );
  refuse(
    { attentionMask: whole },
    "Cannot run a Llama on [2, 5] with a mask i32 [2, 1, 5, 6]: it is bool (true: may attend) or float (added to the scores)",
    DTypeError,
  );
  refuse(
    { positionIds: first },
    "Cannot run a Llama on ids [2, 5] and position ids [2, 1]: they are [B, T], or [T] for all rows",
  );
  using positions = of([5], "f32");
  refuse(
    { positionIds: positions },
    "Cannot run a Llama on ids [2, 5] and position ids [5] of f32: positions are i32",
    DTypeError,
  );
  refuse({ logitsToKeep: 6 }, "Cannot run a Llama on ids [2, 5] with logitsToKeep 6: it is a count from 0 to 5");
});

Deno.test("Llama: labels of another shape, or of one token, are refused", () => {
  using model = llama();
  using ids = ints([LONG]);
  using one = ints([[1]]);
  const why = "both are [B, T] with T >= 2, since each token is predicted from those before it";
  assertThrows(() => model.loss(ids, one), ShapeError, `Cannot take the loss of ids [1, 5] with labels [1, 1]: ${why}`);
  assertThrows(() => model.loss(one, one), ShapeError, `Cannot take the loss of ids [1, 1] with labels [1, 1]: ${why}`);
});

Deno.test("LlamaAttention: hidden states and masks that do not fit are refused", () => {
  using layer = new LlamaAttention(CONFIG, initialized({ backend }));
  using tables = zeros([3, 2], { backend });
  const rope = { cos: tables, sin: tables };
  using wrong = zeros([1, 3, 8], { backend });
  using x = zeros([1, 3, 16], { backend });
  using mask = zeros([3, 3], { backend });
  assertThrows(
    () => layer.forward(wrong, { rope }),
    ShapeError,
    "Cannot run LlamaAttention on [1, 3, 8]: it takes [B, T, E] with E = 16",
  );
  assertThrows(
    () => layer.forward(x, { rope, mask }),
    ShapeError,
    "Cannot run LlamaAttention on [1, 3, 16] with a mask [3, 3]: it should be [B, 1, T, S] = [1, 1, 3, 3]",
  );
});

Deno.test("Llama: configs that no model can have are refused", () => {
  const refuse = (changes: Partial<LlamaConfig>, message: string): void => {
    const before = backend.memory.liveStorages;
    assertThrows(() => llama(changes), ShapeError, `Cannot make a Llama: ${message}`);
    assertEquals(backend.memory.liveStorages, before);
  };
  refuse({ hiddenSize: 0 }, "hiddenSize is 0, and should be a whole number above 0");
  refuse({ numHiddenLayers: 1.5 }, "numHiddenLayers is 1.5, and should be a whole number above 0");
  const turns = "elements; it turns pairs, at most all of them";
  refuse({ headDim: 5 }, `RoPE would turn 5 of a head's 5 ${turns}`);
  refuse({ partialRotaryFactor: 2 }, `RoPE would turn 8 of a head's 4 ${turns}`);
  refuse({ padTokenId: 17 }, "padTokenId is 17, which is outside the vocabulary of 17");
  refuse({ padTokenId: -18 }, "padTokenId is -18, which is outside the vocabulary of 17");
  refuse({ initializerRange: NaN }, "initializerRange is NaN, and should be a finite number of at least 0");
  // the types refuse these, JavaScript does not
  const untyped = (changes: object) => changes as Partial<LlamaConfig>;
  refuse(untyped({ attentionBias: undefined }), "attentionBias is undefined, and should be true or false");
  refuse(untyped({ ropeScaling: null }), "ropeScaling is null; leave it out where frequencies are not scaled");
});

Deno.test("Llama: numbers that only a part of it would refuse leave no parameter behind", () => {
  const unknown: RopeScaling = JSON.parse('{"type":"dynamic","factor":2}');
  const cases: [Partial<LlamaConfig>, string][] = [
    [{ ropeTheta: -1 }, "Cannot make ropeFrequencies with theta -1"],
    [{ ropeTheta: NaN }, "Cannot make ropeFrequencies with theta NaN"],
    [{ ropeScaling: unknown }, 'Cannot make ropeFrequencies scaled by "dynamic"'],
    [{ rmsNormEps: NaN }, "Cannot make a Llama with rmsNormEps NaN: it is a finite number of at least 0"],
  ];
  const makes = [LlamaForCausalLM, LlamaModel, LlamaDecoderLayer, LlamaAttention, LlamaMLP];
  for (const [changes, message] of cases) {
    for (const Made of makes) {
      const before = backend.memory.liveStorages;
      assertThrows(() => new Made({ ...CONFIG, ...changes }, initialized({ backend })), ShapeError, message);
      assertEquals(backend.memory.liveStorages, before, Made.name);
    }
  }
});

Deno.test("Llama: a token outside the vocabulary is named with its position, where ids can be read at once", () => {
  using model = llama();
  using cache = model.createCache();
  using ids = ints([[3, 1], [4, -1]]);
  const before = backend.memory.liveStorages;
  const refuse = (what: string) => {
    const error = assertThrows(() => model.forward(ids, { cache }), ShapeError);
    assertEquals(
      error.message,
      `Cannot run a Llama on ids [2, 2]: ${what} is outside the vocabulary of 17, whose ids run from 0; use the tokenizer ` +
        "that belongs to the model",
    );
    assert(error.cause instanceof ShapeError);
    assertEquals([cache.length, backend.memory.liveStorages], [0, before]);
  };
  refuse("token -1 at [1, 1]");
  const download = backend.downloadSync;
  backend.downloadSync = () => {
    throw new BackendError("reading waits");
  };
  try {
    refuse("a token");
  } finally {
    if (download !== undefined) backend.downloadSync = download;
  }
});

Deno.test("Llama: ids that are no tensors are refused", () => {
  using model = llama();
  using ids = ints([LONG]);
  const rows = [[1, 2]] as unknown as Tensor; // the types refuse them, JavaScript does not
  const message = "Cannot run a Llama on [[1, 2]]: ids and labels are tensors";
  assertThrows(() => model.forward(rows), ShapeError, message);
  assertThrows(() => model.loss(ids, rows), ShapeError, message);
});

Deno.test("Llama: a cache of more or fewer layers, and what is no cache, are refused", () => {
  using model = llama();
  using ids = ints([LONG]);
  const refuse = (cache: KvCache, message: string) => {
    const before = backend.memory.liveStorages;
    assertThrows(() => model.forward(ids, { cache }), ShapeError, message);
    assertThrows(() => model.model.outputs(ids, { cache }), ShapeError, message);
    assertEquals(backend.memory.liveStorages, before);
    cache.dispose?.();
  };
  for (const layers of [1, 3]) {
    const why = "each has one of its own; use model.createCache()";
    refuse(new GrowableKvCache(layers), `Cannot run a Llama of 2 layers with a cache of ${layers}: ${why}`);
  }
  const none = {} as KvCache; // from JavaScript anything may come
  refuse(none, "Cannot go on from an object of Object: it is no cache of keys and values; use model.createCache()");
});

Deno.test("Llama: a cache whose layers have seen different tokens is refused until it is truncated", async () => {
  using model = llama();
  using cache = model.createCache();
  const [want] = await logits(model, [[3, 1, 4]]);
  await logits(model, [[3, 1]], { cache });
  tidy(() => cache.append(0, zeros([1, 2, 1, 4], { backend }), zeros([1, 2, 1, 4], { backend })));
  const message = "Cannot run a Llama with a cache whose layers have seen 3, 2 tokens: a step ended between them; " +
    "call truncate(2) on it first";
  await assertRejects(() => logits(model, [[4]], { cache }), ShapeError, message);
  cache.truncate(2);
  const [got] = await logits(model, [[4]], { cache });
  assertClose(got![0]!, want![2]!);
});

Deno.test("LlamaAttention: alone on a cache of several layers it goes on from its own tokens", () => {
  using layer = new LlamaAttention(CONFIG, initialized({ backend, seed: 2 }));
  using cache = new GrowableKvCache(3);
  using x = randn([1, 2, 16], { seed: 1, backend });
  using tables = ones([2, 2], { backend });
  const rope = { cos: tables, sin: tables };
  layer.forward(x, { rope, cache, layer: 1 }).dispose();
  using mask = zeros([1, 1, 2, 4], { backend });
  layer.forward(x, { rope, cache, layer: 1, mask }).dispose();
  assertEquals([cache.length, cache.lengthOf(1)], [0, 4]);
});

Deno.test("Llama: a loss takes no cache", () => {
  using model = llama();
  using ids = ints([LONG]);
  using cache = model.createCache();
  const options: object = { cache };
  assertThrows(
    () => model.loss(ids, ids, options),
    ShapeError,
    'Cannot take the loss with an option "cache": there is none; use a pass over whole sequences; no gradient goes through a cache',
  );
  assertEquals(cache.length, 0);
});

/** A cache whose second layer has no room. */
class FailingCache extends GrowableKvCache {
  override append(layer: number, keys: Tensor, values: Tensor): KeyValueView {
    if (layer === 1 && keys.shape[2] === 2) throw new BackendError("no room");
    return super.append(layer, keys, values);
  }
}

Deno.test("Llama: a pass that fails between layers leaves the cache as it was", () => {
  using model = llama();
  using cache = new FailingCache(CONFIG.numHiddenLayers);
  model.forward(ints([[3, 1, 4]]), { cache }).dispose();
  assertThrows(() => model.forward(ints([[1, 5]]), { cache }), BackendError, "no room");
  assertEquals(cache.length, 3);
  using got = model.forward(ints([[9]]), { cache });
  using fresh = model.createCache();
  model.forward(ints([[3, 1, 4]]), { cache: fresh }).dispose();
  using want = model.forward(ints([[9]]), { cache: fresh });
  assertEquals([...got.dataSync()], [...want.dataSync()]);
});

Deno.test("Llama: a cache that cannot go back to before a failed pass is cleared, and the error stays", () => {
  using model = llama();
  using cache = new FailingCache(CONFIG.numHiddenLayers);
  model.forward(ints([[3, 1, 4]]), { cache }).dispose();
  const truncate = cache.truncate;
  cache.truncate = (length) => {
    if (length > 0) throw new ShapeError("gone");
    truncate.call(cache, length);
  };
  assertThrows(() => model.forward(ints([[1, 5]]), { cache }), BackendError, "no room");
  assertEquals([cache.length, cache.lengthOf(0)], [0, 0]);
});
