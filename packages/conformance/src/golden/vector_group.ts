/** One group of vectors in memory: its cases, and the tensors they name. */
import type { DType } from "../../../core/mod.ts";
import { bytesSource, openSafetensors, streamTensor, type TensorEntry } from "../../../formats/mod.ts";
import { decode, type PlainDType } from "../oracle/elements.ts";
import { type GoldenCase, parseManifest } from "./manifest.ts";
import type { VectorReader } from "./reader.ts";

/** A tensor as a file holds it; 64-bit integers as i32. */
export interface StoredTensor {
  /** How its elements are held. */
  readonly dtype: PlainDType;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Its canonical bytes. */
  readonly bytes: Uint8Array;
  /** Its elements as numbers. */
  readonly values: Float64Array;
}

/** A group: cases and tensors by key. */
export interface VectorGroup {
  /** Its name. */
  readonly name: string;
  /** Its cases, in order. */
  readonly cases: readonly GoldenCase[];
  /** Its tensors. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

function plain(dtype: DType, key: string): PlainDType {
  switch (dtype) {
    case "f32":
    case "f16":
    case "bf16":
    case "f64":
    case "i32":
    case "u8":
    case "bool":
      return dtype;
    default:
      throw new Error(`the vectors' tensor ${key} is ${dtype}`);
  }
}

async function load(entry: TensorEntry): Promise<StoredTensor> {
  const pieces: Uint8Array[] = [];
  for await (const piece of streamTensor(entry)) pieces.push(piece.slice()); // the stream reuses its room
  const bytes = new Uint8Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const dtype = plain(entry.dtype, entry.name);
  return { dtype, shape: entry.shape, bytes, values: decode(dtype, bytes) };
}

/**
 * Reads a group; where no case is wanted, its tensors stay unread.
 *
 * @param reader where the files are
 * @param name the group's name
 * @param wants which of its cases to keep; all when left out
 * @throws {Error} when the manifest or the tensors cannot be read
 */
export async function loadGroup(
  reader: VectorReader,
  name: string,
  wants: (golden: GoldenCase) => boolean = () => true,
): Promise<VectorGroup> {
  const cases = parseManifest(await reader.json(`${name}.json`)).filter(wants);
  const tensors = new Map<string, StoredTensor>();
  if (cases.length === 0) return { name, cases, tensors };
  const path = `${name}.safetensors`;
  const file = await openSafetensors(bytesSource(await reader.bytes(path), path));
  for (const [key, entry] of file.tensors) tensors.set(key, await load(entry));
  return { name, cases, tensors };
}
