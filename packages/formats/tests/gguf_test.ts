import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ByteSource, bytesSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";
import { openGguf } from "../src/gguf.ts";
import { streamTensor, type TensorFile } from "../src/tensor_file.ts";
import { collect } from "./file_source.ts";
import {
  arrayValue,
  Bytes,
  gguf,
  type GgufSpec,
  type TensorSpec,
  textValue,
  u32Value,
  type Value,
} from "./gguf_writer.ts";

function open(spec: GgufSpec | Uint8Array): Promise<TensorFile> {
  return openGguf(bytesSource(spec instanceof Uint8Array ? spec : gguf(spec), "a.gguf"));
}

const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);
const f32 = (name: string, sizes: number[], more: Partial<TensorSpec> = {}): TensorSpec => {
  return { name, sizes, type: 0, data: counting(4 * sizes.reduce((a, b) => a * b, 1)), ...more };
};
const float = (value: number): Uint8Array => new Uint8Array(new Float32Array([value]).buffer);

Deno.test("tensors have PyTorch's order of sizes, absolute offsets and their own bytes", async () => {
  for (const version of [2, 3]) {
    const q8 = { name: "blk.0.w", sizes: [64, 3], type: 8, data: counting(2 * 3 * 34) };
    const file = await open({ version, tensors: [f32("bias", [3]), q8, f32("scalar", [])] });
    const entry = file.tensors.get("blk.0.w")!;
    assertEquals([file.format, [...file.tensors.keys()]], ["gguf", ["bias", "blk.0.w", "scalar"]]);
    assertEquals([entry.dtype, entry.shape, entry.byteLength], ["q8_0", [3, 64], 204]);
    assertEquals(entry.offsetBytes % 32, 0);
    assertEquals(await collect(streamTensor(entry, { chunkBytes: 50 })), q8.data);
    assertEquals(await collect(streamTensor(file.tensors.get("bias")!)), counting(12));
    assertEquals(file.tensors.get("scalar")?.shape, []);
  }
});

// GGML's numbers, block sizes and block bytes, from ggml.h and ggml-common.h.
const TYPES: readonly (readonly [string, number, number, number])[] = [
  ["f32", 0, 1, 4],
  ["f16", 1, 1, 2],
  ["q4_0", 2, 32, 18],
  ["q4_1", 3, 32, 20],
  ["q5_0", 6, 32, 22],
  ["q5_1", 7, 32, 24],
  ["q8_0", 8, 32, 34],
  ["q2_k", 10, 256, 84],
  ["q3_k", 11, 256, 110],
  ["q4_k", 12, 256, 144],
  ["q5_k", 13, 256, 176],
  ["q6_k", 14, 256, 210],
  ["iq4_nl", 20, 32, 18],
  ["iq4_xs", 23, 256, 136],
  ["i32", 26, 1, 4],
  ["f64", 28, 1, 8],
  ["bf16", 30, 1, 2],
];
Deno.test("every GGML type with a dtype here is read", async () => {
  const tensors = TYPES.map(([name, type, block, bytes]) => ({
    name,
    sizes: [2 * block, 3],
    type,
    data: counting(6 * bytes),
  }));
  const file = await open({ tensors });
  for (const [name, , block, bytes] of TYPES) {
    const entry = file.tensors.get(name)!;
    assertEquals([entry.dtype as string, entry.shape, entry.byteLength], [name, [3, 2 * block], 6 * bytes]);
  }
});

