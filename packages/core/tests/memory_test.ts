/** Who owns bytes: `using`, `tidy`, `keep`, shared storages, the budget, and the counter that tells of leaks. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, BackendError, ones, type Tensor, tensor, tidy, zeros } from "../mod.ts";

/** What is alive on a backend of the test's own. */
function alive(backend: Backend): [storages: number, bytes: number] {
  return [backend.memory.liveStorages, backend.memory.liveBytes];
}

Deno.test("using frees at the end of the block", () => {
  const backend = createScalarBackend();
  {
    using a = zeros([4], { backend });
    using b = a.add(1);
    assertEquals(b.shape, [4]);
    assertEquals(alive(backend), [2, 32]);
  }
  assertEquals(alive(backend), [0, 0]);
});

Deno.test("disposing twice is harmless, also for a view's base", () => {
  const backend = createScalarBackend();
  const a = zeros([4], { backend });
  const view = a.narrow(0, 1, 2);
  a.dispose();
  a.dispose();
  assertEquals(a.isDisposed, true);
  assertEquals(alive(backend), [1, 16]);
  view.dispose();
  assertEquals(alive(backend), [0, 0]);
});

Deno.test("views share one storage, which goes with the last of them", async () => {
  const backend = createScalarBackend();
  const a = tensor([[1, 2], [3, 4]], { backend });
  const views = [a.t(), a.view([4]), a.select(0, 1), a.expand([3, 2, 2]), a.detach()];
  assertEquals(alive(backend), [1, 16]);
  assertEquals(views.every((v) => v.storage === a.storage), true);
  a.dispose();
  assertEquals(await views[2]!.toArray(), [3, 4]);
  for (const view of views) {
    assertEquals(a.storage.isFreed, false);
    view.dispose();
  }
  assertEquals(a.storage.isFreed, true);
  assertEquals(alive(backend), [0, 0]);
});

Deno.test("tidy frees all but what it returns", async () => {
  const backend = createScalarBackend();
  const a = tensor([1, 2], { backend });
  const b = tidy(() => a.add(1).mul(2).sub(3));
  assertEquals(await b.toArray(), [1, 3]);
  assertEquals(alive(backend)[0], 2);
});

Deno.test("tidy lets tensors escape in arrays and plain objects, however deep", () => {
  const backend = createScalarBackend();
  const result = tidy(() => {
    zeros([9], { backend }); // goes
    return { list: [zeros([1], { backend }), [zeros([2], { backend })]], deep: { x: zeros([3], { backend }) }, n: 1 };
  });
  assertEquals(alive(backend), [3, 24]);
  assertEquals(result.deep.x.isDisposed, false);
});

Deno.test("what an inner tidy returns belongs to the outer one", () => {
  const backend = createScalarBackend();
  let inner: Tensor | undefined;
  const outer = tidy(() => {
    inner = tidy(() => zeros([4], { backend }).add(1));
    assertEquals([inner.isDisposed, alive(backend)[0]], [false, 1]);
    return inner.mul(2);
  });
  assertEquals([inner?.isDisposed, outer.isDisposed, alive(backend)[0]], [true, false, 1]);
});

Deno.test("a view that escapes keeps the storage of a base that does not", async () => {
  const backend = createScalarBackend();
  const row = tidy(() => ones([2, 3], { backend }).select(0, 1));
  assertEquals(await row.toArray(), [1, 1, 1]);
  row.dispose();
  assertEquals(alive(backend), [0, 0]);
});

Deno.test("keep outlives every scope", () => {
  const backend = createScalarBackend();
  let kept: Tensor | undefined;
  tidy(() => {
    tidy(() => {
      kept = zeros([4], { backend }).keep();
    });
  });
  assertEquals([kept?.isKept, kept?.isDisposed], [true, false]);
  kept?.dispose();
  assertEquals(alive(backend), [0, 0]);
});

