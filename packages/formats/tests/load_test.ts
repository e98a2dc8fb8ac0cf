import { assert, assertEquals, assertRejects } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import type { Backend, Kernels } from "../../core/src/backend.ts";
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { BackendError, DTypeError } from "../../core/src/errors.ts";
import { MemoryAccount } from "../../core/src/memory.ts";
import { bytesSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";
import { openGguf } from "../src/gguf.ts";
import { type LoadProgress, loadTensor, loadTensors } from "../src/load.ts";
import { openSafetensors } from "../src/safetensors.ts";
import { type TensorData, writeSafetensors } from "../src/safetensors_writer.ts";
import type { TensorEntry, TensorFile } from "../src/tensor_file.ts";
import { gguf } from "./gguf_writer.ts";

/** What a test's backend keeps of one buffer. */
interface Buffer {
  readonly bytes: Uint8Array;
  readonly constant: boolean;
  written: number;
  frozen: boolean;
}

/** A backend that stores bytes, insists that they come in order and once, and computes nothing. */
function storingBackend(budgetBytes?: number): Backend<Buffer> {
  return {
    name: "storing",
    memory: new MemoryAccount(budgetBytes),
    kernels: {} as Kernels<Buffer>, // no kernel is ever called
    hasDType: (dtype: DType) => dtype !== "f64",
    allocate: (dtype, numel, options) => ({
      bytes: new Uint8Array(byteLengthOf(dtype, numel)),
      constant: options?.constant ?? false,
      written: 0,
      frozen: false,
    }),
    write(buffer, offsetBytes, bytes) {
      assert(offsetBytes === buffer.written && !buffer.frozen);
      buffer.bytes.set(bytes, offsetBytes);
      buffer.written += bytes.length;
    },
    freeze: (buffer) => void (buffer.frozen = true),
    download: (buffer) => Promise.resolve(buffer.bytes),
    free: () => {},
    flush: () => {},
    settled: () => Promise.resolve(),
    describe: () => ({ name: "storing", summary: "", precision: "", details: {} }),
    dispose: () => {},
  };
}

const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);

const TENSORS: Readonly<Record<string, TensorData>> = {
  small: { dtype: "u8", shape: [3], bytes: counting(3) },
  large: { dtype: "f32", shape: [700, 1000], bytes: counting(2_800_000) },
  none: { dtype: "f16", shape: [0, 4], bytes: new Uint8Array() },
};

async function sample(tensors = TENSORS): Promise<TensorFile> {
  const written = await new Response(writeSafetensors(new Map(Object.entries(tensors)))).bytes();
  return await openSafetensors(bytesSource(written, "s.safetensors"));
}

Deno.test("loadTensors loads all, in pieces, as frozen constants, with progress", async () => {
  const backend = storingBackend();
  const seen: string[] = [];
  const tensors = await loadTensors(await sample(), {
    backend,
    onProgress: ({ loadedBytes, totalBytes, tensor }) => seen.push(`${tensor} ${loadedBytes}/${totalBytes}`),
  });
  assertEquals([...tensors.keys()].toSorted(), ["large", "none", "small"]);
  for (const [name, tensor] of tensors) {
    const buffer = tensor.storage.buffer as Buffer; // the only backend here
    assertEquals([tensor.dtype, tensor.shape], [TENSORS[name]!.dtype, TENSORS[name]!.shape]);
    assertEquals(buffer.bytes.subarray(0, buffer.written), TENSORS[name]!.bytes);
    assert(buffer.constant && buffer.frozen);
  }
  assertEquals(seen, [
    "large 1048576/2800003",
    "large 2097152/2800003",
    "large 2800000/2800003",
    "small 2800003/2800003",
  ]);
  assertEquals(backend.memory.liveStorages, 3);
  for (const tensor of tensors.values()) tensor.dispose();
  assertEquals(backend.memory.liveBytes, 0);
});

Deno.test("loadTensors gives the names asked for, in that order", async () => {
  const tensors = await loadTensors(await sample(), { backend: storingBackend(), names: ["small", "none", "small"] });
  assertEquals([...tensors.keys()], ["small", "none"]);
});

Deno.test("64-bit integers arrive as i32, and blocks as they are", async () => {
  const bytes = new TextEncoder().encode(
    '12345678{"i":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}12345678________',
  );
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(bytes.length - 24), true);
  view.setBigInt64(bytes.length - 16, -3n, true);
  view.setBigInt64(bytes.length - 8, 70000n, true);
  using ids = await loadTensor(await openSafetensors(bytesSource(bytes, "i")), "i", { backend: storingBackend() });
  assertEquals(ids.dtype, "i32");
  assertEquals([...new Int32Array((ids.storage.buffer as Buffer).bytes.buffer)], [-3, 70000]);

  const file = gguf({ tensors: [{ name: "w", sizes: [64, 2], type: 3, data: counting(80) }] });
  using weight = await loadTensor(await openGguf(bytesSource(file, "g")), "w", { backend: storingBackend() });
  assertEquals([weight.dtype, weight.shape], ["q4_1", [2, 64]]);
  assertEquals((weight.storage.buffer as Buffer).bytes, counting(80));
});