const u64 = (value: bigint): Uint8Array => new Bytes().u64(BigInt.asUintN(64, value)).done();
const VALUES: readonly (readonly [string, Value, unknown])[] = [
  ["u8", { type: 0, bytes: new Uint8Array([200]) }, 200],
  ["i8", { type: 1, bytes: new Uint8Array([200]) }, -56],
  ["u16", { type: 2, bytes: new Uint8Array([1, 255]) }, 65281],
  ["i16", { type: 3, bytes: new Uint8Array([1, 255]) }, -255],
  ["u32", u32Value(4000000000), 4000000000],
  ["i32", { type: 5, bytes: new Bytes().u32(-7).done() }, -7],
  ["f32", { type: 6, bytes: float(0.5) }, 0.5],
  ["bool", { type: 7, bytes: new Uint8Array([1]) }, true],
  ["string", textValue("Ġ\ufeff\u{1f600}"), "Ġ\ufeff\u{1f600}"],
  ["byte-order mark first", textValue("\ufeff"), "\ufeff"],
  ["u64", { type: 10, bytes: u64(2n ** 53n - 1n) }, 2 ** 53 - 1],
  ["large u64", { type: 10, bytes: u64(2n ** 53n) }, 2n ** 53n],
  ["i64", { type: 11, bytes: u64(-5n) }, -5],
  ["large i64", { type: 11, bytes: u64(-(2n ** 60n)) }, -(2n ** 60n)],
  ["f64", { type: 12, bytes: new Uint8Array(new Float64Array([-0.1]).buffer) }, -0.1],
  ["array of i32", arrayValue(5, 2, new Bytes().u32(-1).u32(9).done()), [-1, 9]],
  ["array of bool", arrayValue(7, 3, [1, 0, 1]), [true, false, true]],
  ["array of strings", arrayValue(8, 2, new Bytes().text("a").text("").done()), ["a", ""]],
  ["empty array", arrayValue(8, 0, []), []],
  ["array of arrays", arrayValue(9, 2, new Bytes().u32(0).u64(2).raw([1, 2]).u32(8).u64(1).text("x").done()), [[1, 2], [
    "x",
  ]]],
];
Deno.test("metadata of every type is read", async () => {
  const file = await open({ metadata: VALUES.map(([key, value]) => [key, value]) });
  for (const [key, , expected] of VALUES) assertEquals(file.metadata.get(key), expected as never, key); // any type
  assertEquals(file.metadata.size, VALUES.length);
});

Deno.test("a header longer than a piece is read in growing pieces, none of the data with it", async () => {
  const strings = new Bytes();
  for (let i = 0; i < 20_000; i++) strings.text(`token ${i}`);
  const data = { name: "w", sizes: [1 << 18], type: 0, data: new Uint8Array(1 << 20) };
  const bytes = gguf({
    metadata: [["long", textValue("x".repeat(200_000))], ["tokens", arrayValue(8, 20_000, strings.done())]],
    tensors: [data],
  });
  const reads: [number, number][] = [];
  const memory = bytesSource(bytes, "a.gguf");
  const source: ByteSource = {
    ...memory,
    read(offset, length) {
      reads.push([offset, length]);
      return memory.read(offset, length);
    },
  };
  const file = await openGguf(source);
  const tokens = file.metadata.get("tokens");
  assert(Array.isArray(tokens));
  assertEquals([tokens.length, tokens[19_999]], [20_000, "token 19999"]);
  for (let i = 1; i < reads.length; i++) {
    assertEquals(reads[i]![0], reads[i - 1]![0] + reads[i - 1]![1], "in order, no gap");
  }
  assert(reads.length >= 3 && reads[0]![1] === 65536);
  const { offsetBytes } = file.tensors.get("w")!;
  const read = reads.reduce((sum, [, length]) => sum + length, 0);
  assert(read < offsetBytes + (1 << 20), "at most one piece too far");
});

Deno.test("general.alignment moves the data", async () => {
  for (const alignment of [8, 64, 4096]) {
    const metadata = [["general.alignment", u32Value(alignment)]] as const;
    const file = await open({ metadata, alignment, tensors: [f32("a", [3]), f32("b", [5])] });
    assertEquals(file.tensors.get("b")!.offsetBytes - file.tensors.get("a")!.offsetBytes, Math.max(16, alignment));
    assertEquals(await collect(streamTensor(file.tensors.get("b")!)), counting(20));
  }
});

/** Arrays in arrays, `depth` of them. */
function nested(depth: number): Value {
  const bytes = new Bytes();
  for (let i = 1; i < depth; i++) bytes.u32(9).u64(1);
  return { type: 9, bytes: bytes.u32(0).u64(0).done() };
}

const good = gguf({ tensors: [f32("a", [2, 3])] });
const patched = (offset: number, ...values: number[]): Uint8Array => {
  const bytes = good.slice();
  bytes.set(values, offset);
  return bytes;
};
const value = (type: number, bytes: Iterable<number>): GgufSpec => {
  return { metadata: [["k", { type, bytes: new Uint8Array(bytes) }]], tensors: [f32("a", [1])] };
};
const HUGE = 1n << 60n;

