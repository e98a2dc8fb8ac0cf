import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type Backend,
  type DType,
  DTypeError,
  fromBytes,
  randn,
  ShapeError,
  type Tensor,
  tensor,
} from "../../core/mod.ts";
import { convertHeads, type ConvertHeadsOptions, type HeadConfig } from "../src/convert_heads.ts";

const CONFIG = { hiddenSize: 3, numHiddenLayers: 2, numKeyValueHeads: 6, headDim: 2 };
const name = (layer: number, which: string, kind = "weight"): string =>
  `model.layers.${layer}.self_attn.${which}_proj.${kind}`;

function stateOf(backend: Backend, config: HeadConfig = CONFIG, dtype: DType = "f32"): Map<string, Tensor> {
  const state = new Map<string, Tensor>();
  const rows = config.numKeyValueHeads * config.headDim;
  let seed = 1;
  const add = (key: string, shape: number[]): unknown => state.set(key, randn(shape, { seed: seed++, backend, dtype }));
  add("model.embed_tokens.weight", [5, config.hiddenSize]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    add(name(layer, "q"), [rows * 2, config.hiddenSize]);
    for (const which of ["k", "v"]) {
      add(name(layer, which), [rows, config.hiddenSize]);
      add(name(layer, which, "bias"), [rows]);
    }
  }
  return state;
}

function dispose(state: ReadonlyMap<string, Tensor>): void {
  for (const x of state.values()) x.dispose();
}

/** New head g, row d, column e from plain arrays. */
function expected(values: ArrayLike<number>, kvHeads: number, width: number, method: "mean" | "first"): number[] {
  const { numKeyValueHeads, headDim } = CONFIG;
  const n = numKeyValueHeads / kvHeads;
  const rows: number[] = [];
  for (let g = 0; g < kvHeads; g++) {
    for (let i = 0; i < headDim * width; i++) {
      const block = Array.from({ length: n }, (_, j) => values[(g * n + j) * headDim * width + i]!);
      rows.push(method === "first" ? block[0]! : block.reduce((a, b) => a + b) / n);
    }
  }
  return rows;
}

for (const method of ["mean", "first"] as const) {
  Deno.test(`${method}: each new head is made of its contiguous block, weights and biases, for every number that divides`, async () => {
    const backend = createScalarBackend();
    const state = stateOf(backend);
    const before = backend.memory.liveStorages;
    for (const kvHeads of [1, 2, 3, 6]) {
      const converted = convertHeads(state, CONFIG, { kvHeads, method });
      assertEquals(converted.config, { ...CONFIG, numKeyValueHeads: kvHeads });
      for (const [key, x] of converted.state) {
        const old = state.get(key)!;
        if (!/[kv]_proj/.test(key)) {
          assert(x.storage === old.storage && x !== old, key);
          continue;
        }
        const want = expected(await old.data(), kvHeads, old.shape[1] ?? 1, method);
        assertEquals(x.shape, [kvHeads * CONFIG.headDim, ...old.shape.slice(1)]);
        (await x.data()).forEach((value, i) => assert(Math.abs(value - want[i]!) < 1e-6, `${key}[${i}]: ${value}`));
      }
      dispose(converted.state);
      assertEquals(backend.memory.liveStorages, before);
    }
    dispose(state);
  });
}

Deno.test("grouped heads go on to fewer", async () => {
  const backend = createScalarBackend();
  const state = stateOf(backend);
  const three = convertHeads(state, CONFIG, { kvHeads: 3, method: "mean" });
  const twice = convertHeads(three.state, three.config, { kvHeads: 1, method: "mean" });
  const once = convertHeads(state, CONFIG, { kvHeads: 1, method: "mean" });
  const [a, b] = [await twice.state.get(name(1, "v"))!.data(), await once.state.get(name(1, "v"))!.data()];
  a.forEach((value, i) => assert(Math.abs(value - b[i]!) < 1e-6));
});

for (const dtype of ["f16", "bf16"] as const) {
  Deno.test(`a mean of ${dtype} is computed in f32 and rounded once`, async () => {
    const backend = createScalarBackend();
    // Added in halves, 2048 + 1 + 1 + 0 loses both ones; so do 256 + 1 + 1 + 0 in bf16.
    const large = dtype === "f16" ? 2048 : 256;
    const config = { hiddenSize: 1, numHiddenLayers: 1, numKeyValueHeads: 4, headDim: 1 };
    const rows = tensor([[large], [1], [1], [14]], { backend, dtype });
    const state = new Map([[name(0, "k"), rows], [name(0, "v"), rows]]);
    const converted = convertHeads(state, config, { kvHeads: 1, method: "mean" }).state.get(name(0, "k"))!;
    assertEquals(converted.dtype, dtype);
    assertEquals(await converted.toArray(), [[(large + 16) / 4]]);
  });
}

