/** Making tensors: what values, bytes, ranges and seeds give, and in which dtype. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  arange,
  BackendError,
  DTypeError,
  eye,
  fromBytes,
  full,
  linspace,
  ones,
  onesLike,
  quantizeBlocks,
  rand,
  randint,
  randn,
  setDefaultBackend,
  ShapeError,
  tensor,
  tensorFromPieces,
  zeros,
  zerosLike,
} from "../mod.ts";

const backend = createScalarBackend();

Deno.test("tensor: shape and dtype come from the values", async () => {
  const cases = [
    { x: tensor(3, { backend }), shape: [], dtype: "f32", values: 3 },
    { x: tensor([[1, 2], [3, 4]], { backend }), shape: [2, 2], dtype: "f32", values: [[1, 2], [3, 4]] },
    { x: tensor([true, false], { backend }), shape: [2], dtype: "bool", values: [1, 0] },
    { x: tensor([0, 5], { backend, dtype: "bool" }), shape: [2], dtype: "bool", values: [0, 1] },
    { x: tensor(Int32Array.of(1, 2), { backend }), shape: [2], dtype: "i32", values: [1, 2] },
    { x: tensor(Uint8Array.of(255), { backend }), shape: [1], dtype: "u8", values: [255] },
    { x: tensor(Float64Array.of(0.1), { backend }), shape: [1], dtype: "f64", values: [0.1] },
    { x: tensor(Float32Array.of(1, 2), { backend, shape: [2, 1] }), shape: [2, 1], dtype: "f32", values: [[1], [2]] },
    { x: tensor([1.5, -2], { backend, dtype: "bf16" }), shape: [2], dtype: "bf16", values: [1.5, -2] },
    { x: tensor([], { backend }), shape: [0], dtype: "f32", values: [] },
    { x: tensor([[], []], { backend }), shape: [2, 0], dtype: "f32", values: [[], []] },
  ];
  for (const { x, shape, dtype, values } of cases) {
    assertEquals([x.shape, x.dtype, await x.toArray()], [shape, dtype, values]);
  }
});

Deno.test("tensor: every typed array keeps its numbers, in the dtype that is nearest", async () => {
  class Bytes extends Uint8Array {} // as Node's Buffer
  const cases = [
    { x: tensor(Uint8ClampedArray.of(0, 255), { backend }), dtype: "u8", values: [0, 255] },
    { x: tensor(Bytes.of(1, 255), { backend }), dtype: "u8", values: [1, 255] },
    { x: tensor(Int8Array.of(-128, 127), { backend }), dtype: "i32", values: [-128, 127] },
    { x: tensor(Int16Array.of(-300, 300), { backend }), dtype: "i32", values: [-300, 300] },
    { x: tensor(Uint16Array.of(0, 65535), { backend }), dtype: "i32", values: [0, 65535] },
    { x: tensor(Uint32Array.of(0, 2147483647), { backend }), dtype: "i32", values: [0, 2147483647] },
    { x: tensor(BigInt64Array.of(-5n, 70000n), { backend }), dtype: "i32", values: [-5, 70000] },
    { x: tensor(BigUint64Array.of(7n), { backend }), dtype: "i32", values: [7] },
    { x: tensor(BigInt64Array.of(3000000000n), { backend, dtype: "f64" }), dtype: "f64", values: [3e9] },
    { x: tensor(Uint32Array.of(3000000000), { backend, dtype: "f64" }), dtype: "f64", values: [3e9] },
    { x: tensor(Int32Array.of(7, 255), { backend, dtype: "u8" }), dtype: "u8", values: [7, 255] },
  ];
  for (const { x, dtype, values } of cases) assertEquals([x.dtype, await x.toArray()], [dtype, values]);
});

Deno.test({
  name: "tensor: a Float16Array is f16",
  ignore: !("Float16Array" in globalThis),
  fn: async () => {
    using x = tensor(Float16Array.of(0.1, -65504, Infinity, -0), { backend });
    assertEquals([x.dtype, await x.toArray()], ["f16", [0.0999755859375, -65504, Infinity, -0]]);
  },
});

Deno.test("tensor: fractions given to an int dtype are cut off, as in PyTorch", async () => {
  assertEquals(await tensor([1.7, -1.7], { backend, dtype: "i32" }).toArray(), [1, -1]);
  assertEquals(await tensor(Float32Array.of(-0.5, 255.5), { backend, dtype: "u8" }).toArray(), [0, 255]);
});

Deno.test("tensor: a value that the dtype does not hold is refused, with its place", () => {
  const own = createScalarBackend();
  const i32 = "whole numbers from -2147483648 to 2147483647; clamp it first, or use f32";
  const u8 = "whole numbers from 0 to 255; clamp it first, or use f32";
  const cases: readonly [make: () => unknown, message: string][] = [
    [
      () => tensor([1, 3e9], { backend: own, dtype: "i32" }),
      `Cannot make i32 [2] with 3000000000 at [1]: it holds ${i32}`,
    ],
    [() => tensor(NaN, { backend: own, dtype: "i32" }), `Cannot make i32 [] with NaN at []: it holds ${i32}`],
    [
      () => tensor([-Infinity], { backend: own, dtype: "u8" }),
      `Cannot make u8 [1] with -Infinity at [0]: it holds ${u8}`,
    ],
    [
      () => tensor([[300, -1]], { backend: own, dtype: "u8" }),
      `Cannot make u8 [1, 2] with 300 at [0, 0]: it holds ${u8}`,
    ],
    [
      () => tensor(Int32Array.of(1, 2, 3, 4, -1, 6), { backend: own, dtype: "u8", shape: [2, 3] }),
      `Cannot make u8 [2, 3] with -1 at [1, 1]: it holds ${u8}`,
    ],
    [
      () => tensor(Uint32Array.of(1, 2147483648), { backend: own }),
      `Cannot make i32 [2] with 2147483648 at [1]: it holds ${i32}`,
    ],
    [
      () => tensor(BigInt64Array.of(-(2n ** 40n)), { backend: own }),
      `Cannot make i32 [1] with -1099511627776 at [0]: it holds ${i32}`,
    ],
    [
      () => tensor(new DataView(new ArrayBuffer(8)) as never, { backend: own }),
      "Cannot make a tensor of a DataView: it takes typed arrays, as Float32Array; use fromBytes for bytes",
    ],
  ];
  for (const [make, message] of cases) assertEquals(assertThrows(make, DTypeError).message, message);
  assertEquals(own.memory.liveStorages, 0);
});

Deno.test("tensor: rows that differ are refused, at any depth", () => {
  const refuse = (values: number[][][] | (number | number[])[]) =>
    assertThrows(() => tensor(values, { backend }), ShapeError).message;
  assertEquals(refuse([[[1, 2], [3]]]), "Cannot make a tensor: rows of shapes [2] and [1] differ");
  assertEquals(refuse([1, [2]]), "Cannot make a tensor: rows of shapes [] and [1] differ");
});

Deno.test("tensor: blocks come as bytes", async () => {
  assertThrows(() => tensor([1], { backend, dtype: "q4_0" }), DTypeError, "use fromBytes(quantizeBlocks(");
  assertThrows(() => zeros([32], { backend, dtype: "q4_0" }), DTypeError, "blocks come from files or quantizeBlocks");
  const bytes = quantizeBlocks("q8_0", Float32Array.from({ length: 32 }, (_, i) => i - 16));
  using blocks = fromBytes(bytes, [1, 32], "q8_0", { backend });
  assertEquals(await blocks.data(), bytes);
  assertThrows(() => fromBytes(bytes, [2, 16], "q8_0", { backend }), DTypeError, "its rows are no whole blocks of 32");
});

Deno.test("fromBytes: a wrong number of bytes is refused, and nothing stays", () => {
  const own = createScalarBackend();
  const error = assertThrows(() => fromBytes(new Uint8Array(7), [2], "f32", { backend: own }), ShapeError);
  assertEquals(error.message, "Cannot make f32 [2] of 7 bytes: it takes 8");
  assertEquals(own.memory.liveStorages, 0);
});

Deno.test("tensorFromPieces: a constant is not written to, a trainable tensor is", async () => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(8);
  }
  using constant = await tensorFromPieces([2], "f32", pieces(), { backend });
  assertThrows(
    () => constant.fill_(1),
    BackendError,
    "Cannot fill [2]: the target is a constant, as loaded weights are; load it with { trainable: true }",
  );
  using trainable = await tensorFromPieces([2], "f32", pieces(), { backend, constant: false });
  assertEquals(await trainable.fill_(1).toArray(), [1, 1]);
});

Deno.test("tensorFromPieces: pieces cut anywhere", async () => {
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
  async function* pieces(...cuts: number[]): AsyncGenerator<Uint8Array> {
    for (let i = 0; i + 1 < cuts.length; i++) yield await Promise.resolve(bytes.slice(cuts[i], cuts[i + 1]));
  }
  const own = createScalarBackend();
  const load = (...cuts: number[]) => tensorFromPieces([3], "f32", pieces(...cuts), { backend: own });
  using x = await load(0, 1, 1, 7, 12);
  assertEquals(await x.toArray(), [1, 2, 3]);
  const message = async (...cuts: number[]) => (await assertRejects(() => load(...cuts), ShapeError)).message;
  assertEquals(await message(0, 5), "Cannot load f32 [3]: it takes 12 bytes, and 5 came");
  assertEquals(await message(0, 12, 0, 1), "Cannot load f32 [3]: it takes 12 bytes, and more came");
  assertEquals(own.memory.liveStorages, 1);
});

Deno.test("constants", async () => {
  assertEquals(await zeros([2], { backend, dtype: "i32" }).toArray(), [0, 0]);
  assertEquals(await ones([2, 0], { backend }).toArray(), [[], []]);
  assertEquals(await full([2], 7, { backend }).toArray(), [7, 7]);
  const half = full([1, 2], 3, { backend, dtype: "f16" });
  const [zero, one] = [zerosLike(half), onesLike(half)];
  assertEquals([zero.dtype, one.dtype, await zero.toArray(), await one.toArray()], ["f16", "f16", [[0, 0]], [[1, 1]]]);
});

Deno.test("arange", async () => {
  const cases = [
    { x: arange(3, undefined, 1, { backend }), dtype: "i32", values: [0, 1, 2] },
    { x: arange(2, 7, 2, { backend }), dtype: "i32", values: [2, 4, 6] },
    { x: arange(3, 0, -1, { backend }), dtype: "i32", values: [3, 2, 1] },
    { x: arange(0, 1, 0.25, { backend }), dtype: "f32", values: [0, 0.25, 0.5, 0.75] },
    { x: arange(5, 5, 1, { backend }), dtype: "i32", values: [] },
    { x: arange(0, 2, 1, { backend, dtype: "f64" }), dtype: "f64", values: [0, 1] },
  ];
  for (const { x, dtype, values } of cases) assertEquals([x.dtype, await x.toArray()], [dtype, values]);
  assertThrows(
    () => arange(0, 3, 0, { backend }),
    ShapeError,
    "Cannot arange from 0 to 3 by 0: the step leads elsewhere",
  );
});

Deno.test("linspace and eye", async () => {
  assertEquals(await linspace(0, 1, 5, { backend }).toArray(), [0, 0.25, 0.5, 0.75, 1]);
  assertEquals(await linspace(3, 9, 1, { backend }).toArray(), [3]);
  assertEquals(await linspace(3, 9, 0, { backend }).toArray(), []);
  assertEquals(await eye(2, undefined, { backend }).toArray(), [[1, 0], [0, 1]]);
  assertEquals(await eye(2, 3, { backend, dtype: "i32" }).toArray(), [[1, 0, 0], [0, 1, 0]]);
  const own = createScalarBackend();
  using x = eye(4, 4, { backend: own });
  assertEquals([x.numel, own.memory.liveStorages], [16, 1]);
});

Deno.test("the same seed gives the same draws, another seed others", async () => {
  const draw = async (seed: number) => [
    await rand([8], { backend, seed }).data(),
    await randn([8], { backend, seed }).data(),
    await randint(-3, 4, [8], { backend, seed }).data(),
  ];
  const [first, again, other] = [await draw(1), await draw(1), await draw(2)];
  assertEquals(first, again);
  for (let i = 0; i < first.length; i++) assertNotEquals(first[i], other[i]);
  assert([...first[0]!].every((v) => v >= 0 && v < 1));
  assert([...first[2]!].every((v) => Number.isInteger(v) && v >= -3 && v < 4));
  assertEquals(await rand([2, 4], { backend, seed: 1 }).view([8]).data(), first[0]); // shape does not matter
});

Deno.test("no seed is taken that was not given", () => {
  const none = undefined as never;
  for (const [op, draw] of Object.entries({ rand, randn, randint: randint.bind(undefined, 0, 2) })) {
    for (const options of [none, { backend } as never]) {
      assertEquals(
        assertThrows(() => draw([2], options), ShapeError).message,
        `Cannot ${op} [2] without a seed: there is no hidden one; pass { seed: 0 }, and { backend } unless ` +
          `setDefaultBackend named one`,
      );
    }
  }
});

Deno.test("no backend is taken that was not named", () => {
  const error = assertThrows(() => zeros([1]), BackendError);
  assertEquals(
    error.message,
    "Cannot make a tensor: no backend was given; pass { backend }, or call setDefaultBackend once",
  );
  setDefaultBackend(backend);
  try {
    assertEquals(zeros([1]).backend, backend);
  } finally {
    setDefaultBackend(undefined);
  }
});
