/** Optimisers: against loops over numbers, in groups, on halves, what they refuse, and what they leave behind. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { BackendError, type DType, ShapeError, type Tensor, tensor, tidy } from "../../core/mod.ts";
import {
  AdamW,
  type AdamWOptions,
  initialized,
  Linear,
  type Optimizer,
  type OptimizerOptions,
  SGD,
  type SGDOptions,
} from "../mod.ts";

const backend = createScalarBackend();
const START = [1, -2, 0.5];
/** One list of gradients a step; the second has a 0, the third is large. */
const GRADIENTS = [[0.1, -0.3, 2], [0, 0.4, -1], [30, -20, 10], [0.2, 0.1, 0.05]];

function parameter(values: number[], dtype: DType = "f32"): Tensor {
  return tensor(values, { backend, dtype }).requiresGrad_();
}

function setGradient(parameter: Tensor, values: number[]): void {
  parameter.zeroGrad();
  using gradient = tensor(values, { backend, dtype: parameter.dtype });
  parameter.backward({ gradient });
}

async function train<O extends OptimizerOptions>(
  x: Tensor,
  optimizer: Optimizer<O>,
  gradients: number[][] = GRADIENTS,
): Promise<number[]> {
  for (const values of gradients) {
    setGradient(x, values);
    optimizer.step();
  }
  return [...await x.data()];
}

function adamW(options: AdamWOptions): number[] {
  const { learningRate, betas: [beta1, beta2], eps, weightDecay } = options;
  return START.map((p, i) => {
    let [m, v] = [0, 0];
    GRADIENTS.forEach((gradient, step) => {
      const g = gradient[i]!;
      p *= 1 - learningRate * weightDecay;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      p -= learningRate * m / (1 - beta1 ** (step + 1)) / (Math.sqrt(v / (1 - beta2 ** (step + 1))) + eps);
    });
    return p;
  });
}

function sgd(options: SGDOptions): number[] {
  const { learningRate, momentum, dampening, nesterov, weightDecay } = options;
  return START.map((p, i) => {
    let buffer = 0;
    GRADIENTS.forEach((gradient, step) => {
      const g = gradient[i]! + weightDecay * p;
      buffer = step === 0 ? g : momentum * buffer + (1 - dampening) * g;
      p -= learningRate * (momentum === 0 ? g : nesterov ? g + momentum * buffer : buffer);
    });
    return p;
  });
}

function assertClose(got: readonly number[], want: readonly number[], tolerance: number): void {
  assertEquals(got.length, want.length);
  got.forEach((value, i) => assertAlmostEquals(value, want[i]!, tolerance));
}

Deno.test("AdamW moves parameters as a loop over numbers does", async () => {
  const cases: AdamWOptions[] = [
    { learningRate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 },
    { learningRate: 0.1, betas: [0.5, 0.7], eps: 1e-2, weightDecay: 0.3 },
    { learningRate: 0.1, betas: [0, 0], eps: 1e-3, weightDecay: 0 },
  ];
  for (const options of cases) {
    for (const [dtype, tolerance] of [["f32", 2e-6], ["f64", 1e-14]] as const) {
      using x = parameter(START, dtype);
      using optimizer = new AdamW([x], options);
      assertClose(await train(x, optimizer), adamW(options), tolerance);
    }
  }
});

Deno.test("AdamW's defaults are PyTorch's", async () => {
  using x = parameter(START, "f64");
  using optimizer = new AdamW([x]);
  const defaults: AdamWOptions = { learningRate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 };
  assertClose(await train(x, optimizer), adamW(defaults), 1e-14);
});

Deno.test("SGD moves parameters as a loop over numbers does", async () => {
  const plain: SGDOptions = { learningRate: 0.01, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 };
  const changes: Partial<SGDOptions>[] = [
    {},
    { weightDecay: 0.2 },
    { momentum: 0.9 },
    { momentum: 0.9, dampening: 0.3, weightDecay: 0.1 },
    { momentum: 0.8, nesterov: true, weightDecay: 0.1 },
  ];
  for (const change of changes) {
    using x = parameter(START, "f64");
    using optimizer = new SGD([x], { learningRate: 0.01, ...change });
    assertClose(await train(x, optimizer), sgd({ ...plain, ...change }), 1e-13);
  }
});