Deno.test("random draws normal weights by the config's range and biases of 0, the same from the same seed, each its own", async () => {
  const backend = createScalarBackend();
  const config = { hiddenSize: 64, numHiddenLayers: 2, numKeyValueHeads: 8, headDim: 16, initializerRange: 0.5 };
  const state = stateOf(backend, config);
  const draw = (seed?: number) => convertHeads(state, config, { kvHeads: 4, method: "random", seed }).state;
  const first = draw(7);
  const weight = await first.get(name(0, "k"))!.data();
  assertEquals(first.get(name(0, "k"))!.shape, [64, 64]);
  const mean = [...weight].reduce((a, b) => a + b) / weight.length;
  const deviation = Math.sqrt([...weight].reduce((sum, x) => sum + (x - mean) ** 2, 0) / weight.length);
  assert(Math.abs(mean) < 0.05 && Math.abs(deviation - 0.5) < 0.05, `seed 7: mean ${mean}, deviation ${deviation}`);
  assert((await first.get(name(1, "v", "bias"))!.data()).every((x) => x === 0));
  assertEquals(await draw(7).get(name(0, "k"))!.data(), weight);
  for (
    const other of [
      first.get(name(0, "v"))!,
      first.get(name(1, "k"))!,
      draw(8).get(name(0, "k"))!,
      draw().get(name(0, "k"))!,
    ]
  ) {
    assertNotEquals(await other.data(), weight);
  }
});

Deno.test("as many heads as there are: mean and first change nothing, random redraws", async () => {
  const backend = createScalarBackend();
  const state = stateOf(backend);
  const old = state.get(name(0, "k"))!;
  for (const method of ["mean", "first"] as const) {
    assert(convertHeads(state, CONFIG, { kvHeads: 6, method }).state.get(name(0, "k"))!.storage === old.storage);
  }
  const drawn = convertHeads(state, CONFIG, { kvHeads: 6, method: "random" }).state.get(name(0, "k"))!;
  assertNotEquals(await drawn.data(), await old.data());
});

Deno.test("a tensor under two names stays one, and tensors that learn give ones that do not", () => {
  const backend = createScalarBackend();
  const state = stateOf(backend);
  state.set("lm_head.weight", state.get("model.embed_tokens.weight")!);
  state.get(name(0, "k"))!.requiresGrad_();
  const converted = convertHeads(state, CONFIG, { kvHeads: 2, method: "mean" }).state;
  assert(converted.get("lm_head.weight") === converted.get("model.embed_tokens.weight"));
  assert(!converted.get(name(0, "k"))!.requiresGrad);
});

Deno.test("what does not fit is refused before anything is made", () => {
  const backend = createScalarBackend();
  const state = stateOf(backend);
  const before = backend.memory.liveStorages;
  const refuses = (options: Partial<ConvertHeadsOptions>, message: string, config: HeadConfig = CONFIG): unknown =>
    assertThrows(() => convertHeads(state, config, { kvHeads: 2, method: "mean", ...options }), ShapeError, message);
  refuses({ kvHeads: 4 }, "Cannot convert 6 key/value heads to 4: the new number must divide 6; use 1, 2, 3, 6");
  for (const kvHeads of [0, -2, 1.5, 12, NaN]) refuses({ kvHeads }, `Cannot convert 6 key/value heads to ${kvHeads}: `);
  const foreign = (options: object): Partial<ConvertHeadsOptions> => options;
  refuses(foreign({ kv_heads: 1 }), 'Cannot convert heads with an option "kv_heads": there is none; use kvHeads');
  refuses(
    foreign({ methd: "mean" }),
    'Cannot convert heads with an option "methd": there is none; use kvHeads, method',
  );
  // the types refuse these, JavaScript does not
  const untyped = convertHeads as (...values: unknown[]) => unknown;
  assertThrows(
    () => untyped(state, CONFIG),
    ShapeError,
    'Cannot convert heads with options undefined: say how many and how, as { kvHeads: 1, method: "mean" }',
  );
  assertThrows(
    () => untyped(state, {}, { kvHeads: 1, method: "mean" }),
    ShapeError,
    "Cannot convert heads of a config with numKeyValueHeads undefined: give the model's config",
  );
  assertThrows(
    () => untyped({}, CONFIG, { kvHeads: 1, method: "mean" }),
    ShapeError,
    "Cannot convert heads of an object of Object: it is no map of tensors by name; give model.stateDict()",
  );
  const unknown: Partial<ConvertHeadsOptions> = JSON.parse('{"method":"median"}');
  refuses(unknown, 'Cannot convert heads by "median": the method is one of mean, first, random');
  refuses({ method: "random", seed: -1 }, "Cannot seed with -1: a seed is a whole number");
  refuses(
    { kvHeads: 1 },
    'Cannot convert heads of "model.layers.0.self_attn.k_proj.weight" [12, 3]: expected [10, 3] for 5 key/value heads of ' +
      "2 rows; give the config that belongs to the state dict",
    { ...CONFIG, numKeyValueHeads: 5 },
  );
  refuses(
    {},
    'Cannot convert heads of a state dict of 11 tensors: "model.layers.2.self_attn.k_proj.weight" is missing; names are ' +
      "Hugging Face's, as stateDict() of LlamaForCausalLM gives them",
    { ...CONFIG, numHiddenLayers: 3 },
  );
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("blocks are refused, with what to do", () => {
  const backend = createScalarBackend();
  const config = { hiddenSize: 32, numHiddenLayers: 1, numKeyValueHeads: 2, headDim: 1 };
  const rows = fromBytes(new Uint8Array(68), [2, 32], "q8_0", { backend });
  const state = new Map([[name(0, "k"), rows], [name(0, "v"), rows]]);
  assertThrows(
    () => convertHeads(state, config, { kvHeads: 1, method: "mean" }),
    DTypeError,
    'Cannot convert heads of "model.layers.0.self_attn.k_proj.weight" q8_0 [2, 32]: it takes floats; use to("f32")',
  );
});