const BAD: readonly (readonly [what: string, spec: GgufSpec | Uint8Array, message: string])[] = [
  ["empty", new Uint8Array(), "it is too short for GGUF: expected at least 24 bytes, found 0"],
  ["wrong magic", patched(0, 0x47, 0x47, 0x4d, 0x4c), 'it is not GGUF: expected magic "GGUF", found 0x4c4d4747'],
  [
    "version 1",
    patched(4, 1),
    "GGUF version 1 is no longer read; convert the file again: expected version 2 or 3, found 1",
  ],
  ["version 4", patched(4, 4), "unknown GGUF version: expected version 2 or 3, found 4"],
  ["version 0", patched(4, 0), "unknown GGUF version"],
  ["big-endian", patched(4, 0, 0, 0, 3), "it is a big-endian GGUF; convert it for little-endian machines"],
  [
    "2^60 tensors",
    { tensorCount: HUGE },
    `the number of tensors is beyond what can follow (truncated or corrupt): expected at most 0, found ${HUGE}`,
  ],
  ["2^60 values", { valueCount: HUGE }, "the number of metadata values is beyond what can follow"],
  [
    "one tensor too many",
    { tensors: [f32("a", [1])], tensorCount: 2 },
    "the number of tensors is beyond what can follow",
  ],
  ["cut within the header", gguf(value(12, u64(0n))).slice(0, 40), "the number of tensors is beyond what can follow"],
  [
    "cut within a value",
    gguf({ metadata: [["k", { type: 12, bytes: u64(0n) }]] }).slice(0, 40),
    "its header ends too early: expected 8 bytes at 37, found 3",
  ],
  [
    "key of 2^63 bytes",
    patched(16, 1, 0, 0, 0, 0, 0, 0, 0, ...u64(1n << 63n)),
    "the length of a metadata key is beyond what can follow",
  ],
  [
    "string of 2^63 bytes",
    value(8, u64(1n << 63n)),
    `the length of the value of "k" is beyond what can follow (truncated or corrupt): expected at most`,
  ],
  [
    "array of 2^62",
    value(9, new Bytes().u32(5).u64(1n << 62n).done()),
    `the array length of "k" is beyond what can follow`,
  ],
  [
    "array of 2^62 strings",
    value(9, new Bytes().u32(8).u64(1n << 62n).done()),
    `the array length of "k" is beyond what can follow`,
  ],
  [
    "array of 2^62 arrays",
    value(9, new Bytes().u32(9).u64(1n << 62n).done()),
    `the array length of "k" is beyond what can follow`,
  ],
  ["arrays 9 deep", { metadata: [["k", nested(9)]] }, 'the arrays of "k" nest too deeply: expected at most 8 levels'],
  ["unknown value type", value(13, [0]), 'unknown value type of "k": expected 0 to 12, found 13'],
  [
    "unknown element type",
    value(9, new Bytes().u32(99).u64(0).done()),
    'unknown value type of "k": expected 0 to 12, found 99',
  ],
  ["bool of 2", value(7, [2]), 'the value of "k" is no bool: expected 0 or 1, found 2'],
  ["string not UTF-8", value(8, new Bytes().u64(1).raw([0xff]).done()), 'the value of "k" at byte 45 is not UTF-8'],
  ["key twice", { metadata: [["k", u32Value(1)], ["k", u32Value(1)]] }, 'metadata "k" is there twice'],
  [
    "alignment 0",
    { metadata: [["general.alignment", u32Value(0)]] },
    "bad general.alignment: expected a power of two, found 0",
  ],
  [
    "alignment 48",
    { metadata: [["general.alignment", u32Value(48)]] },
    "bad general.alignment: expected a power of two, found 48",
  ],
  ["alignment a string", { metadata: [["general.alignment", textValue("32")]] }, 'found "32"'],
  [
    "alignment an array of large integers",
    { metadata: [["general.alignment", arrayValue(10, 1, u64(HUGE))]] },
    `bad general.alignment: expected a power of two, found ["${HUGE}"]`,
  ],
  ["tensor twice", { tensors: [f32("a", [1]), f32("a", [1])] }, 'tensor "a": it is there twice'],
  ["5 dims", { tensors: [f32("a", [1, 1, 1, 1, 1])] }, 'tensor "a": too many dims: expected at most 4, found 5'],
  [
    "size beyond 2^53",
    { tensors: [{ name: "a", sizes: [1n << 63n], type: 0, data: new Uint8Array(4) }] },
    'tensor "a": a size is absurd: expected less than 2^53, found 9223372036854775808',
  ],
  [
    "too many elements",
    { tensors: [{ name: "a", sizes: [1n << 40n, 1n << 40n], type: 0, data: new Uint8Array(4) }] },
    'tensor "a": too many elements: expected at most 2^53, found [1099511627776, 1099511627776]',
  ],
  [
    "unsupported type",
    { tensors: [{ name: "a", sizes: [256], type: 16, data: new Uint8Array(66) }] },
    `tensor "a": unknown dtype: expected one of ${TYPES.map(([name]) => name).join(", ")}, found IQ2_XXS (type 16)`,
  ],
  [
    "unknown type",
    { tensors: [{ name: "a", sizes: [1], type: 1000, data: new Uint8Array(4) }] },
    "found an unknown type (type 1000)",
  ],
  [
    "part of a block",
    { tensors: [{ name: "a", sizes: [33, 32], type: 2, data: new Uint8Array(1000) }] },
    'tensor "a": rows of q4_0 are whole blocks: expected a last size that 32 divides, found [32, 33]',
  ],
  [
    "unaligned offset",
    { tensors: [f32("a", [20], { offset: 4 })] },
    'tensor "a": its offset is not aligned: expected a multiple of 32, found 4',
  ],
  [
    "offset beyond the file",
    { tensors: [f32("a", [1], { offset: HUGE })] },
    'tensor "a": it lies beyond the end of the file',
  ],
  [
    "truncated data",
    good.slice(0, -1),
    'tensor "a": it lies beyond the end of the file: ' +
    "expected 24 bytes (f32 [3, 2]) at 96, found 119 bytes in all: truncated or corrupt",
  ],
  [
    "overlap",
    { tensors: [f32("a", [20]), f32("b", [8], { offset: 32 })] },
    'tensor "b": it overlaps "a": expected begin at byte',
  ],
  ["same place", { tensors: [f32("a", [2]), f32("b", [2], { offset: 0 })] }, 'tensor "b": it overlaps "a"'],
];
for (const [what, spec, message] of BAD) {
  Deno.test(`GGUF, ${what}`, async () => {
    const error = await assertRejects(() => open(spec), FormatError, message);
    assert(error.message.startsWith("Cannot read a.gguf: "), error.message);
    assert(error.message.length < 500, "a message stays readable whatever the file says");
  });
}

