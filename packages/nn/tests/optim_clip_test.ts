/** Gradient clipping: norms of every order, one factor for all, and what is refused. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type DType, ShapeError, type Tensor, tensor, trace } from "../../core/mod.ts";
import { clipGradNorm_, gradNorm } from "../mod.ts";

const backend = createScalarBackend();

/** A parameter whose gradient is `values`. */
function withGradient(values: number[], dtype: DType = "f32"): Tensor {
  using gradient = tensor(values, { backend, dtype });
  const parameter = tensor(values, { backend, dtype }).requiresGrad_();
  parameter.backward({ gradient });
  return parameter;
}

async function gradientOf(parameter: Tensor): Promise<number[]> {
  return [...await parameter.grad!.data()];
}

Deno.test("the norm is that of all gradients as one vector, of any order", async () => {
  using a = withGradient([3, -4]);
  using b = withGradient([12]);
  for (const [normType, want] of [[1, 19], [2, 13], [3, (27 + 64 + 1728) ** (1 / 3)], [Infinity, 12]] as const) {
    using norm = gradNorm([a, b], normType);
    assertEquals(norm.shape, []);
    assertAlmostEquals(await norm.item(), want, 1e-5, `order ${normType}`);
  }
});

Deno.test("gradients above the norm are scaled together, those below stay", async () => {
  using a = withGradient([3, -4]);
  using b = withGradient([12]);
  using without = tensor([1], { backend }).requiresGrad_();
  using total = clipGradNorm_([a, b, without], 6.5);
  assertEquals(await total.item(), 13);
  const [x, y] = [...await gradientOf(a), ...await gradientOf(b)];
  assertAlmostEquals(x!, 1.5, 1e-6);
  assertAlmostEquals(y!, -2, 1e-6);
  assertEquals(without.grad, undefined);
  const before = await gradientOf(a);
  using again = clipGradNorm_([a, b], 7);
  assertAlmostEquals(await again.item(), 6.5, 1e-5);
  assertEquals(await gradientOf(a), before);
  using largest = clipGradNorm_([a, b], 0, { normType: Infinity });
  assertAlmostEquals(await largest.item(), 6, 1e-5);
  assertEquals(await gradientOf(b), [0]);
});

Deno.test("gradients that share their elements are scaled once", async () => {
  using a = tensor([1, 1], { backend }).requiresGrad_();
  using b = tensor([1, 1], { backend }).requiresGrad_();
  using weights = tensor([3, 4], { backend });
  using sum = a.add(b);
  sum.backward({ gradient: weights }); // both gradients are the weights
  clipGradNorm_([a, b], Math.sqrt(50) / 2).dispose();
  for (const value of [...await gradientOf(a), ...await gradientOf(b)].map((x, i) => x / [1.5, 2, 1.5, 2][i]!)) {
    assertAlmostEquals(value, 1, 1e-6);
  }
  assertEquals(await weights.toArray(), [3, 4]);
});

Deno.test("an expanded gradient is scaled too", async () => {
  using x = tensor([5, 5, 5, 5], { backend }).requiresGrad_();
  using sum = x.sum();
  sum.backward();
  clipGradNorm_([x], 1).dispose();
  for (const value of await gradientOf(x)) assertAlmostEquals(value, 0.5, 1e-6);
});

Deno.test("halves are summed in f32, and stay halves", async () => {
  using x = withGradient([300, 400], "f16"); // 400 squared is more than f16 holds
  using total = clipGradNorm_([x], 5);
  assertEquals(total.dtype, "f32");
  assertEquals(await total.item(), 500);
  assertEquals(x.grad!.dtype, "f16");
  assertEquals(await gradientOf(x), [3, 4]);
});

Deno.test("a norm that is not finite spoils the gradients, or throws where asked to", async () => {
  using x = withGradient([1, NaN]);
  using fine = withGradient([2]);
  const options = { errorIfNonfinite: true };
  const message = "Cannot clipGradNorm_ 2 parameters: the norm of order 2 of their gradients is NaN; " +
    "skip the step, or leave out errorIfNonfinite";
  assertEquals(assertThrows(() => clipGradNorm_([x, fine], 1, options), ShapeError).message, message);
  assertEquals(await gradientOf(fine), [2]);
  clipGradNorm_([fine], 1, options).dispose();
  clipGradNorm_([x, fine], 1).dispose();
  assertEquals(await gradientOf(fine), [NaN]);
});

Deno.test("without gradients the norm is 0", async () => {
  using x = tensor([1], { backend }).requiresGrad_();
  using total = clipGradNorm_([x], 1);
  assertEquals(await total.item(), 0);
});

Deno.test("clipping leaves the norm and nothing else, and reads nothing", () => {
  using x = withGradient([3, 4]);
  using y = withGradient([3, 4]);
  const before = backend.memory.liveStorages;
  const download = backend.downloadSync;
  backend.downloadSync = () => {
    throw new Error("nothing is read");
  };
  try {
    const { result: total, calls } = trace(() => clipGradNorm_([x, y], 1));
    assertEquals(calls.length > 0, true);
    assertEquals(backend.memory.liveStorages, before + 1);
    total.dispose();
  } finally {
    if (download !== undefined) backend.downloadSync = download;
  }
});

Deno.test("wrong settings are refused", () => {
  using x = withGradient([1]);
  const refuse = (clip: () => unknown, message: string) => {
    assertEquals(assertThrows(clip, ShapeError).message, message);
  };
  refuse(() => clipGradNorm_([], 1), "Cannot take gradNorm of no parameters: pass model.parameters()");
  refuse(() => clipGradNorm_([x], -1), "Cannot clipGradNorm_ 1 parameters to -1: maxNorm is at least 0");
  refuse(() => clipGradNorm_([x], NaN), "Cannot clipGradNorm_ 1 parameters to NaN: maxNorm is at least 0");
  const one = x as unknown as Iterable<Tensor>; // the types refuse it, JavaScript does not
  refuse(
    () => clipGradNorm_(one, 1),
    "Cannot clipGradNorm_ an object of Tensor: pass its parameters(), a list of tensors",
  );
  const order = "Cannot take gradNorm of 1 parameters with normType 0: it is above 0";
  refuse(() => clipGradNorm_([x], 1, { normType: 0 }), order);
});
