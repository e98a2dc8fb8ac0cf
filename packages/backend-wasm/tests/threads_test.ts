/** Tensors large enough to be shared out, beside the scalar backend: what one thread computes, several must. */
import { assertEquals } from "@std/assert";
import { type Backend, type DType, rand, randint, type Tensor, tensor, tidy, where } from "../../core/mod.ts";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { createWasmBackend } from "../mod.ts";

type Case = readonly [name: string, run: (backend: Backend) => Tensor];

function uniform(backend: Backend, shape: readonly number[], dtype: DType = "f32"): Tensor {
  return rand(shape, { backend, seed: 5 }).sub(0.5).to(dtype);
}

const CASES: readonly Case[] = [
  ["fill", (backend) => tensor(3, { backend }).expand([300_000]).contiguous()],
  ["random", (backend) => rand([300_000], { backend, seed: 9 })],
  ["copy transposed", (backend) => uniform(backend, [700, 431]).transpose(0, 1).contiguous()],
  ["copy transposed halves", (backend) => uniform(backend, [3, 300, 431], "bf16").transpose(1, 2).contiguous()],
  ["cast to f16", (backend) => uniform(backend, [300_001]).to("f16")],
  ["cast to i32", (backend) => uniform(backend, [300_001]).mul(1e9).to("i32")],
  ["quantise and decode", (backend) => uniform(backend, [600, 512]).to("q8_0").to("f32")],
  ["decode transposed", (backend) => uniform(backend, [512, 256]).to("q8_0").transpose(0, 1).to("f32")],
  ["unary", (backend) => uniform(backend, [777, 401]).transpose(0, 1).abs()],
  ["binary", (backend) => uniform(backend, [777, 1]).maximum(uniform(backend, [1, 501]))],
  [
    "where",
    (backend) => where(uniform(backend, [777, 501]).gt(0), uniform(backend, [501]), uniform(backend, [777, 1])),
  ],
  ["extreme of rows", (backend) => uniform(backend, [501, 777]).amax({ dim: 1 })],
  ["extreme of columns", (backend) => uniform(backend, [501, 777]).amin({ dim: 0 })],
  ["argmax", (backend) => uniform(backend, [501, 777]).argmax({ dim: 1 })],
  ["sum of ints", (backend) => uniform(backend, [501, 777]).mul(100).to("i32").sum({ dim: 0 })],
  ["cumulative sum of ints", (backend) => uniform(backend, [501, 777]).mul(100).to("i32").cumsum(0)],
  ["gather rows", (backend) => uniform(backend, [999, 64]).indexSelect(0, indices(backend, 999))],
  ["gather blocks", (backend) => uniform(backend, [999, 64]).to("q8_0").indexSelect(0, indices(backend, 999))],
  ["sort", (backend) => uniform(backend, [37, 999]).sort({ dim: 1 }).values],
  ["sort places", (backend) => uniform(backend, [999, 37], "bf16").sort({ dim: 0, descending: true }).indices],
];

function indices(backend: Backend, below: number): Tensor {
  return randint(0, below, [5000], { backend, seed: 3 });
}

Deno.test("several threads compute what the scalar backend does, to the bit", async (t) => {
  const scalar = createScalarBackend();
  for (const options of [{ build: "plain" }, { threads: 1 }, { threads: 2 }, { threads: 3 }] as const) {
    const backend = await createWasmBackend(options);
    for (const [name, run] of CASES) {
      await t.step(`${name}, ${JSON.stringify(options)}`, async () => {
        const [got, want] = [tidy(() => run(backend)), tidy(() => run(scalar))];
        assertEquals(got.dtype, want.dtype);
        const [gotBytes, wantBytes] = [await bytesOf(got), await bytesOf(want)];
        assertEquals(gotBytes.length, wantBytes.length);
        assertEquals(gotBytes.findIndex((byte, i) => byte !== wantBytes[i]), -1, "first byte that differs");
        got.dispose();
        want.dispose();
      });
    }
    assertEquals(backend.memory.liveStorages, 0);
    backend.dispose();
  }
});

async function bytesOf(x: Tensor): Promise<Uint8Array> {
  return await x.backend.download(x.storage.buffer, 0, x.numel);
}
