/** The backward pass: what it refuses, what it adds up, and what `using`, `tidy` and writes do to a graph. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  BackendError,
  DTypeError,
  gradcheck,
  gradients,
  isGradEnabled,
  noGrad,
  ones,
  ShapeError,
  type Tensor,
  tensor,
  tidy,
  where,
  zeros,
} from "../mod.ts";

const backend = createScalarBackend();

function parameter(values: number | number[] | number[][]): Tensor {
  return tensor(values, { backend }).requiresGrad_();
}

Deno.test("ints have no gradient", () => {
  const x = tensor([1, 2], { backend, dtype: "i32" });
  const error = assertThrows(() => x.requiresGrad_(), DTypeError);
  assertEquals(error.message, "Cannot require a gradient of i32 [2]: only floats have one");
  assertEquals(x.requiresGrad_(false).requiresGrad, false);
});

Deno.test("backward wants a scalar or a gradient of the same shape", async () => {
  const x = parameter([1, 2, 3]);
  const y = x.mul(2);
  assertEquals(
    assertThrows(() => y.backward(), ShapeError).message,
    "Cannot go backward from [3]: only a scalar starts by itself; pass { gradient } of its shape",
  );
  assertEquals(
    assertThrows(() => y.backward({ gradient: ones([2], { backend }) }), ShapeError).message,
    "Cannot go backward from [3] with a gradient [2]: shapes differ",
  );
  y.backward({ gradient: tensor([1, 10, 100], { backend }) });
  assertEquals(await x.grad!.toArray(), [2, 20, 200]);
});

Deno.test("backward wants something that requires a gradient", () => {
  assertEquals(
    assertThrows(() => zeros([], { backend }).backward(), ShapeError).message,
    "Cannot go backward from []: nothing it was made from requires a gradient",
  );
});

Deno.test("a second pass needs retainGraph in the first", async () => {
  const x = parameter([1, 2]);
  const y = x.mul(x).sum();
  y.backward({ retainGraph: true });
  y.backward();
  assertEquals(await x.grad!.toArray(), [4, 8]); // both passes added up
  assertEquals(
    assertThrows(() => y.backward(), BackendError).message,
    "Cannot go backward through sum [] twice: what it saved was released; pass { retainGraph: true } the first time",
  );
});

Deno.test("what was written to after it was saved is refused", () => {
  const x = parameter([1, 2]);
  const factor = tensor([3, 4], { backend });
  const saved = factor.storage.version;
  const y = x.mul(factor).sum();
  factor.fill_(0);
  assertEquals(
    assertThrows(() => y.backward(), BackendError).message,
    "Cannot go backward through mul [2]: its operand [2] was written to after it was used " +
      `(version ${factor.storage.version}, saved at ${saved}); go backward before writing to it (a cache's append writes), or write to a copy`,
  );
});

Deno.test("a write through a view is seen, and a write to what was not saved is no harm", async () => {
  const x = parameter([1, 2]);
  const factor = tensor([[3, 4], [5, 6]], { backend });
  const y = x.mul(factor.select(0, 0)).sum();
  factor.select(0, 1).fill_(0); // the same storage, as in PyTorch
  assertThrows(() => y.backward(), BackendError, "was written to");
  const z = x.add(factor.select(0, 0)).sum();
  factor.fill_(9);
  z.backward();
  assertEquals(await x.grad!.toArray(), [1, 1]);
});

Deno.test("what requires a gradient is written by a detached alias, or without gradients", async () => {
  const w = parameter([1, 2]);
  const out = zeros([4], { backend });
  const tripled = w.mul(3);
  const error = assertThrows(() => out.narrow(0, 0, 2).copy_(tripled), DTypeError);
  assertEquals(
    error.message,
    "Cannot copy [2] into [2]: the source requires a gradient, and none flows through writing; use cat, where or " +
      "scatter, or copy source.detach()",
  );
  assertEquals(await out.toArray(), [0, 0, 0, 0]);
  out.narrow(0, 0, 2).copy_(tripled.detach());
  noGrad(() => out.narrow(0, 2, 2).copy_(w));
  assertEquals(await out.toArray(), [3, 6, 1, 2]);
  w.mul(3).cat([zeros([2], { backend })]).sum().add(w.sum()).backward(); // the way that the message names
  assertEquals(await w.grad!.toArray(), [4, 4]);
});

Deno.test("a parameter refuses writes; its detached alias takes them", async () => {
  const x = parameter([1, 2]);
  assertThrows(() => x.fill_(0), DTypeError, "write to target.detach()");
  x.detach().fill_(5);
  assertEquals(await x.toArray(), [5, 5]);
});

Deno.test("gradients survive using and tidy of what lies between", async () => {
  const x = parameter([1, 2, 3]);
  {
    using squared = x.mul(x);
    using loss = tidy(() => squared.exp().log().mul(2).sum());
    squared.dispose();
    loss.backward();
  }
  const grad = await x.grad!.data();
  [4, 8, 12].forEach((want, i) => assertEquals(Math.abs(grad[i]! - want) < 1e-4, true));
});

Deno.test("a forgotten graph frees what it saved", () => {
  const own = createScalarBackend();
  const x = ones([8], { backend: own }).requiresGrad_();
  const loss = tidy(() => x.exp().mul(x).sum());
  assertEquals(own.memory.liveStorages > 2, true);
  loss.dispose();
  assertEquals(own.memory.liveStorages, 1);
});

Deno.test("a pass leaves gradients and nothing else", () => {
  const own = createScalarBackend();
  const x = ones([8], { backend: own }).requiresGrad_();
  {
    using loss = tidy(() => x.softmax(0).mul(x).sum());
    loss.backward();
  }
  assertEquals(own.memory.liveStorages, 2); // x and its gradient
  x.dispose();
  assertEquals(own.memory.liveStorages, 0);
});

Deno.test("noGrad records nothing, nests, and comes back after an error", () => {
  const x = parameter([1]);
  assertEquals(noGrad(() => noGrad(() => isGradEnabled()) || isGradEnabled()), false);
  assertEquals(noGrad(() => x.mul(2)).requiresGrad, false);
  assertThrows(() =>
    noGrad(() => {
      throw new Error("on purpose");
    })
  );
  assertEquals([isGradEnabled(), x.mul(2).requiresGrad], [true, true]);
});

Deno.test("noGrad refuses an async function", () => {
  const error = assertThrows(() => noGrad(() => Promise.resolve(1)), TypeError);
  assertEquals(
    error.message,
    "Cannot run an async function under noGrad: it outlives the call; wrap its parts instead",
  );
  assertEquals(isGradEnabled(), true);
});

Deno.test("gradients gives zeros for what the loss does not depend on, and changes nobody's grad", async () => {
  const [x, y, stranger] = [parameter([1, 2]), parameter([3, 4]), parameter([[5], [6]])];
  const inner = x.mul(y);
  const [dx, dStranger, dInner] = gradients(inner.mul(inner).sum(), [x, stranger, inner]);
  assertEquals(await dx!.toArray(), [18, 64]);
  assertEquals(await dStranger!.toArray(), [[0], [0]]);
  assertEquals(await dInner!.toArray(), [6, 16]);
  assertEquals([x.grad, y.grad, dx!.requiresGrad], [undefined, undefined, false]);
});

Deno.test("broadcasting is undone", async () => {
  const [column, row, scalar] = [parameter([[1], [2]]), parameter([1, 2, 3]), parameter(2)];
  column.mul(row).mul(scalar).sum().backward();
  assertEquals(await column.grad!.toArray(), [[12], [12]]);
  assertEquals(await row.grad!.toArray(), [6, 6, 6]);
  assertEquals(await scalar.grad!.item(), 18);
});

Deno.test("paths that meet again add up", async () => {
  const x = parameter(3);
  const a = x.mul(2);
  const b = a.add(a.mul(a)); // through a twice
  b.mul(x).backward(); // x (2x + 4x²): 4x + 12x²
  assertEquals(await x.grad!.item(), 120);
});

Deno.test("passes add up until zeroGrad", async () => {
  const x = parameter([1, 2]);
  const pass = () => x.mul(3).sum().backward();
  pass();
  pass();
  assertEquals(await x.grad!.toArray(), [6, 6]);
  x.zeroGrad();
  assertEquals(x.grad, undefined);
  pass();
  assertEquals(await x.grad!.toArray(), [3, 3]);
});

Deno.test("detach and requiresGrad_(false) end the graph", async () => {
  const x = parameter([2]);
  x.mul(x.detach()).sum().backward();
  assertEquals(await x.grad!.toArray(), [2]);
  x.requiresGrad_(false);
  assertEquals([x.requiresGrad, x.grad, x.mul(2).requiresGrad], [false, undefined, false]);
});

Deno.test("the gradient has the parameter's dtype", () => {
  const half = tensor([1, 2], { backend, dtype: "f16" }).requiresGrad_();
  half.to("f32").mul(tensor([0.5, 4], { backend })).sum().backward();
  assertEquals([half.grad!.dtype, half.grad!.requiresGrad], ["f16", false]);
});

Deno.test("where passes 0 to what it does not choose, of which log's own gradient makes NaN, as in PyTorch", async () => {
  const x = parameter([0, 4]);
  where(x.gt(0), x.log(), 0).sum().backward();
  assertEquals(await x.grad!.toArray(), [NaN, 0.25]);
});

Deno.test("a chain of 20,000 ops neither overflows the stack nor leaks", async () => {
  const own = createScalarBackend();
  const x = tensor(1, { backend: own }).requiresGrad_();
  let y: Tensor = x.add(0);
  for (let i = 0; i < 20_000; i++) {
    using before = y;
    y = before.add(1);
  }
  y.backward();
  assertEquals(await x.grad!.item(), 1);
  y.dispose();
  assertEquals(own.memory.liveStorages, 2);
});

Deno.test("gradcheck takes a right gradient and refuses f32", async () => {
  const f64 = (values: number[]) => tensor(values, { backend, dtype: "f64" });
  await gradcheck((a, b) => a!.mul(b!).exp(), [f64([0.1, -0.2]), f64([0.3, 0.4])]);
  const error = await assertRejects(() => gradcheck((a) => a!, [ones([2], { backend })]), DTypeError);
  assertEquals(error.message, "Cannot gradcheck f32 [2]: differences want f64");
});

Deno.test("gradcheck names the element whose gradient is wrong", async () => {
  const x = tensor([0.5, 2], { backend, dtype: "f64" });
  const halfOfIt = (a: Tensor) => a.mul(a.detach()); // a² with one of the two paths cut
  await assertRejects(
    () => gradcheck((a) => halfOfIt(a!), [x]),
    ShapeError,
    "The gradient of input 0 [2] at element 0 is ",
  );
});

Deno.test("gradients at zeros: products divide by nothing, norms have none", async () => {
  const backend = createScalarBackend();
  using x = tensor([[2, 0, 3, 0, 4], [1, 2, 0, 3, 5]], { backend, dtype: "f64" });
  await gradcheck((a) => a.cumprod(1), [x]);
  await gradcheck((a) => a.cumprod(0), [x]);
  for (const p of [2, 3]) {
    using zero = tensor([0, 0], { backend, dtype: "f64" }).requiresGrad_();
    using norm = zero.vectorNorm({ p });
    norm.backward();
    assertEquals(Array.from(await zero.grad!.data()), [0, 0]);
  }
});