Deno.test("groups have settings of their own, and learningRate is all of theirs", async () => {
  using weight = parameter([1]);
  using norm = parameter([1]);
  using optimizer = new SGD([{ parameters: [weight] }, { parameters: [norm], weightDecay: 0, learningRate: 1 }], {
    learningRate: 0.5,
    weightDecay: 0.1,
  });
  for (const x of [weight, norm]) setGradient(x, [0.25]);
  optimizer.step();
  assertAlmostEquals(await weight.item(), 1 - 0.5 * (0.25 + 0.1), 1e-7);
  assertEquals(await norm.item(), 0.75);
  assertEquals(optimizer.learningRate, 0.5);
  optimizer.learningRate = 2;
  assertEquals(optimizer.groups.map((group) => group.learningRate), [2, 2]);
  optimizer.groups[1]!.learningRate = 0;
  optimizer.step();
  assertEquals(await norm.item(), 0.75);
});

Deno.test("a parameter without a gradient stays as it is, and gets no state", async () => {
  using used = parameter([1]);
  using unused = parameter([1]);
  using optimizer = new AdamW([used, unused], { learningRate: 0.1 });
  setGradient(used, [1]);
  optimizer.step();
  assertEquals(await unused.item(), 1);
  assertNotEquals(await used.item(), 1);
  assertEquals(optimizer.stateDict().steps, [1, 0]);
  optimizer.zeroGrad();
  assertEquals(used.grad, undefined);
  const before = await used.item();
  optimizer.step();
  assertEquals(await used.item(), before);
});

Deno.test("a step writes in place: views see it, and a parameter may be a view", async () => {
  using base = tensor([[1, 2], [3, 4]], { backend });
  using column = base.select(1, 0).requiresGrad_();
  using optimizer = new SGD([column], { learningRate: 1 });
  setGradient(column, [10, 20]);
  optimizer.step();
  assertEquals(await base.toArray(), [[-9, 2], [-17, 4]]);
});

Deno.test("halves: state and update are f32, rounded once to nearest even", async () => {
  for (const [dtype, ulp] of [["f16", 2 ** -10], ["bf16", 2 ** -7]] as const) {
    using x = parameter([1, 1, 1], dtype);
    using optimizer = new SGD([x], { learningRate: ulp / 16, momentum: 0.5 });
    setGradient(x, [-4, -8, -12]); // a quarter, half and three quarters of the last place above 1
    optimizer.step();
    assertEquals([...await x.data()], [1, 1, 1 + ulp]);
    assertEquals(optimizer.stateDict().tensors.get("0.momentum_buffer")!.dtype, "f32");
  }
});

