import { assert, assertEquals, assertRejects } from "@std/assert";
import { bytesSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";
import { openSafetensors } from "../src/safetensors.ts";
import { streamTensor, type TensorFile } from "../src/tensor_file.ts";
import { collect, fileSource, VECTORS } from "./file_source.ts";

/** A file with this header text and that many bytes of data. */
function withHeader(header: string, dataBytes?: number, headerLength?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + (dataBytes ?? 0));
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function open(bytes: Uint8Array): Promise<TensorFile> {
  return openSafetensors(bytesSource(bytes, "a.safetensors"));
}

Deno.test("every golden safetensors file opens, and its tensors fill it", async () => {
  let files = 0;
  for (const folder of ["", "hf_tiny/", "hf_tiny_sharded/"]) {
    for (const { name } of Deno.readDirSync(new URL(folder, VECTORS))) {
      if (!name.endsWith(".safetensors")) continue;
      const source = fileSource(new URL(folder + name, VECTORS));
      const file = await openSafetensors(source);
      const first = Math.min(...[...file.tensors.values()].map((entry) => entry.offsetBytes));
      const sum = [...file.tensors.values()].reduce((bytes, entry) => bytes + entry.byteLength, 0);
      assertEquals([file.name, first + sum], [name, source.byteLength]);
      assert(file.tensors.size > 0);
      file.close();
      files++;
    }
  }
  assert(files >= 25, `only ${files} files`);
});

Deno.test("names, shapes, dtypes, metadata and bytes of a golden file", async () => {
  const file = await openSafetensors(fileSource(new URL("hf_tiny/model.safetensors", VECTORS)));
  const entry = file.tensors.get("model.norm.weight")!;
  assertEquals([file.format, file.tensors.size, entry.dtype, entry.shape.length], ["safetensors", 39, "f32", 1]);
  assertEquals([...file.metadata], [["format", "pt"]]);
  const whole = Deno.readFileSync(new URL("hf_tiny/model.safetensors", VECTORS));
  const expected = whole.subarray(entry.offsetBytes, entry.offsetBytes + entry.byteLength);
  assertEquals(await collect(streamTensor(entry)), expected);
  assertEquals(await collect(streamTensor(entry, { chunkBytes: 20 })), expected);
  file.close();
});

Deno.test("64-bit integers are held as i32, cut anywhere", async () => {
  const values = [1n, -1n, 2147483647n, -2147483648n, 0n];
  const header = '{"ids":{"dtype":"I64","shape":[5],"data_offsets":[0,40]}}';
  const bytes = withHeader(header, 40);
  bytes.set(new Uint8Array(BigInt64Array.from(values).buffer), bytes.length - 40);
  const entry = (await open(bytes)).tensors.get("ids")!;
  assertEquals([entry.dtype, entry.storedAs, entry.byteLength], ["i32", "i64", 40]);
  for (const chunkBytes of [1, 17, 1 << 20]) {
    const narrow = await collect(streamTensor(entry, { chunkBytes }));
    assertEquals([...new Int32Array(narrow.buffer)], values.map(Number));
  }
});

const TOO_WIDE: readonly (readonly [string, bigint])[] = [
  ["I64", 2147483648n],
  ["I64", -2147483649n],
  ["I64", 1n << 40n],
  ["U64", 2147483648n],
  ["U64", (1n << 64n) - 1n],
];
for (const [dtype, value] of TOO_WIDE) {
  Deno.test(`${dtype} ${value} does not fit i32`, async () => {
    const bytes = withHeader(`{"ids":{"dtype":"${dtype}","shape":[2],"data_offsets":[0,16]}}`, 16);
    new DataView(bytes.buffer).setBigUint64(bytes.length - 8, BigInt.asUintN(64, value), true);
    const entry = (await open(bytes)).tensors.get("ids")!;
    const message = `Cannot read a.safetensors: tensor "ids": element 1 does not fit i32: ` +
      `expected -2147483648 to 2147483647, found ${value}`;
    await assertRejects(() => collect(streamTensor(entry, { chunkBytes: 8 })), FormatError, message);
  });
}

Deno.test("a bool that is neither 0 nor 1 is refused", async () => {
  const bytes = withHeader('{"m":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}', 3);
  bytes[bytes.length - 2] = 1;
  const entry = (await open(bytes)).tensors.get("m")!;
  assertEquals(await collect(streamTensor(entry)), new Uint8Array([0, 1, 0]));
  bytes[bytes.length - 1] = 2;
  const message = 'tensor "m": element 2 is no bool: expected 0 or 1, found 2';
  await assertRejects(() => collect(streamTensor(entry)), FormatError, message);
});

Deno.test("an aborted signal ends a stream with its reason", async () => {
  const file = await openSafetensors(fileSource(new URL("hf_tiny/model.safetensors", VECTORS)));
  const controller = new AbortController();
  const pieces = streamTensor(file.tensors.get("model.norm.weight")!, { chunkBytes: 8, signal: controller.signal });
  await pieces.next();
  controller.abort(new Error("enough"));
  await assertRejects(() => pieces.next(), Error, "enough");
  file.close();
});

Deno.test("empty tensors, scalars and an empty file are fine", async () => {
  const header =
    '{"b":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F16","shape":[0,3],"data_offsets":[0,0]},' +
    '"c":{"dtype":"F32","shape":[2,0],"data_offsets":[4,4]}}  ';
  const file = await open(withHeader(header, 4));
  assertEquals([...file.tensors.keys()], ["b", "a", "c"]);
  assertEquals(await collect(streamTensor(file.tensors.get("a")!)), new Uint8Array());
  assertEquals((await open(withHeader("{}"))).tensors.size, 0);
});

const tensor = (entry: string): string => `{"x":${entry}}`;
const f32 = (shape: string, offsets: string): string =>
  tensor(`{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`);
const two = (a: string, b: string): string =>
  `{"a":{"dtype":"U8","shape":[4],"data_offsets":${a}},"b":{"dtype":"U8","shape":[4],"data_offsets":${b}}}`;

const BAD: readonly (readonly [what: string, bytes: Uint8Array, message: string])[] = [
  ["too short", new Uint8Array(7), "it is too short for safetensors: expected at least 8 bytes, found 7"],
  [
    "header beyond the file",
    withHeader("{}", 0, 3n),
    "its header cannot be that long: expected at most 2 bytes, found 3",
  ],
  [
    "header of exabytes",
    withHeader("{}", 0, 1n << 62n),
    `found ${1n << 62n}; the file is truncated, or not safetensors`,
  ],
  ["header not JSON", withHeader("{oops"), "its header is not JSON: found "],
  ["header empty", withHeader(""), "its header is not JSON"],
  ["header not UTF-8", withHeader("{}").fill(0xff, 8), "its header is not JSON"],
  ["header an array", withHeader("[]"), "its header is not a JSON object: found an array"],
  ["header a number", withHeader("12"), "its header is not a JSON object: found number"],
  ["header only brackets", withHeader("[".repeat(100)), "its header is nested too deeply: expected at most 3 levels"],
  [
    "entry null",
    withHeader(tensor("null")),
    'tensor "x": its entry is no object: expected {dtype, shape, data_offsets}, found null',
  ],
  [
    "unknown dtype",
    withHeader(tensor('{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}'), 4),
    'tensor "x": unknown dtype: expected one of BOOL, U8, F16, BF16, I32, F32, F64, I64, U64, found "F8_E4M3"',
  ],
  ["dtype missing", withHeader(tensor('{"shape":[4],"data_offsets":[0,4]}'), 4), "found undefined"],
  [
    "negative size",
    withHeader(f32("[-1]", "[0,4]"), 4),
    "bad shape: expected at most 64 whole numbers >= 0, found [-1]",
  ],
  [
    "fractional size",
    withHeader(f32("[1.5]", "[0,6]"), 6),
    "bad shape: expected at most 64 whole numbers >= 0, found [1.5]",
  ],
  ["unsafe size", withHeader(f32("[9007199254740992]", "[0,4]"), 4), "bad shape"],
  ["65 dims", withHeader(f32(`[${Array(65).fill(1)}]`, "[0,4]"), 4), "bad shape"],
  [
    "shape a string",
    withHeader(f32('"4"', "[0,4]"), 4),
    'bad shape: expected at most 64 whole numbers >= 0, found "4"',
  ],
  [
    "product overflows",
    withHeader(f32("[4503599627370496,4503599627370496]", "[0,4]"), 4),
    "too many elements: expected at most 2^53 bytes, found [4503599627370496,4503599627370496]",
  ],
  ["product is no number", withHeader(f32(`[${Array(63).fill(2 ** 50)},0]`, "[0,0]")), "too many elements"],
  [
    "offsets reversed",
    withHeader(f32("[1]", "[4,0]"), 4),
    "bad data_offsets: expected [begin, end] in bytes, found [4,0]",
  ],
  ["offsets negative", withHeader(f32("[1]", "[-4,0]"), 4), "bad data_offsets"],
  ["one offset", withHeader(f32("[1]", "[4]"), 4), "bad data_offsets"],
  [
    "bytes and shape differ",
    withHeader(f32("[2,3]", "[0,20]"), 20),
    "its bytes do not fit its shape: expected 24 bytes (F32 [2,3]), found 20",
  ],
  ["truncated", withHeader(f32("[2]", "[0,8]"), 7), "it lies beyond the end of the file: expected"],
  ["overlap", withHeader(two("[0,4]", "[2,6]"), 6), 'tensor "b": it overlaps "a": expected begin at byte'],
  ["same place", withHeader(two("[0,4]", "[0,4]"), 4), 'tensor "b": it overlaps "a"'],
  ["hole", withHeader(two("[0,4]", "[5,9]"), 9), 'tensor "b": a hole lies between it and "a": expected begin at byte'],
  ["hole at the beginning", withHeader(two("[1,5]", "[5,9]"), 9), 'tensor "a": a hole lies between it and the header'],
  ["bytes at the end", withHeader(f32("[1]", "[0,4]"), 5), "bytes follow the last tensor: expected"],
  [
    "metadata a number",
    withHeader('{"__metadata__":{"a":1}}'),
    "bad __metadata__: expected an object of strings, found 1",
  ],
  ["metadata an array", withHeader('{"__metadata__":[]}'), "bad __metadata__"],
];
for (const [what, bytes, message] of BAD) {
  Deno.test(`safetensors, ${what}`, async () => {
    const error = await assertRejects(() => open(bytes), FormatError, message);
    assert(error.message.startsWith("Cannot read a.safetensors: "), error.message);
    assertEquals(error.file, "a.safetensors");
    assert(error.message.length < 500, "a message stays readable whatever the file says");
  });
}

Deno.test("a header longer than 100 MB is refused without being read", async () => {
  let largest = 0;
  const length = new Uint8Array(new BigUint64Array([200_000_000n]).buffer);
  const source = {
    name: "big",
    byteLength: 1e15,
    read(_: number, byteLength: number): Promise<Uint8Array> {
      largest = Math.max(largest, byteLength);
      return Promise.resolve(length);
    },
  };
  await assertRejects(() => openSafetensors(source), FormatError, "expected at most 100000000 bytes, found 200000000");
  assertEquals(largest, 8);
});
