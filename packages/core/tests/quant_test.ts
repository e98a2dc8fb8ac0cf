/**
 * The block formats against the golden group `quant` (gguf-py's bytes and values, compared bit by bit), and each
 * format's dot against decoding first.
 */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ALL_DTYPES, type BlockDType, byteLengthOf, dtypeInfo, isBlock } from "../src/dtype.ts";
import { DTypeError } from "../src/errors.ts";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../src/half.ts";
import { blockFormat, dequantizeBlocks, quantizeBlocks } from "../src/quant/formats.ts";

interface GoldenCase {
  name: string;
  op: "dequantize" | "quantize" | "quantized_linear";
  attrs: { type: string };
  inputs: Record<string, string>;
  outputs?: Record<string, string>;
  error?: string;
  rtol: number;
  atol: number;
}

const VECTORS = new URL("../../conformance/vectors/", import.meta.url);
const BLOCK_DTYPES = ALL_DTYPES.filter(isBlock);
const ENCODABLE: readonly BlockDType[] = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"];

const cases: GoldenCase[] = JSON.parse(await Deno.readTextFile(new URL("quant.json", VECTORS))).cases;
const tensors = await readSafetensors(new URL("quant.safetensors", VECTORS));

/** The raw bytes of each tensor: a u64 header length, a JSON header, then the data. */
async function readSafetensors(url: URL): Promise<Map<string, Uint8Array>> {
  const bytes = await Deno.readFile(url);
  const dataStart = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header: Record<string, { data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, dataStart)),
  );
  return new Map(
    Object.entries(header).filter(([name]) => name !== "__metadata__").map(([name, { data_offsets: [from, to] }]) => [
      name,
      bytes.slice(dataStart + from, dataStart + to),
    ]),
  );
}

function bytesOf(key: string | undefined): Uint8Array {
  const bytes = key === undefined ? undefined : tensors.get(key);
  if (bytes === undefined) throw new Error(`no tensor ${key}`);
  return bytes;
}

function floatsOf(key: string | undefined): Float32Array {
  return new Float32Array(bytesOf(key).buffer);
}

function dequantize(type: string, bytes: Uint8Array): Float32Array {
  const decodeHalf = type === "F16" ? decodeF16 : type === "BF16" ? decodeBf16 : undefined;
  if (decodeHalf === undefined) return dequantizeBlocks(dtypeOf(type), bytes);
  const out = new Float32Array(bytes.length / 2);
  decodeHalf(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), 0, out, 0, out.length);
  return out;
}

function quantize(type: string, values: Float32Array): Uint8Array {
  const encodeHalf = type === "F16" ? encodeF16 : type === "BF16" ? encodeBf16 : undefined;
  if (encodeHalf === undefined) return quantizeBlocks(dtypeOf(type), values);
  const out = new Uint16Array(values.length);
  encodeHalf(values, 0, out, 0, out.length);
  return new Uint8Array(out.buffer);
}

function dtypeOf(ggmlType: string): BlockDType {
  const dtype = BLOCK_DTYPES.find((name) => name === ggmlType.toLowerCase());
  if (dtype === undefined) throw new Error(`no block dtype for ${ggmlType}`);
  return dtype;
}

function checkDequantize(golden: GoldenCase): void {
  const bytes = bytesOf(golden.inputs.data);
  if (golden.error !== undefined) {
    assertThrows(() => dequantize(golden.attrs.type, bytes), DTypeError);
  } else {
    assertEquals(dequantize(golden.attrs.type, bytes), floatsOf(golden.outputs?.output));
  }
}

function checkQuantize(golden: GoldenCase): void {
  const values = floatsOf(golden.inputs.x);
  if (golden.error !== undefined) {
    assertThrows(() => quantize(golden.attrs.type, values), DTypeError);
    return;
  }
  const bytes = quantize(golden.attrs.type, values);
  assertEquals(bytes, bytesOf(golden.outputs?.data));
  assertEquals(dequantize(golden.attrs.type, bytes), floatsOf(golden.outputs?.dequantized));
}

/** x [3, 128] times the transpose of 24 rows of 128, through dot. */
function checkLinear(golden: GoldenCase): void {
  const [features, rows] = [128, 24];
  const dtype = dtypeOf(golden.attrs.type);
  const [x, weight, want] = [floatsOf(golden.inputs.x), bytesOf(golden.inputs.data), floatsOf(golden.outputs?.output)];
  const rowBytes = byteLengthOf(dtype, features);
  const blocks = features / dtypeInfo(dtype).blockSize;
  for (const [i, expected] of want.entries()) {
    const got = blockFormat(dtype).dot(weight, (i % rows) * rowBytes, x, Math.floor(i / rows) * features, blocks);
    assertAlmostEquals(got, expected, golden.atol + golden.rtol * Math.abs(expected));
  }
}

const CHECKS = { dequantize: checkDequantize, quantize: checkQuantize, quantized_linear: checkLinear };
for (const golden of cases) Deno.test(`quant golden: ${golden.name}`, () => CHECKS[golden.op](golden));

