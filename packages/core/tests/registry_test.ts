/** A registry takes the first backend that is there, says why others are not, and never one that was not named. */
import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { BackendError, BackendRegistry } from "../mod.ts";

function absent(reason: string): () => never {
  return () => {
    throw new BackendError(reason);
  };
}

function registry(): BackendRegistry {
  return new BackendRegistry()
    .register("gpu", absent("no adapter"))
    .register("simd", absent("no SIMD"))
    .register("plain", () => createScalarBackend())
    .register("later", () => Promise.resolve(createScalarBackend()));
}

Deno.test("names come in the order of registration", () => {
  assertEquals(registry().names, ["gpu", "simd", "plain", "later"]);
});

Deno.test("the first that is there is taken; those before it are told in order", async () => {
  const { backend, skipped } = await registry().create(["simd", "gpu", "plain", "later"]);
  assertEquals(backend.name, "scalar");
  assertEquals(skipped, [{ name: "simd", reason: "no SIMD" }, { name: "gpu", reason: "no adapter" }]);
});

Deno.test("one name needs no list, and a factory may be asynchronous", async () => {
  const { backend, skipped } = await registry().create("later");
  assertEquals([backend.name, skipped.length], ["scalar", 0]);
});

Deno.test("options reach the factory as they are", async () => {
  const given = { memoryBudgetBytes: 8 };
  let seen: unknown;
  const own = new BackendRegistry().register("plain", (options) => {
    seen = options;
    return createScalarBackend();
  });
  await own.create("plain", given);
  assertStrictEquals(seen, given);
});

Deno.test("an unknown name is refused before any factory runs", async () => {
  let made = 0;
  const own = new BackendRegistry().register("plain", () => {
    made++;
    return createScalarBackend();
  });
  const error = await assertRejects(() => own.create(["plain", "cuda"]), BackendError);
  assertEquals(error.message, 'Cannot create backend "cuda": it is unknown; known are plain');
  assertEquals(made, 0);
});

Deno.test("options in the place of names are refused", async () => {
  const options = { threads: 2 } as unknown as string; // from JavaScript
  const error = await assertRejects(() => registry().create(options), BackendError);
  assertEquals(
    error.message,
    "Cannot create a backend by an object of Object: names come first, of gpu, simd, plain, later, then options",
  );
});

Deno.test("none there: the reason of each, and no other backend instead", async () => {
  const error = await assertRejects(() => registry().create(["gpu", "simd"]), BackendError);
  assertEquals(
    error.message,
    "Cannot create a backend: none of those named is there.\n  gpu: no adapter\n  simd: no SIMD",
  );
});

Deno.test("no name at all is refused", async () => {
  const error = await assertRejects(() => registry().create([]), BackendError);
  assertEquals(error.message, "Cannot create a backend: no name was given; known are gpu, simd, plain, later");
});

Deno.test("a name can be taken once", () => {
  const error = assertThrows(() => registry().register("gpu", () => createScalarBackend()), BackendError);
  assertEquals(error.message, 'Cannot register backend "gpu": the name is taken');
});

Deno.test("a fault in a factory is no reason to go on", async () => {
  const own = new BackendRegistry().register("broken", () => {
    throw new TypeError("a fault");
  }).register("plain", () => createScalarBackend());
  await assertRejects(() => own.create(["broken", "plain"]), TypeError, "a fault");
});
