import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  type Backend,
  BackendError,
  DTypeError,
  fromBytes,
  full,
  ShapeError,
  type Tensor,
  tidy,
  zeros,
} from "../../core/mod.ts";
import { fromStateDict, GroupedQueryAttention, initialized, Linear, Module, within } from "../mod.ts";

const OPTIONS = { inFeatures: 3, outFeatures: 2 };

/** Two layers in a list, the second with the first one's weight, and one more. */
class Pair extends Module {
  readonly layers: readonly Linear[];
  readonly head: Linear;

  constructor(source: ReturnType<typeof initialized>) {
    super();
    const first = new Linear(OPTIONS, within(source, "layers.0"));
    const tied = { take: () => first.weight };
    this.layers = [first, new Linear({ ...OPTIONS, bias: false }, tied)];
    this.head = new Linear({ inFeatures: 2, outFeatures: 1 }, within(source, "head"));
  }
}

async function values(x: Tensor): Promise<number[]> {
  return [...await x.data()];
}

Deno.test("Module: parameters once by their first name, and state dicts with all names", () => {
  const backend = createScalarBackend();
  const model = new Pair(initialized({ backend }));
  const names = ["layers.0.weight", "layers.0.bias", "head.weight", "head.bias"];
  assertEquals(Array.from(model.namedParameters(), ([name]) => name), names);
  assertEquals(model.parameters().size, 4);
  assertEquals([...model.stateDict().keys()], [...names.slice(0, 2), "layers.1.weight", ...names.slice(2)]);
  assertStrictEquals(model.stateDict().get("layers.1.weight"), model.layers[0]!.weight);
  assertEquals([...model.modules()].length, 4);
  assertEquals(backend.memory.liveStorages, 4);
  model.dispose();
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("Module: a state dict makes an equal module, and can be loaded into another", async () => {
  const backend = createScalarBackend();
  using model = new Pair(initialized({ backend, seed: 1 }));
  using other = new Pair(initialized({ backend, seed: 2 }));
  other.requiresGrad_();
  const before = backend.memory.liveStorages;
  other.loadStateDict(model.stateDict());
  assertEquals(backend.memory.liveStorages, before);
  for (const [name, parameter] of model.stateDict()) {
    const loaded = other.stateDict().get(name)!;
    assertEquals(await values(loaded), await values(parameter));
    assert(loaded !== parameter && loaded.requiresGrad);
  }
  using linear = new Linear(OPTIONS, fromStateDict(model.stateDict(), "layers.0."));
  assertStrictEquals(linear.weight, model.layers[0]!.weight);
});

Deno.test("Module: a shared parameter may be given under either name", async () => {
  const backend = createScalarBackend();
  using model = new Pair(initialized({ backend }));
  using sevens = full([2, 3], 7, { backend });
  const state = new Map(model.stateDict()).set("layers.1.weight", sevens);
  state.delete("layers.0.weight");
  model.loadStateDict(state);
  assertEquals(await values(model.layers[0]!.weight), new Array(6).fill(7));
});

Deno.test("Module: what does not fit a state dict is listed, and nothing is written", async () => {
  const backend = createScalarBackend();
  using model = new Pair(initialized({ backend }));
  const before = await values(model.head.bias!);
  using wrong = zeros([3, 2], { backend });
  using one = full([1], 5, { backend });
  const state = new Map([["layers.0.weight", wrong], ["head.bias", one], ["tail", one]]);
  assertThrows(
    () => model.loadStateDict(state),
    ShapeError,
    'Cannot load the state dict: "layers.0.weight" should be [2, 3], found [3, 2]; ' +
      "missing layers.0.bias, head.weight; unexpected tail",
  );
  assertThrows(() => model.loadStateDict(state, { strict: false }), ShapeError, "should be [2, 3], found [3, 2]");
  assertEquals(await values(model.head.bias!), before);
  model.loadStateDict(new Map([["head.bias", one], ["tail", one]]), { strict: false });
  assertEquals(await values(model.head.bias!), [5]);
});

Deno.test("Module: what is no state dict is refused", () => {
  const backend = createScalarBackend();
  using layer = new Linear({ inFeatures: 1, outFeatures: 1 }, initialized({ backend }));
  const state = {} as Map<string, Tensor>; // from JavaScript anything may come
  const message = "Cannot read parameters from an object of Object: a state dict is a Map of tensors by name";
  assertThrows(() => layer.loadStateDict(state), ShapeError, message);
  assertThrows(() => fromStateDict(state), ShapeError, message);
});

Deno.test("Module: state dicts of another backend, and blocks, are refused", () => {
  const backend = createScalarBackend();
  using model = new Linear(OPTIONS, initialized({ backend }));
  using elsewhere = new Linear(OPTIONS, initialized({ backend: createScalarBackend() }));
  assertThrows(
    () => model.loadStateDict(elsewhere.stateDict()),
    BackendError,
    'Cannot load "weight" [2, 3] from scalar to scalar: move it first with await t.to(backend)',
  );
  using quantised = blocks(backend);
  using float = zeros([1, 32], { backend });
  assertThrows(
    () => quantised.loadStateDict(new Map([["weight", float]])),
    DTypeError,
    'Cannot load "weight" into q8_0 [1, 32]: blocks are not written to; build the module from the tensors instead',
  );
});

function blocks(backend: ReturnType<typeof createScalarBackend>): Linear {
  const weight = fromBytes(new Uint8Array(34), [1, 32], "q8_0", { backend });
  return new Linear({ inFeatures: 32, outFeatures: 1, bias: false }, fromStateDict(new Map([["weight", weight]])));
}

Deno.test("Module: gradients are asked of all parameters, or of none", () => {
  const backend = createScalarBackend();
  using model = new Pair(initialized({ backend }));
  model.requiresGrad_();
  assert([...model.parameters()].every((parameter) => parameter.requiresGrad));
  using x = zeros([1, 3], { backend });
  using loss = model.layers[0]!.forward(x);
  using gradient = full([1, 2], 1, { backend });
  loss.backward({ gradient });
  assertEquals(model.layers[0]!.bias!.grad?.shape, [2]);
  model.zeroGrad();
  assertEquals(model.layers[0]!.bias!.grad, undefined);
  model.requiresGrad_(false);
  assert([...model.parameters()].every((parameter) => !parameter.requiresGrad));
  using quantised = blocks(backend);
  assertThrows(
    () => quantised.requiresGrad_(),
    DTypeError,
    'Cannot require a gradient of "weight", q8_0 [1, 32]: only floats have one; load the model with { trainable: true }',
  );
});

/** A layer with a mask that is not trained, a table that is not even saved, and a part with another mask. */
class Masked extends Module {
  readonly mask: Tensor;
  readonly weight: Tensor;
  readonly table: Tensor;
  readonly parts: readonly Module[];

  constructor(backend: Backend, depth = 1) {
    super();
    this.mask = this.registerBuffer("mask", full([2, 2], 1, { backend, dtype: "bool" }));
    this.weight = full([2], 3, { backend }).keep();
    this.table = this.registerBuffer("table", full([2], 5, { backend }), { persistent: false });
    this.parts = depth === 0 ? [] : [new Masked(backend, depth - 1)];
  }
}

Deno.test("Module: buffers are no parameters, and only persistent ones are in the state dict", async () => {
  const backend = createScalarBackend();
  const make = () => tidy(() => new Masked(backend)); // as parameters do, buffers outlive the scope they were made in
  using model = make();
  const weights = ["weight", "parts.0.weight"];
  assertEquals(Array.from(model.namedParameters(), ([name]) => name), weights);
  assertEquals(Array.from(model.namedBuffers(), ([name]) => name), ["mask", "table", "parts.0.mask", "parts.0.table"]);
  assertEquals([...model.stateDict().keys()], ["mask", "weight", "parts.0.mask", "parts.0.weight"]);
  model.requiresGrad_();
  assert([...model.namedBuffers()].every(([, buffer]) => !buffer.requiresGrad));
  using other = make();
  using zero = zeros([2, 2], { backend });
  other.loadStateDict(new Map(model.stateDict()).set("parts.0.mask", zero));
  assertEquals(await values((other.parts[0] as Masked).mask), [0, 0, 0, 0]);
  const message = "Cannot load the state dict: missing mask, parts.0.mask";
  assertThrows(() => other.loadStateDict(new Map(model.namedParameters())), ShapeError, message);
});

Deno.test("Module: buffers move and are freed with it, and stay buffers", async () => {
  const [from, to] = [createScalarBackend(), createScalarBackend()];
  const model = new Masked(from);
  await model.to(to);
  assertEquals([from.memory.liveStorages, to.memory.liveStorages], [0, 6]);
  assertEquals([model.mask.dtype, model.mask.backend === to], ["bool", true]);
  assertEquals(model.parameters().size, 2);
  assertEquals([...model.stateDict().keys()], ["mask", "weight", "parts.0.mask", "parts.0.weight"]);
  (model as { mask: Tensor }).mask.dispose();
  (model as { mask: Tensor }).mask = full([3], 1, { backend: to });
  assertEquals(model.parameters().size, 2); // the field is a buffer, not the tensor that was in it
  model.dispose();
  assertEquals(to.memory.liveStorages, 0);
});

Deno.test("Module: a plain field that cannot be trained is told to be a buffer", () => {
  const backend = createScalarBackend();
  class Plain extends Module {
    readonly positions = full([2], 1, { backend, dtype: "i32" });
    readonly weight = zeros([2], { backend });
  }
  using model = new Plain();
  assertThrows(
    () => model.requiresGrad_(),
    DTypeError,
    'Cannot require a gradient of "positions", i32 [2]: only floats have one; what is not trained is a buffer: make it ' +
      "one with registerBuffer(name, tensor)",
  );
  assert(!model.weight.requiresGrad);
});

Deno.test("Module: what cannot be a buffer is refused", () => {
  const backend = createScalarBackend();
  using model = new Masked(backend);
  using x = zeros([2], { backend });
  using y = zeros([2], { backend }).requiresGrad_();
  const number = 3 as unknown as Tensor; // from JavaScript anything may come
  const refusals: [() => unknown, string][] = [
    [() => model.registerBuffer("n", number), 'Cannot register 3 as the buffer "n": it is a tensor in a field'],
    [() => model.registerBuffer("a.b", x), 'as the buffer "a.b": it is a tensor in a field, whose name has no dot'],
    [() => model.registerBuffer("parts", x), 'the buffer "parts": the module has something else of that name'],
    [() => model.registerBuffer("dispose", x), 'the buffer "dispose": the module has something else of that name'],
    [() => model.registerBuffer("weight", x), 'the buffer "weight": the module has something else of that name'],
    [
      () => model.registerBuffer(undefined as unknown as string, x),
      "as the buffer undefined: it is a tensor in a field",
    ],
    [() => model.registerBuffer("y", y), 'as the buffer "y": it requires a gradient; register tensor.detach()'],
    [
      () => model.registerBuffer("x", x, { persist: false } as object),
      'Cannot register a buffer with an option "persist": there is none; use persistent',
    ],
  ];
  for (const [run, message] of refusals) assertThrows(run, ShapeError, message);
  assertEquals([...model.namedBuffers()].length, 4);
});

Deno.test("Module: a buffer in place of another frees that, and a field can become one", () => {
  const backend = createScalarBackend();
  const model = new Masked(backend, 0);
  const longer = model.registerBuffer("table", full([4], 5, { backend }));
  assertEquals([longer.shape, backend.memory.liveStorages], [[4], 3]);
  model.registerBuffer("weight", model.weight);
  assertEquals(model.parameters().size, 0);
  model.dispose();
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("Module: one that is a part of itself is named", () => {
  class Child extends Module {
    parent: Module | undefined;
    list: unknown[] = [];
  }
  class Parent extends Module {
    readonly child = new Child();
  }
  const parent = new Parent();
  parent.child.parent = parent;
  const what = "Cannot go through the parts of a Parent:";
  const why = "holds a Parent that it is a part of; keep what is no part in a #private field";
  assertThrows(() => parent.parameters(), ShapeError, `${what} "child.parent" ${why}`);
  assertThrows(() => parent.eval(), ShapeError, `${what} "parent" ${why}`);
  parent.child.parent = undefined;
  parent.child.list = [[parent.child]];
  assertThrows(() => parent.stateDict(), ShapeError, `${what} "child.list.0.0" holds a Child that it is a part of`);
  parent.child.list = [];
  assertEquals([...parent.modules()].length, 2);
});

Deno.test("Module: train and eval reach all parts", () => {
  using model = new Pair(initialized({ backend: createScalarBackend() }));
  assert([...model.modules()].every(({ training }) => training));
  assertStrictEquals(model.eval(), model);
  assert([...model.modules()].every(({ training }) => !training));
  assert([...model.train().modules()].every(({ training }) => training));
});

Deno.test("Module: it moves whole, shared parameters stay shared, and nothing stays behind", async () => {
  const [from, to] = [createScalarBackend(), createScalarBackend()];
  using model = new Pair(initialized({ backend: from, seed: 3 }));
  model.requiresGrad_();
  const before = await values(model.head.weight);
  assertStrictEquals(await model.to(to), model);
  assertEquals([from.memory.liveStorages, to.memory.liveStorages], [0, 4]);
  assertStrictEquals(model.layers[1]!.weight, model.layers[0]!.weight);
  assertEquals(await values(model.head.weight), before);
  assert([...model.parameters()].every(({ backend, requiresGrad }) => backend === to && requiresGrad));
});

Deno.test("Module: a backend without room leaves the module as it was", async () => {
  const [from, to] = [createScalarBackend(), createScalarBackend({ memoryBudgetBytes: 40 })];
  using model = new Pair(initialized({ backend: from }));
  await assertRejects(() => model.to(to), BackendError, "Cannot allocate");
  assertEquals([from.memory.liveStorages, to.memory.liveStorages], [4, 0]);
  assert([...model.parameters()].every(({ backend }) => backend === from));
});

Deno.test("fromStateDict: a parameter that is missing or has another shape is named", () => {
  const backend = createScalarBackend();
  using weight = zeros([3, 2], { backend });
  const state = new Map([["a.weight", weight]]);
  assertThrows(
    () => new Linear(OPTIONS, fromStateDict(state, "a.")),
    ShapeError,
    'Cannot take parameter "a.weight" [2, 3] from the state dict: it is [3, 2] there',
  );
  assertThrows(
    () => new Linear(OPTIONS, fromStateDict(state)),
    ShapeError,
    'Cannot take parameter "weight" [2, 3] from the state dict: it is missing',
  );
});

Deno.test("initialized: equal seeds give equal parameters, and no two parameters of a model are alike", async () => {
  const backend = createScalarBackend();
  const make = (seed: number) =>
    new GroupedQueryAttention({ hiddenSize: 8, numHeads: 2, numGroups: 2 }, initialized({ backend, seed }));
  const all = async (seed: number) => {
    using layer = make(seed);
    return await Promise.all([...layer.parameters()].map(values));
  };
  const [first, again, next] = [await all(5), await all(5), await all(6)];
  assertEquals(first, again);
  const distinct = new Set([...first, ...next].map((parameter) => parameter.join()));
  assertEquals(distinct.size, 16);
  assertThrows(() => initialized({ backend, seed: -1 }), ShapeError, "Cannot seed with -1");
  using wide = new Linear(OPTIONS, initialized({ backend, dtype: "f64" }));
  assertEquals(wide.weight.dtype, "f64");
});
