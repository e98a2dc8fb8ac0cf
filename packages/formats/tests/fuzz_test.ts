/**
 * Fuzzes the readers: random bytes, and real headers with bytes changed, removed, repeated or cut. Whatever comes, a
 * reader opens the file or throws a FormatError, never asks for more than the file holds, and what it opened can be
 * read. Seeds are fixed and in the names of the tests, so that a failure can be seen again.
 */
import { assert } from "@std/assert";
import { type ByteSource, bytesSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";
import { openGguf } from "../src/gguf.ts";
import { openSafetensors } from "../src/safetensors.ts";
import { streamTensor, type TensorFile } from "../src/tensor_file.ts";
import { VECTORS } from "./file_source.ts";
import { arrayValue, Bytes, gguf, textValue, u32Value } from "./gguf_writer.ts";

const SEED = 20240607;
const ROUNDS = 1500;

type Random = (below: number) => number;

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): Random {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}

/** Bytes that matter to formats: extremes, and JSON's own. */
const TELLING = [0, 1, 0x7f, 0x80, 0xff, ...new TextEncoder().encode('{}[]",:-0e9\\')];

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out = bytes.slice();
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(Math.min(out.length, 600)); // most of what is read lies in front
    const length = random(16);
    const kind = random(6);
    if (kind === 0) out[at] = random(256);
    else if (kind === 1) out[at] = TELLING[random(TELLING.length)]!;
    else if (kind === 2) out.fill(random(2) * 255, at, at + length);
    else if (kind === 3) out = new Uint8Array([...out.subarray(0, at), ...out.subarray(at + length)]);
    else if (kind === 4) out = new Uint8Array([...out.subarray(0, at + length), ...out.subarray(at)]);
    else out = out.slice(0, random(out.length));
    if (out.length === 0) break;
  }
  return out;
}

/** A source whose reader must not ask for what is not there. */
function strictSource(bytes: Uint8Array): ByteSource {
  const source = bytesSource(bytes, "fuzz");
  const read = (offset: number, length: number): Promise<Uint8Array> => {
    assert(offset >= 0 && length >= 0 && offset + length <= bytes.length, `asked for ${length} bytes at ${offset}`);
    return source.read(offset, length);
  };
  return { ...source, read };
}

/** Opens, and reads every tensor if it opens. Gives false when it was refused. */
async function survives(bytes: Uint8Array, open: (source: ByteSource) => Promise<TensorFile>): Promise<boolean> {
  try {
    const file = await open(strictSource(bytes));
    for (const entry of file.tensors.values()) {
      let length = 0;
      for await (const piece of streamTensor(entry)) length += piece.length;
      assert(length <= bytes.length);
    }
    return true;
  } catch (error) {
    if (error instanceof FormatError && error.message.length < 1000) return false;
    throw error;
  }
}

function sampleSafetensors(): Uint8Array {
  const header = JSON.stringify({
    __metadata__: { format: "pt" },
    "a.weight": { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    "ids": { dtype: "I64", shape: [2], data_offsets: [24, 40] },
    "mask": { dtype: "BOOL", shape: [3], data_offsets: [40, 43] },
    "half": { dtype: "BF16", shape: [1, 2, 1], data_offsets: [43, 47] },
    "none": { dtype: "U8", shape: [0], data_offsets: [47, 47] },
  });
  return new Bytes().text(header).raw(new Uint8Array(47)).done();
}

function sampleGguf(): Uint8Array {
  const texts = new Bytes().text("<s>").text("Ġhello").text("é").done();
  const nested = new Bytes().u32(4).u64(1).u32(7).u32(8).u64(1).text("x").done();
  return gguf({
    metadata: [
      ["general.architecture", textValue("llama")],
      ["general.alignment", u32Value(32)],
      ["tokens", arrayValue(8, 3, texts)],
      ["scores", arrayValue(6, 2, new Uint8Array(8))],
      ["nested", arrayValue(9, 2, nested)],
    ],
    tensors: [
      { name: "a", sizes: [32, 2], type: 2, data: new Uint8Array(36) },
      { name: "b", sizes: [5], type: 0, data: new Uint8Array(20) },
      { name: "c", sizes: [256], type: 12, data: new Uint8Array(144) },
    ],
  });
}

async function fuzz(
  seed: number,
  sample: Uint8Array,
  open: (source: ByteSource) => Promise<TensorFile>,
): Promise<void> {
  assert(await survives(sample, open), "the sample itself is good");
  const random = generator(seed);
  let opened = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const mutated = mutate(sample, random);
    const noise = Uint8Array.from({ length: random(200) }, () => random(256));
    // Noise behind a true beginning reaches further than noise alone.
    const disguised = new Uint8Array([...sample.subarray(0, random(200)), ...noise]);
    for (const bytes of [mutated, noise, disguised]) if (await survives(bytes, open)) opened++;
  }
  assert(opened > 0 && opened < ROUNDS, `${opened} of ${3 * ROUNDS} opened: the mutations are too mild or too wild`);
}

Deno.test(`fuzzed safetensors headers, seed ${SEED}`, () => fuzz(SEED, sampleSafetensors(), openSafetensors));
Deno.test(`fuzzed GGUF headers, seed ${SEED}`, () => fuzz(SEED, sampleGguf(), openGguf));
Deno.test(`a fuzzed golden safetensors header, seed ${SEED}`, () => {
  const bytes = Deno.readFileSync(new URL("hf_tiny_sharded/model-00003-of-00003.safetensors", VECTORS));
  return fuzz(SEED, bytes, openSafetensors);
});
