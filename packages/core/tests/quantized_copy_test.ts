import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { DTypeError, fromBytes, quantizeBlocks, randn, type Tensor, tensor, zeros } from "../mod.ts";

const backend = createScalarBackend();

function bytesOf(x: Tensor): Uint8Array {
  return x.backend.downloadSync!(x.storage.buffer, x.offset, x.numel);
}

function encoded(x: Tensor): Uint8Array {
  return quantizeBlocks("q8_0", x.dataSync() as Float32Array);
}

Deno.test('to("q8_0"): quantises along the last dim, and has no gradient', () => {
  const live = backend.memory.liveStorages;
  {
    using x = randn([3, 64], { backend, seed: 1 });
    using q = x.to("q8_0");
    assertEquals([q.dtype, q.shape], ["q8_0", [3, 64]]);
    assertEquals(bytesOf(q), encoded(x));
    using tall = randn([64, 3], { backend, seed: 3 });
    using turned = tall.transpose(0, 1);
    using fromTurned = turned.to("q8_0");
    using plain = turned.contiguous();
    assertEquals(bytesOf(fromTurned), encoded(plain));
    using half = x.to("f16");
    using fromHalf = half.to("q8_0");
    using wide = half.to("f32");
    assertEquals(bytesOf(fromHalf), encoded(wide));
    using parameter = x.clone();
    parameter.requiresGrad_();
    using cut = parameter.to("q8_0");
    assertEquals(cut.requiresGrad, false);
  }
  assertEquals(backend.memory.liveStorages, live);
});

Deno.test("zeros of q8_0 are written into by copy_, whole blocks at a time", () => {
  using cache = zeros([2, 5, 32], { backend, dtype: "q8_0" });
  assertEquals(bytesOf(cache), new Uint8Array(10 * 34));
  using rows = randn([2, 3, 32], { backend, seed: 2 });
  using part = cache.narrow(1, 1, 3);
  part.copy_(rows);
  using back = part.to("f32");
  using quantized = rows.to("q8_0");
  using want = quantized.to("f32");
  assertEquals(back.dataSync(), want.dataSync());
  using first = cache.narrow(1, 0, 1);
  using zero = first.to("f32");
  assertEquals(zero.dataSync(), new Float32Array(64));
});

Deno.test("copy_: q8_0 to q8_0 keeps the bytes, also within one buffer", () => {
  const bytes = Uint8Array.from({ length: 4 * 34 }, (_, i) => i % 34 === 1 ? 0x3c : i % 30); // scales near 1, small integers
  using x = fromBytes(bytes, [4, 32], "q8_0", { backend });
  using other = zeros([4, 32], { backend, dtype: "q8_0" });
  other.copy_(x);
  assertEquals(bytesOf(other), bytes);
  using to = x.narrow(0, 0, 3);
  using from = x.narrow(0, 1, 3);
  to.copy_(from);
  assertEquals(bytesOf(x), Uint8Array.from([...bytes.slice(34), ...bytes.slice(3 * 34)]));
});

Deno.test("copy_ and to: what q8_0 refuses", () => {
  using q4 = fromBytes(new Uint8Array(36), [2, 32], "q4_0", { backend });
  using x = tensor(new Float32Array(64), { shape: [2, 32], backend });
  using odd = tensor([1, 2], { backend });
  for (
    const [fn, message] of [
      [() => q4.copy_(x), "Cannot copy [2, 32] into [2, 32]: q4_0 blocks cannot be written to"],
      [() => odd.to("q8_0"), "Cannot cast f32 [2] to q8_0: its rows are no whole blocks of 32; pad its last dim"],
      [
        () => x.to("q4_0"),
        "Cannot cast f32 [2, 32] to q4_0: casts quantise to q8_0 only; use quantizeBlocks on its data",
      ],
      [
        () => zeros([2, 16], { backend, dtype: "q8_0" }),
        "Cannot fill q8_0 [2, 16]: its rows are no whole blocks of 32",
      ],
    ] as const
  ) assertThrows(fn, DTypeError, message);
});