Deno.test("tidy frees what was made before an error, and scopes go on as before", () => {
  const backend = createScalarBackend();
  const outer = tidy(() => {
    assertThrows(
      () => {
        tidy(() => {
          zeros([4], { backend });
          throw new Error("on purpose");
        });
      },
      Error,
      "on purpose",
    );
    assertEquals(alive(backend), [0, 0]);
    return zeros([1], { backend });
  });
  assertEquals(outer.isDisposed, false);
});

Deno.test("tidy refuses an async function, and frees what it had made", () => {
  const backend = createScalarBackend();
  const error = assertThrows(() => tidy(() => Promise.resolve(zeros([4], { backend }))), TypeError);
  assertEquals(
    error.message,
    "Cannot tidy an async function: its tensors outlive the call; use `using` inside it instead",
  );
  assertEquals(alive(backend), [0, 0]);
});

Deno.test("a tensor that was disposed of is refused by ops, views and reading", async () => {
  const backend = createScalarBackend();
  const [a, b] = [zeros([2, 3], { backend }), zeros([2, 3], { backend })];
  b.dispose();
  assertEquals(
    assertThrows(() => a.add(b), BackendError).message,
    "Cannot add [2, 3] with [2, 3]: operand 1 was disposed of",
  );
  const gone = (op: string) => `Cannot ${op} [2, 3]: it was disposed of; keep it out of using and tidy`;
  assertEquals(assertThrows(() => b.view([6]), BackendError).message, gone("view"));
  assertEquals(assertThrows(() => b.unsqueeze(0), BackendError).message, gone("unsqueeze"));
  assertEquals(assertThrows(() => b.detach(), BackendError).message, gone("detach"));
  assertEquals(assertThrows(() => b.dataSync(), BackendError).message, gone("read"));
  assertEquals((await assertRejects(() => b.data(), BackendError)).message, gone("read"));
  assertThrows(() => b.sum(), BackendError, "was disposed of");
  assertThrows(() => b.transpose(0, 1), BackendError, "was disposed of");
  assertThrows(() => b.clone(), BackendError, "was disposed of");
});

Deno.test("the budget refuses what does not fit, names the largest, and lets go on after a dispose", () => {
  const backend = createScalarBackend({ memoryBudgetBytes: 100 });
  const small = zeros([2], { backend });
  const large = zeros([4, 4], { backend });
  const error = assertThrows(() => zeros([8], { backend }), BackendError);
  assertEquals(
    error.message,
    "Cannot allocate f32 [8] on scalar: 32 bytes more than the 72 live ones would pass the budget of 100; " +
      "largest live tensors: f32 [4, 4] (64 bytes), f32 [2] (8 bytes); " +
      "dispose of tensors (using, tidy) or raise memoryBudgetBytes",
  );
  assertEquals(alive(backend), [2, 72]);
  large.dispose();
  using fits = zeros([8], { backend });
  assertEquals([fits.isDisposed, small.isDisposed], [false, false]);
  assertEquals(alive(backend), [2, 40]);
});

Deno.test("the account knows the peak and the largest, and forgets what was freed", () => {
  const backend = createScalarBackend();
  const [a, b, c] = [zeros([1], { backend }), zeros([3], { backend }), zeros([2], { backend })];
  assertEquals(backend.memory.largest(2), ["f32 [3] (12 bytes)", "f32 [2] (8 bytes)"]);
  b.dispose(); // from the middle of the list
  assertEquals(backend.memory.largest(), ["f32 [2] (8 bytes)", "f32 [1] (4 bytes)"]);
  c.dispose();
  a.dispose();
  assertEquals(backend.memory.largest(), []);
  assertEquals([backend.memory.peakBytes, ...alive(backend)], [24, 0, 0]);
});

Deno.test("no storage is left by a mixed computation in one tidy", () => {
  const backend = createScalarBackend();
  tidy(() => {
    const x = ones([4, 6], { backend });
    const [left, right] = x.softmax(1).split(3, 1);
    const product = left!.matmul(right!.t()).reshape([2, 8]).cat([zeros([1, 8], { backend })], 0);
    product.sort().values.sum({ dim: [0, 1] }).add(product.amax());
  });
  assertEquals(alive(backend), [0, 0]);
});