Deno.test("loadTensors: what is held as another float is what a cast makes of it, piece by piece", async () => {
  const half = (i: number) => [0x3c01, 0xbf80, 0x0001, 0x7bff, 0x4248, 0x8000][i % 6]!; // values, as f16 and as bf16
  const halves = new Uint8Array(Uint16Array.from({ length: 600_000 }, (_, i) => half(i)).buffer);
  const numbers = Array.from({ length: 8 }, (_, i) => Math.sin(i) * 10 ** (i - 4));
  const file = await sample({
    odd: { dtype: "u8", shape: [3], bytes: counting(3) }, // those after it lie unaligned
    bf16: { dtype: "bf16", shape: [600, 1000], bytes: halves },
    f16: { dtype: "f16", shape: [600, 1000], bytes: halves },
    f32: { dtype: "f32", shape: [8], bytes: new Uint8Array(Float32Array.from(numbers).buffer) },
    f64: { dtype: "f64", shape: [8], bytes: new Uint8Array(Float64Array.from(numbers).buffer) },
  });
  const blocks = gguf({ tensors: [{ name: "q4_1", sizes: [64, 30_000], type: 3, data: counting(1_200_000) }] });
  const backend = createScalarBackend();
  for (const from of [file, await openGguf(bytesSource(blocks, "g"))]) {
    for (const to of ["f32", "f16", "bf16", "f64"] as const) {
      const dtypeOf = ({ name, dtype }: TensorEntry) => name === "odd" ? dtype : to;
      let [last, total] = [0, 0];
      const onProgress = ({ loadedBytes, totalBytes }: LoadProgress) => [last, total] = [loadedBytes, totalBytes];
      const held = await loadTensors(from, { backend, dtypeOf, onProgress });
      assertEquals([last, total], [backend.memory.liveBytes, backend.memory.liveBytes], "bytes on the backend");
      for (const [name, tensor] of held) {
        using stored = await loadTensor(from, name, { backend });
        using wanted = stored.to(name === "odd" ? "u8" : to);
        assertEquals(tensor.dtype, wanted.dtype);
        assertEquals(await tensor.data(), await wanted.data(), `${name} as ${to}`);
        tensor.dispose();
      }
    }
  }
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("loadTensors: what cannot be held as asked for is refused before anything is loaded", async () => {
  const backend = storingBackend();
  const file = await sample();
  const message = 'Cannot load "small" u8 [3] as f32: only floats and blocks are converted, to floats';
  await assertRejects(() => loadTensors(file, { backend, dtypeOf: () => "f32" }), DTypeError, message);
  const large = { backend, names: ["large"], dtypeOf: () => "q8_0" as const };
  await assertRejects(() => loadTensors(file, large), DTypeError, 'Cannot load "large" f32 [700, 1000] as q8_0: only');
  assertEquals(backend.memory.peakBytes, 0);
});

Deno.test("a name that is not in the file is refused before anything is loaded", async () => {
  const backend = storingBackend();
  const file = await sample();
  const message = 'Cannot read s.safetensors: tensor "absent": it is not in the file: found 3 other tensors';
  await assertRejects(() => loadTensor(file, "absent", { backend }), FormatError, message);
  await assertRejects(() => loadTensors(file, { backend, names: ["small", "absent"] }), FormatError, message);
  assertEquals(backend.memory.peakBytes, 0);
});

Deno.test("after an abort nothing is left", async () => {
  const backend = storingBackend();
  const file = await sample({ a: TENSORS["small"]!, b: TENSORS["large"]!, c: { ...TENSORS["large"]!, dtype: "i32" } });
  for (const at of [1_048_576, 2_800_000, 4_000_000]) {
    const controller = new AbortController();
    const loading = loadTensors(file, {
      backend,
      signal: controller.signal,
      onProgress: ({ loadedBytes }) => loadedBytes >= at && controller.abort(new Error("enough")),
    });
    await assertRejects(() => loading, Error, "enough");
    assertEquals([backend.memory.liveStorages, backend.memory.liveBytes], [0, 0]);
  }
  const signal = AbortSignal.abort(new Error("before"));
  await assertRejects(() => loadTensors(file, { backend, signal }), Error, "before");
  assertEquals(backend.memory.liveStorages, 0);
});

Deno.test("after an error nothing is left", async () => {
  const whole = gguf({
    tensors: [
      { name: "a", sizes: [300_000], type: 0, data: counting(1_200_000) },
      { name: "b", sizes: [300_000], type: 0, data: counting(1_200_000) },
    ],
  });
  let reads = 0;
  const memory = bytesSource(whole, "g");
  const failing = {
    ...memory,
    read: (...range: [number, number]) => reads++ < 4 ? memory.read(...range) : Promise.reject(new Error("disk")),
  };
  const backend = storingBackend();
  const file = await openGguf(failing);
  await assertRejects(() => loadTensors(file, { backend }), Error, "disk");
  assertEquals(reads > 4, true);
  assertEquals([backend.memory.liveStorages, backend.memory.peakBytes], [0, 2_400_000]);
});

Deno.test("no room, and a dtype the backend lacks, leave nothing behind", async () => {
  const small = storingBackend(2_000_000);
  await assertRejects(
    () => sample().then((file) => loadTensors(file, { backend: small })),
    BackendError,
    "Cannot allocate",
  );
  const double = { d: { dtype: "f64" as const, shape: [2], bytes: new Uint8Array(16) }, s: TENSORS["small"]! };
  const backend = storingBackend();
  await assertRejects(() => sample(double).then((file) => loadTensors(file, { backend })), DTypeError, "f64");
  assertEquals([small.memory.liveStorages, backend.memory.liveStorages], [0, 0]);
});