Deno.test("from the second step on a step leaves as many storages as it found", () => {
  const before = backend.memory.liveStorages;
  {
    using x = parameter(START);
    using y = parameter(START, "bf16");
    using adam = new AdamW([x, y]);
    using momentum = new SGD([x, y], { momentum: 0.9, nesterov: true });
    setGradient(x, [1, 2, 3]);
    setGradient(y, [1, 2, 3]);
    const bare = backend.memory.liveStorages;
    tidy(() => adam.step()); // the state outlives the caller's scopes
    assertEquals(backend.memory.liveStorages, bare + 4);
    momentum.step();
    assertEquals(backend.memory.liveStorages, bare + 6);
    for (let i = 0; i < 3; i++) {
      tidy(() => adam.step());
      momentum.step();
    }
    assertEquals(backend.memory.liveStorages, bare + 6);
    adam.dispose();
    assertEquals(backend.memory.liveStorages, bare + 2);
  }
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("state that a changed setting does without is freed", () => {
  using x = parameter(START);
  using optimizer = new SGD([x], { momentum: 0.9 });
  setGradient(x, [1, 2, 3]);
  optimizer.step();
  const before = backend.memory.liveStorages;
  optimizer.groups[0]!.momentum = 0;
  optimizer.step();
  assertEquals(backend.memory.liveStorages, before - 1);
  assertEquals(optimizer.stateDict().tensors.size, 0);
});

/** Trains two steps, and on in two ways: as it was, and as a fresh optimiser that loads the state. */
async function resume<O extends OptimizerOptions>(
  optimizerOf: (x: Tensor) => Optimizer<O>,
  freshOf: (y: Tensor) => Optimizer<O>,
): Promise<void> {
  using x = parameter(START);
  using optimizer = optimizerOf(x);
  const halfway = await train(x, optimizer, GRADIENTS.slice(0, 2));
  using y = parameter(halfway);
  using fresh = freshOf(y);
  const { tensors, ...rest } = optimizer.stateDict();
  const before = backend.memory.liveStorages;
  fresh.loadStateDict({ tensors, ...JSON.parse(JSON.stringify(rest)) });
  assertEquals(backend.memory.liveStorages, before + tensors.size);
  fresh.loadStateDict(fresh.stateDict()); // even its own
  assertEquals(backend.memory.liveStorages, before + tensors.size);
  assertEquals(fresh.learningRate, 0.1);
  const continued = await train(y, fresh, GRADIENTS.slice(2));
  assertEquals(continued, await train(x, optimizer, GRADIENTS.slice(2)));
  assert(continued.some((value, i) => value !== halfway[i]));
}

Deno.test("a loaded state goes on exactly where the other was", async () => {
  await resume((x) => new AdamW([x], { learningRate: 0.1, betas: [0.8, 0.9] }), (y) => new AdamW([y]));
  await resume((x) => new SGD([x], { learningRate: 0.1, momentum: 0.9, dampening: 0.1 }), (y) => new SGD([y]));
  await resume((x) => new SGD([x], { learningRate: 0.1 }), (y) => new SGD([y], { momentum: 0.9 }));
});

Deno.test("a state dict names tensors by the parameter's index, as PyTorch", () => {
  using x = parameter([1]);
  using y = parameter([1, 2]);
  using optimizer = new AdamW([{ parameters: [x], weightDecay: 0 }, { parameters: [y] }]);
  for (const p of [x, y]) setGradient(p, p === x ? [1] : [1, 1]);
  optimizer.step();
  const { tensors, steps, groups } = optimizer.stateDict();
  assertEquals([...tensors.keys()], ["0.exp_avg", "0.exp_avg_sq", "1.exp_avg", "1.exp_avg_sq"]);
  assertEquals(tensors.get("1.exp_avg")!.shape, [2]);
  assertEquals(steps, [1, 1]);
  assertEquals(groups.map((group) => [group.weightDecay, group.parameters]), [[0, [0]], [0.01, [1]]]);
});

Deno.test("a state that does not fit is refused, and nothing has changed", async () => {
  using x = parameter([1, 2]);
  using optimizer = new AdamW([x]);
  setGradient(x, [1, 1]);
  optimizer.step();
  const good = optimizer.stateDict();
  using mean = tensor([1, 2, 3], { backend });
  using elsewhere = tensor([1, 2], { backend: createScalarBackend() });
  const state = [...await good.tensors.get("0.exp_avg")!.data()];
  const before = backend.memory.liveStorages;
  const refuse = (change: Partial<typeof good>, message: string) => {
    const error = assertThrows(() => optimizer.loadStateDict({ ...good, ...change }), ShapeError);
    assertEquals(error.message, message);
  };
  refuse(
    { groups: [...good.groups, ...good.groups] },
    "Cannot load the state of AdamW for groups of [1, 1] parameters into groups of [1]: they differ",
  );
  refuse({ steps: [1, 1] }, "Cannot load the state of AdamW: it has steps of 2 parameters, not of 1");
  refuse({ steps: [1.5] }, "Cannot load the state of AdamW: steps are whole numbers of at least 0, found 1.5");
  refuse({ steps: [0] }, "Cannot load the state of AdamW: unexpected 0.exp_avg, 0.exp_avg_sq");
  refuse(
    { tensors: new Map([["0.exp_avg", mean], ["0.momentum_buffer", mean]]) },
    "Cannot load the state of AdamW: missing 0.exp_avg_sq; unexpected 0.momentum_buffer; " +
      '"0.exp_avg" should be [2], found [3]',
  );
  refuse(
    { groups: [{ ...good.groups[0]!, eps: -1 }] },
    "Cannot run AdamW with eps -1: it is a finite number of at least 0",
  );
  assertEquals(
    assertThrows(
      () => optimizer.loadStateDict({ ...good, tensors: new Map([...good.tensors, ["0.exp_avg", elsewhere]]) }),
      BackendError,
    ).message,
    'Cannot load "0.exp_avg" [2] from scalar to scalar: move it first with await t.to(backend)',
  );
  assertEquals(backend.memory.liveStorages, before);
  assertEquals([...await optimizer.stateDict().tensors.get("0.exp_avg")!.data()], state);
});

Deno.test("settings out of range are refused, at making and at the step after a change", async () => {
  using x = parameter([1]);
  const refuse = (make: () => unknown, message: string) => {
    assertEquals(assertThrows(make, ShapeError).message, message);
  };
  const adamW: [Partial<AdamWOptions>, string][] = [
    [{ learningRate: -1 }, "learningRate -1: it is a finite number of at least 0"],
    [{ learningRate: NaN }, "learningRate NaN: it is a finite number of at least 0"],
    [{ eps: -1e-8 }, "eps -1e-8: it is a finite number of at least 0"],
    [{ weightDecay: -0.1 }, "weightDecay -0.1: it is a finite number of at least 0"],
    [{ betas: [1, 0.9] }, "betas [1, 0.9]: both are at least 0 and below 1"],
    [{ betas: [0.9, -0.1] }, "betas [0.9, -0.1]: both are at least 0 and below 1"],
  ];
  for (const [options, message] of adamW) refuse(() => new AdamW([x], options), `Cannot run AdamW with ${message}`);
  const sgd: [Partial<SGDOptions>, string][] = [
    [{ learningRate: Infinity }, "learningRate Infinity: it is a finite number of at least 0"],
    [{ momentum: -0.9 }, "momentum -0.9: it is a finite number of at least 0"],
    [{ dampening: -0.9 }, "dampening -0.9: it is a finite number of at least 0"],
    [{ nesterov: true }, "nesterov, momentum 0 and dampening 0: it needs momentum and no dampening"],
    [
      { nesterov: true, momentum: 0.9, dampening: 0.1 },
      "nesterov, momentum 0.9 and dampening 0.1: it needs momentum and no dampening",
    ],
  ];
  for (const [options, message] of sgd) refuse(() => new SGD([x], options), `Cannot run SGD with ${message}`);

  using y = parameter([1]);
  using optimizer = new AdamW([{ parameters: [x] }, { parameters: [y] }]);
  for (const p of [x, y]) setGradient(p, [1]);
  optimizer.groups[1]!.eps = -1;
  refuse(() => optimizer.step(), "Cannot run AdamW with eps -1: it is a finite number of at least 0");
  assertEquals(await x.item(), 1); // though its own group is right
});

Deno.test("what cannot be trained is refused", () => {
  using x = parameter([1, 2]);
  using plain = tensor([1, 2], { backend });
  using made = x.mul(2);
  const refuse = (make: () => unknown, message: string) => {
    assertEquals(assertThrows(make, ShapeError).message, message);
  };
  const none = "Cannot make AdamW of no parameters: there is nothing to train; pass model.parameters()";
  refuse(() => new AdamW([]), none);
  refuse(() => new AdamW([{ parameters: [] }]), none);
  refuse(
    () => new AdamW([x, plain]),
    "Cannot make AdamW of f32 [2], parameter 1: it requires no gradient; call requiresGrad_() on it or leave it out",
  );
  refuse(
    () => new SGD([made]),
    "Cannot make SGD of f32 [2], parameter 0: an op made it, so it is no leaf; pass what it was made from",
  );
  using expanded = tidy(() => plain.unsqueeze(0).expand([3, 2])).requiresGrad_();
  refuse(
    () => new SGD([expanded]),
    "Cannot make SGD of f32 [3, 2], parameter 0: it is expanded, so its elements share memory; clone it first",
  );
  refuse(
    () => new SGD([{ parameters: [x] }, { parameters: [x] }]),
    "Cannot make SGD of f32 [2], parameter 1: it is listed twice; each parameter belongs to one group",
  );
  // the types refuse what follows, JavaScript does not
  const model = new Linear({ inFeatures: 1, outFeatures: 1 }, initialized({ backend })).requiresGrad_();
  const untyped = (parameters: unknown) => parameters as Tensor[];
  refuse(
    () => new AdamW(untyped(model)),
    "Cannot make AdamW of an object of Linear: pass its parameters(), a list of tensors",
  );
  const group = "it is neither a parameter nor a group { parameters, … }; pass model.parameters()";
  refuse(
    () => new AdamW(untyped(model.namedParameters())),
    `Cannot make AdamW of ["weight", an object of Tensor]: ${group}`,
  );
  refuse(() => new SGD(untyped([model])), `Cannot make SGD of an object of Linear: ${group}`);
  refuse(() => new SGD(untyped([{ params: [x] }])), `Cannot make SGD of an object of Object: ${group}`);
  refuse(
    () => new SGD([{ parameters: untyped([[1]]) }]),
    "Cannot make SGD of [1], parameter 0: it is no tensor; pass model.parameters()",
  );
  model.dispose();
  const mixed = [x, { parameters: [x] }] as unknown as Tensor[];
  refuse(() => new SGD(mixed), "Cannot make SGD of 1 parameters beside 1 groups: put them in a group");
});

Deno.test("a parameter that was disposed of is refused before any moves", async () => {
  using x = parameter([1]);
  const gone = parameter([1, 2]);
  using optimizer = new SGD([x, gone]);
  setGradient(x, [1]);
  gone.dispose();
  const message = "Cannot step SGD on [2]: it was disposed of; keep it out of using and tidy";
  assertEquals(assertThrows(() => optimizer.step(), BackendError).message, message);
  assertEquals(
    assertThrows(() => new SGD([gone]), BackendError).message,
    message.replace("step SGD on", "make SGD of"),
  );
  assertEquals(await x.item(), 1);
});
