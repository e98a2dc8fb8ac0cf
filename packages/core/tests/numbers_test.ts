/** What numbers and dtypes beside tensors are refused, and that a number which a half holds costs no cast. */
import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { crossEntropy, DTypeError, logsumexp, mean, std, tensor, trace, variance, vectorNorm } from "../mod.ts";

const backend = createScalarBackend();

function message(fn: () => unknown): string {
  return assertThrows(fn, DTypeError).message;
}

Deno.test("an exponent must fit the ints that it raises", () => {
  const u8 = tensor([3], { backend, dtype: "u8" });
  assertEquals(
    message(() => u8.pow(-1)),
    'Cannot pow u8 [1] with -1: the exponent does not fit u8; use to("f32")',
  );
  assertEquals(
    message(() => u8.to("i32").pow(2 ** 31)),
    'Cannot pow i32 [1] with 2147483648: the exponent does not fit i32; use to("f32")',
  );
});

Deno.test("a statistic of ints, or in ints, is refused", () => {
  const ints = tensor([1, 2], { backend, dtype: "i32" });
  for (const [name, op] of Object.entries({ mean, variance, std, vectorNorm })) {
    assertEquals(message(() => op(ints)), `Cannot ${name} i32 [2]: it takes floats; use to("f32")`);
  }
  for (const [name, op] of Object.entries({ mean, variance, std, vectorNorm, logsumexp })) {
    assertEquals(
      message(() => op(ints.to("f32"), { dtype: "i32" })),
      `Cannot ${name} f32 [2] in i32: its results are floats; use "f32"`,
    );
  }
});

Deno.test("arithmetic of a half is in f32 only with a number that the half would round", () => {
  const x = tensor([1, 2], { backend, dtype: "f16" });
  const kernels = (fn: () => unknown) => trace(fn).calls.map(({ kernel }) => kernel);
  assertEquals(kernels(() => x.mul(0.125)), ["fill", "binary"]);
  assertEquals(kernels(() => x.maximum(0.1)), ["fill", "binary"]);
  assertEquals(kernels(() => x.mul(0.1)), ["fill", "copy", "binary", "copy"]);
});

Deno.test("crossEntropy of u8 targets counts class 0", async () => {
  const logits = tensor([[0, 1], [0, 1]], { backend });
  const [u8, i32] = (["u8", "i32"] as const).map((dtype) => tensor([0, 1], { backend, dtype }));
  assertEquals(await crossEntropy(logits, u8!).item(), await crossEntropy(logits, i32!).item());
});
