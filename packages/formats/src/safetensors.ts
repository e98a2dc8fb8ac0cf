/**
 * safetensors (github.com/huggingface/safetensors): 8 bytes little-endian length N, N bytes of JSON
 * `{ "<name>": { "dtype", "shape", "data_offsets": [begin, end] }, "__metadata__": { … } }`, then the data, which the
 * offsets count in. Every byte of the data belongs to exactly one tensor. Nothing in the header is believed unchecked.
 */
import { numelOf } from "../../core/src/shape.ts";
import type { ByteSource } from "./byte_source.ts";
import { formatError, quote } from "./format_error.ts";
import { isObject, MAX_HEADER_BYTES, parseJsonObject } from "./json_object.ts";
import { SAFETENSORS_DTYPES } from "./safetensors_dtype.ts";
import type { TensorEntry, TensorFile } from "./tensor_file.ts";

const MAX_DIMS = 64; // NumPy's limit, and PyTorch's for most operations

/**
 * Reads and checks the header of a safetensors file; the data stays where it is.
 *
 * @param source the file
 * @returns its tensors and metadata
 * @throws {FormatError} when the header is absurd, or does not describe the data byte for byte
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bytesSource, openSafetensors, writeSafetensors } from "@heed/heed/formats";
 *
 * const ids = { dtype: "u8" as const, shape: [3], bytes: new Uint8Array([1, 2, 3]) };
 * const bytes = await new Response(writeSafetensors(new Map([["ids", ids]]))).bytes();
 * const file = await openSafetensors(bytesSource(bytes, "ids.safetensors"));
 * assertEquals(file.tensors.get("ids")?.shape, [3]);
 * ```
 */
export async function openSafetensors(source: ByteSource): Promise<TensorFile> {
  const headerLength = await readHeaderLength(source);
  const header = parseJsonObject(source.name, "its header", await source.read(8, headerLength), 3);
  const dataStart = 8 + headerLength;
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.set(name, readEntry(source, name, value, dataStart));
  }
  checkData(source, [...tensors.values()], dataStart);
  const metadata = readMetadata(source, header["__metadata__"] ?? {});
  return { name: source.name, format: "safetensors", tensors, metadata, close: () => source.close?.() };
}

async function readHeaderLength(source: ByteSource): Promise<number> {
  const { name, byteLength } = source;
  if (byteLength < 8) {
    throw formatError(name, "it is too short for safetensors", {
      expected: "at least 8 bytes",
      found: `${byteLength}`,
    });
  }
  const bytes = await source.read(0, 8);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  const most = Math.min(byteLength - 8, MAX_HEADER_BYTES);
  if (length <= BigInt(most)) return Number(length);
  throw formatError(name, "its header cannot be that long", {
    expected: `at most ${most} bytes`,
    found: `${length}; the file is truncated, or not safetensors`,
  });
}

/** One tensor of the header, checked by itself. */
function readEntry(source: ByteSource, name: string, value: unknown, dataStart: number): TensorEntry {
  const fail = (problem: string, expected: string, found: string): Error =>
    formatError(source.name, problem, { tensor: name, expected, found });
  if (!isObject(value)) throw fail("its entry is no object", "{dtype, shape, data_offsets}", quote(value));
  const { dtype, shape, data_offsets: offsets } = value;
  const stored = SAFETENSORS_DTYPES.find((known) => known.name === dtype);
  if (stored === undefined) {
    throw fail("unknown dtype", `one of ${SAFETENSORS_DTYPES.map((known) => known.name).join(", ")}`, quote(dtype));
  }
  if (!isSizes(shape) || shape.length > MAX_DIMS) {
    throw fail("bad shape", `at most ${MAX_DIMS} whole numbers >= 0`, quote(shape));
  }
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw fail("bad data_offsets", "[begin, end] in bytes", quote(offsets));
  }
  const [begin, end] = [offsets[0]!, offsets[1]!];
  const byteLength = numelOf(shape) * stored.bytes;
  if (!Number.isSafeInteger(byteLength)) throw fail("too many elements", "at most 2^53 bytes", quote(shape));
  if (byteLength !== end - begin) {
    throw fail("its bytes do not fit its shape", `${byteLength} bytes (${dtype} ${quote(shape)})`, `${end - begin}`);
  }
  if (end > source.byteLength - dataStart) {
    throw fail("it lies beyond the end of the file", `${dataStart + end} bytes`, `${source.byteLength}: truncated`);
  }
  const storedAs = stored.storedAs === undefined ? {} : { storedAs: stored.storedAs };
  return { name, dtype: stored.dtype, shape, source, offsetBytes: dataStart + begin, byteLength, ...storedAs };
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Tensors lie side by side and fill the data. */
function checkData(source: ByteSource, entries: TensorEntry[], dataStart: number): void {
  entries.sort((a, b) => a.offsetBytes - b.offsetBytes || a.byteLength - b.byteLength);
  let end = dataStart;
  let before = "the header";
  for (const { name: tensor, offsetBytes, byteLength } of entries) {
    if (offsetBytes !== end) {
      const problem = offsetBytes < end ? `it overlaps ${before}` : `a hole lies between it and ${before}`;
      throw formatError(source.name, problem, { tensor, expected: `begin at byte ${end}`, found: `${offsetBytes}` });
    }
    end += byteLength;
    before = quote(tensor);
  }
  if (end !== source.byteLength) {
    throw formatError(source.name, "bytes follow the last tensor", {
      expected: `${end} bytes`,
      found: `${source.byteLength}`,
    });
  }
}

function readMetadata(source: ByteSource, value: unknown): Map<string, string> {
  const metadata = new Map<string, string>();
  const fail = (found: unknown): Error =>
    formatError(source.name, "bad __metadata__", { expected: "an object of strings", found: quote(found) });
  if (!isObject(value)) throw fail(value);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw fail(text);
    metadata.set(key, text);
  }
  return metadata;
}