/** Numbers in [0, 1) from a fixed seed: Lehmer's generator. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** Blocks of random bytes; those with a scale that is not finite are drawn again. */
function randomBlocks(dtype: BlockDType, blocks: number, random: () => number): Uint8Array {
  const { blockBytes } = dtypeInfo(dtype);
  const bytes = new Uint8Array(blocks * blockBytes);
  for (let b = 0; b < blocks; b++) {
    const block = bytes.subarray(b * blockBytes, (b + 1) * blockBytes);
    do for (let i = 0; i < blockBytes; i++) block[i] = Math.floor(random() * 256); while (
      !dequantizeBlocks(dtype, block).every(Number.isFinite)
    );
  }
  return bytes;
}

for (const dtype of BLOCK_DTYPES) {
  const { blockSize, blockBytes } = dtypeInfo(dtype);

  Deno.test(`quant: ${dtype} dot equals decoding first, at any offset`, () => {
    const random = randomFrom(7);
    const blocks = 5;
    const bytes = new Uint8Array(3 + blocks * blockBytes);
    bytes.set(randomBlocks(dtype, blocks, random), 3); // an odd offset: formats may not assume alignment
    const x = new Float32Array(11 + blocks * blockSize).map(() => random() - 0.5);
    const elements = dequantizeBlocks(dtype, bytes.subarray(3));
    let want = 0;
    let magnitude = 0;
    for (const [i, element] of elements.entries()) {
      want += element * x[11 + i]!;
      magnitude += Math.abs(element * x[11 + i]!);
    }
    assertAlmostEquals(blockFormat(dtype).dot(bytes, 3, x, 11, blocks), want, magnitude * 2 ** -24);
  });

  Deno.test(`quant: ${dtype} decodes at an offset and writes nothing else`, () => {
    const bytes = randomBlocks(dtype, 3, randomFrom(8));
    const out = new Float32Array(2 * blockSize + 2).fill(-7);
    blockFormat(dtype).decode(bytes, blockBytes, out, 1, 2);
    assertEquals(out.slice(1, -1), dequantizeBlocks(dtype, bytes).slice(blockSize));
    assertEquals([out[0], out.at(-1)], [-7, -7]);
  });
}

for (const dtype of ENCODABLE) {
  const { blockBytes } = dtypeInfo(dtype);

  Deno.test(`quant: ${dtype} encodes at an offset and writes nothing else`, () => {
    const random = randomFrom(9);
    const values = new Float32Array(96).map(() => random() - 0.5);
    const out = new Uint8Array(2 * blockBytes + 2).fill(77);
    blockFormat(dtype).encode?.(values, 32, out, 1, 2);
    assertEquals(out.slice(1, -1), quantizeBlocks(dtype, values).slice(blockBytes));
    assertEquals([out[0], out.at(-1)], [77, 77]);
  });

  Deno.test(`quant: ${dtype} keeps zeros, and a NaN spoils its own block only`, () => {
    const values = new Float32Array(96);
    values[40] = NaN;
    const back = dequantizeBlocks(dtype, quantizeBlocks(dtype, values));
    assertEquals(back.map(Math.abs).slice(0, 32), new Float32Array(32));
    assertEquals(back.slice(32, 64), new Float32Array(32).fill(NaN));
    assertEquals(back.map(Math.abs).slice(64), new Float32Array(32));
  });

  Deno.test(`quant: ${dtype} of numbers too small for its scale is zero`, () => {
    const values = new Float32Array(32).fill(1e-45, 0, 16); // 1 / d overflows f32
    assertEquals(dequantizeBlocks(dtype, quantizeBlocks(dtype, values)).map(Math.abs), new Float32Array(32));
  });
}

Deno.test("quant: no elements are no blocks", () => {
  assertEquals(dequantizeBlocks("q4_k", new Uint8Array(0)).length, 0);
  assertEquals(quantizeBlocks("q8_0", new Float32Array(0)).length, 0);
});

Deno.test("quant: an infinity in x is summed as IEEE says", () => {
  const weights = quantizeBlocks("q4_1", new Float32Array(32).map((_, i) => i + 1));
  const x = new Float32Array(32);
  x[3] = Infinity;
  assertEquals(blockFormat("q4_1").dot(weights, 0, x, 0, 1), Infinity);
});

Deno.test("quant: a part of a block is refused", () => {
  assertThrows(
    () => dequantizeBlocks("q4_0", new Uint8Array(19)),
    DTypeError,
    "Cannot dequantize 19 bytes of q4_0: its blocks take 18 bytes each",
  );
  assertThrows(
    () => quantizeBlocks("q8_0", new Float32Array(33)),
    DTypeError,
    "Cannot store 33 elements as q8_0: its blocks hold 32 elements each",
  );
});

Deno.test("quant: formats without an encoder name those with one", () => {
  for (const dtype of BLOCK_DTYPES.filter((name) => !ENCODABLE.includes(name))) {
    assertThrows(
      () => quantizeBlocks(dtype, new Float32Array(256)),
      DTypeError,
      `Cannot quantize to ${dtype}: it can only be read; use one of q4_0, q4_1, q5_0, q5_1, q8_0`,
    );
  }
});

Deno.test("quant: a plain dtype is no block dtype", () => {
  assertThrows(
    // @ts-expect-error: a caller in JavaScript can pass any dtype
    () => blockFormat("f32"),
    DTypeError,
    "Cannot take f32 as a block dtype: those are q4_0, q4_1,",
  );
});