Deno.test("a GGUF cut anywhere is refused", async () => {
  const bytes = gguf({ metadata: [["k", textValue("v")]], tensors: [f32("a", [2, 3])] });
  for (let length = 0; length < bytes.length; length++) {
    await assertRejects(() => open(bytes.slice(0, length)), FormatError, "Cannot read a.gguf: ");
  }
});

Deno.test("arrays of more than 2^23 elements in all are refused", async () => {
  const length = 1 << 22;
  const bytes = gguf({ metadata: [["a", textValue("")]], valueCount: 4 });
  const array = (key: string): Uint8Array => new Bytes().text(key).u32(9).u32(0).u64(length).done();
  const parts = ["b", "c", "d"].flatMap((key) => [array(key), new Uint8Array(length)]);
  const header = bytes.slice(0, 24 + 9 + 4 + 8);
  const whole = new Uint8Array(await new Blob([header, ...parts.map((part) => new Uint8Array(part))]).arrayBuffer());
  const message = 'the arrays up to "d" are absurdly long: expected at most 8388608 elements in all';
  await assertRejects(() => open(whole), FormatError, message);
});

Deno.test("strings are those of TextDecoder, whatever their bytes, and wherever the pieces of the header end", async () => {
  const fixed = [
    "",
    "a",
    "\u0120the",
    "\u07ff\u0800",
    "\u{1f600}",
    "\u0000",
    "\ufeffx",
    "\u00e9".repeat(13),
    "x".repeat(100),
  ];
  const texts = Array.from({ length: 20_000 }, (_, i) => fixed[i % fixed.length]! + (i % 7));
  const elements = new Bytes();
  for (const text of texts) elements.text(text);
  const file = await open({ metadata: [["k", arrayValue(8, texts.length, elements.done())]] });
  assertEquals(file.metadata.get("k"), texts);
  const bad = [[0xc0, 0x80], [0xc1, 0xbf], [0x80], [0xc3], [0xc3, 0x41], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [
    0xf5,
  ]];
  for (const bytes of bad) { // what follows would complete some of them
    const pair = new Bytes().u64(bytes.length).raw(bytes).raw([0x80]).u64(0).done();
    const message = `an element of "k" at byte`;
    const spec = { metadata: [["k", arrayValue(8, 2, pair)] as [string, Value]] };
    await assertRejects(() => open(spec), FormatError, message, `[${bytes}]`);
  }
});
