/** Which kernels run, in which order, on which layouts; and operands that do not belong together. */
import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, BackendError, cat, DTypeError, tensor, trace, where, zeros } from "../mod.ts";

const backend = createScalarBackend();

Deno.test("trace lists calls in order, with what they were given", () => {
  const x = tensor([[1, 2], [3, 4]], { backend });
  const { result, calls } = trace(() => x.add(x).exp().sum({ dim: 1 }));
  assertEquals(result.shape, [2]);
  assertEquals(calls.map((c) => c.kernel), ["binary", "unary", "reduce"]);
  assertEquals(calls.map((c) => c.outputs), [["f32 [2, 2]"], ["f32 [2, 2]"], ["f32 [2]"]]);
  assertEquals(calls[0]!.inputs, ["f32 [2, 2]", "f32 [2, 2]"]);
  assertEquals(calls[0]!.attrs, { op: "add" });
});

Deno.test("views run no kernel", () => {
  const x = zeros([2, 3, 4], { backend });
  const { calls } = trace(() => {
    x.permute([2, 0, 1]).transpose(0, 1).narrow(1, 1, 2).select(0, 0).unsqueeze(0);
    x.view([6, 4]).expand([5, 6, 4]);
    x.split(1, 1);
  });
  assertEquals(calls, []);
});

Deno.test("a transposed operand of a product is read where it lies", async () => {
  const [a, b] = [tensor([[1, 2], [3, 4]], { backend }), tensor([[5, 6], [7, 8]], { backend })];
  const { result, calls } = trace(() => a.matmul(b.t()));
  assertEquals(calls.map((c) => [c.kernel, c.inputs, c.copied]), [
    ["matmul", ["f32 [2, 2]", "f32 [2, 2] strides [1, 2]"], []],
  ]);
  assertEquals(await result.toArray(), [[17, 23], [39, 53]]);
});

Deno.test("elementwise ops, reductions and softmax read strides without a copy of their own", () => {
  const x = tensor([[1, 2, 3], [4, 5, 6]], { backend });
  const row = tensor([1, 2], { backend });
  const { calls } = trace(() => {
    x.t().add(row);
    x.sum({ dim: 0 });
    x.narrow(1, 0, 2).matmul(x);
  });
  assertEquals(calls.map((c) => c.kernel), ["binary", "reduce", "matmul"]);
  assertEquals(calls.map((c) => c.copied), [[], [], []]);
  assertEquals(calls[0]!.inputs, ["f32 [3, 2] strides [1, 3]", "f32 [3, 2] strides [0, 1]"]);
});

Deno.test("contiguous copies what is strided, and only that", () => {
  const x = zeros([2, 3], { backend });
  assertEquals(trace(() => x.contiguous()).calls, []);
  assertEquals(trace(() => x.t().contiguous()).calls.map((c) => c.kernel), ["copy"]);
  assertEquals(trace(() => x.reshape([3, 2])).calls, []);
  assertEquals(trace(() => x.t().reshape([6])).calls.map((c) => c.kernel), ["copy"]);
});

Deno.test("a copy that dispatch inserts is in the trace, and does not stay alive", async () => {
  const own = createScalarBackend();
  const kernels = { ...own.kernels, matmul: { ...own.kernels.matmul, layout: "contiguous" as const } };
  const picky: Backend = new Proxy<Backend>(own, {
    get: (target, key) => {
      const value: unknown = key === "kernels" ? kernels : Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const a = tensor([[1, 2], [3, 4]], { backend: picky });
  const turned = a.t();
  const before = own.memory.liveStorages;
  const { result, calls } = trace(() => a.matmul(turned));
  assertEquals(calls.at(-1)!.copied, [1]);
  assertEquals(await result.toArray(), [[5, 11], [11, 25]]);
  assertEquals(own.memory.liveStorages, before + 1);
});

Deno.test("an inner trace's calls are the outer one's too", () => {
  const x = zeros([2], { backend });
  let inner: string[] = [];
  const { calls } = trace(() => {
    x.exp();
    inner = trace(() => x.add(x)).calls.map((c) => c.kernel);
  });
  assertEquals([inner, calls.map((c) => c.kernel)], [["binary"], ["unary", "binary"]]);
});

Deno.test("after an error a trace is over", () => {
  const x = zeros([2], { backend });
  assertThrows(() =>
    trace(() => {
      throw new Error("on purpose");
    })
  );
  assertEquals(trace(() => x.exp()).calls.length, 1);
});

Deno.test("no kernel sees a tensor without elements", () => {
  const empty = zeros([0, 3], { backend });
  assertEquals(
    trace(() => empty.add(1).exp().matmul(zeros([3, 2], { backend })).sum()).calls.every((c) => {
      return !c.inputs.some((i) => i.includes("[0"));
    }),
    true,
  );
});

Deno.test("operands of two backends are refused by name", async () => {
  const other = createScalarBackend();
  const [a, b] = [zeros([2, 2], { backend }), zeros([2, 2], { backend: other })];
  const why = "operands live on scalar and on another instance of it; move one with await t.to(backend)";
  const message = (call: () => unknown) => assertThrows(call, BackendError).message;
  assertEquals(message(() => a.add(b)), `Cannot add [2, 2] with [2, 2]: ${why}`);
  assertEquals(message(() => a.matmul(b)), `Cannot matmul [2, 2] with [2, 2]: ${why}`);
  assertEquals(message(() => cat([a, b], 0)), `Cannot cat [2, 2] with [2, 2]: ${why}`);
  assertEquals(message(() => where(a.gt(0), a, b)), `Cannot where [2, 2] with [2, 2] with [2, 2]: ${why}`);
  const moved = await b.to(backend);
  assertEquals(await a.add(moved).toArray(), [[0, 0], [0, 0]]);
});

Deno.test("a dtype that the backend lacks is refused", () => {
  const single = new Proxy<Backend>(backend, {
    get: (target, key) => key === "hasDType" ? (dtype: string) => dtype === "f32" : Reflect.get(target, key),
  });
  assertEquals(
    assertThrows(() => zeros([2], { backend: single, dtype: "f64" }), DTypeError).message,
    "Cannot make f64 [2] on scalar: it has no f64; use f32, or the scalar backend",
  );
  assertEquals(
    assertThrows(() => tensor([2], { backend: single, dtype: "bf16" }), DTypeError).message,
    'Cannot make bf16 [1] on scalar: it has no bf16; convert with to("f32") first',
  );
});
