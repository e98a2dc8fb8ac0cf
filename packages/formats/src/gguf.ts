/**
 * GGUF, versions 2 and 3, little-endian (ggml docs/gguf.md): magic "GGUF", version, tensor count, metadata count, the
 * metadata, one record a tensor (name, sizes innermost first, type, offset), padding, then the data, aligned. Sizes are
 * turned round, so that a linear layer's weight is [out, in] as in PyTorch. All is checked on opening.
 */
import { byteLengthOf, type DType, dtypeInfo } from "../../core/src/dtype.ts";
import { showShape } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { ByteSource } from "./byte_source.ts";
import { formatError, quote } from "./format_error.ts";
import { describeGgml, dtypeOfGgml, GGUF_DTYPES } from "./ggml_type.ts";
import { GgufCursor } from "./gguf_cursor.ts";
import { GgufValueReader } from "./gguf_value.ts";
import type { GgufValue, TensorEntry, TensorFile } from "./tensor_file.ts";

const MAGIC = 0x46554747; // "GGUF", little-endian
const MAX_DIMS = 4; // GGML_MAX_DIMS
const LEAST_VALUE_BYTES = 13, LEAST_TENSOR_BYTES = 24; // an empty name, and what else a record always has

/**
 * Reads and checks the header of a GGUF file; the data stays where it is.
 *
 * @param source the file
 * @returns its tensors and metadata
 * @throws {FormatError} when the header is corrupt or claims what is not there, or a tensor's type is not known here
 */
export async function openGguf(source: ByteSource): Promise<TensorFile> {
  const cursor = new GgufCursor(source);
  await checkVersion(cursor);
  const tensorCount = await cursor.u64();
  const valueCount = await cursor.u64();
  cursor.checkClaim("the number of tensors", tensorCount, LEAST_TENSOR_BYTES);
  cursor.checkClaim("the number of metadata values", valueCount, LEAST_VALUE_BYTES);
  const metadata = await readMetadata(cursor, Number(valueCount));
  const records: TensorRecord[] = [];
  for (let i = 0; i < Number(tensorCount); i++) records.push(await readRecord(cursor));
  const alignment = readAlignment(source, metadata.get("general.alignment") ?? 32);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = new Map<string, TensorEntry>();
  for (const record of records) {
    if (tensors.has(record.name)) throw formatError(source.name, "it is there twice", { tensor: record.name });
    tensors.set(record.name, placeTensor(source, record, dataStart, alignment));
  }
  checkOverlaps(source, [...tensors.values()]);
  return { name: source.name, format: "gguf", tensors, metadata, close: () => source.close?.() };
}

async function checkVersion(cursor: GgufCursor): Promise<void> {
  const { name, byteLength } = cursor.source;
  if (byteLength < 24) {
    throw formatError(name, "it is too short for GGUF", { expected: "at least 24 bytes", found: `${byteLength}` });
  }
  const magic = await cursor.u32();
  if (magic !== MAGIC) {
    throw formatError(name, "it is not GGUF", { expected: 'magic "GGUF"', found: `0x${magic.toString(16)}` });
  }
  const version = await cursor.u32();
  if (version === 2 || version === 3) return;
  const why = version === 1
    ? "GGUF version 1 is no longer read; convert the file again"
    : (version & 0xffff) === 0 && version !== 0
    ? "it is a big-endian GGUF; convert it for little-endian machines"
    : "unknown GGUF version";
  throw formatError(name, why, { expected: "version 2 or 3", found: `${version}` });
}

async function readMetadata(cursor: GgufCursor, count: number): Promise<Map<string, GgufValue>> {
  const values = new GgufValueReader(cursor);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = await cursor.string("a metadata key");
    if (metadata.has(key)) throw formatError(cursor.source.name, `metadata ${quote(key)} is there twice`);
    metadata.set(key, await values.read(await cursor.u32(), quote(key)));
  }
  return metadata;
}

function readAlignment(source: ByteSource, value: GgufValue): number {
  const ok = typeof value === "number" && value >= 1 && value <= 2 ** 31 && Number.isInteger(Math.log2(value));
  if (ok) return value;
  throw formatError(source.name, "bad general.alignment", { expected: "a power of two", found: quote(value) });
}

/** A tensor's record as it stands in the header. */
interface TensorRecord {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly offset: number | bigint;
}

async function readRecord(cursor: GgufCursor): Promise<TensorRecord> {
  const name = await cursor.string("a tensor's name");
  const fail = (problem: string, expected: string, found: string): Error =>
    formatError(cursor.source.name, problem, { tensor: name, expected, found });
  const rank = await cursor.u32();
  if (rank > MAX_DIMS) throw fail("too many dims", `at most ${MAX_DIMS}`, `${rank}`);
  const shape: number[] = [];
  for (let dim = 0; dim < rank; dim++) {
    const size = await cursor.u64();
    if (typeof size === "bigint") throw fail("a size is absurd", "less than 2^53", `${size}`);
    shape.unshift(size); // the file has the innermost first
  }
  if (!Number.isSafeInteger(numelOf(shape))) throw fail("too many elements", "at most 2^53", showShape(shape));
  const type = await cursor.u32();
  const dtype = dtypeOfGgml(type);
  if (dtype === undefined) throw fail("unknown dtype", `one of ${GGUF_DTYPES.join(", ")}`, describeGgml(type));
  const { blockSize } = dtypeInfo(dtype);
  if ((shape.at(-1) ?? 1) % blockSize !== 0) {
    throw fail(`rows of ${dtype} are whole blocks`, `a last size that ${blockSize} divides`, showShape(shape));
  }
  return { name, shape, dtype, offset: await cursor.u64() };
}

/** Where a tensor lies, once it is known where the data begin. */
function placeTensor(source: ByteSource, record: TensorRecord, dataStart: number, alignment: number): TensorEntry {
  const { name, shape, dtype } = record;
  const byteLength = byteLengthOf(dtype, numelOf(shape));
  const offset = Number(record.offset); // what a number does not hold exactly lies beyond any file
  const offsetBytes = dataStart + offset;
  if (offset % alignment !== 0) {
    throw formatError(source.name, "its offset is not aligned", {
      tensor: name,
      expected: `a multiple of ${alignment}`,
      found: `${record.offset}`,
    });
  }
  if (offsetBytes + byteLength > source.byteLength) {
    throw formatError(source.name, "it lies beyond the end of the file", {
      tensor: name,
      expected: `${byteLength} bytes (${dtype} ${showShape(shape)}) at ${offsetBytes}`,
      found: `${source.byteLength} bytes in all: truncated or corrupt`,
    });
  }
  return { name, dtype, shape, source, offsetBytes, byteLength };
}

function checkOverlaps(source: ByteSource, entries: TensorEntry[]): void {
  entries.sort((a, b) => a.offsetBytes - b.offsetBytes || a.byteLength - b.byteLength);
  for (let i = 1; i < entries.length; i++) {
    const [before, entry] = [entries[i - 1]!, entries[i]!];
    const end = before.offsetBytes + before.byteLength;
    if (entry.offsetBytes >= end) continue;
    throw formatError(source.name, `it overlaps ${quote(before.name)}`, {
      tensor: entry.name,
      expected: `begin at byte ${end} or later`,
      found: `${entry.offsetBytes}`,
    });
  }
}
