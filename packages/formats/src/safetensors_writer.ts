/**
 * Writes safetensors as its own writer does, byte for byte: wide dtypes first and names in order within one, a header
 * padded with spaces to 8 bytes. Each tensor's bytes are asked for when their turn comes, piece by piece where they come so:
 * a model of any size is written through a buffer.
 */
import type { DType } from "../../core/src/dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import { SAFETENSORS_DTYPES } from "./safetensors_dtype.ts";

/** A tensor to write. */
export interface TensorData {
  /** How elements are stored; no block dtype. */
  readonly dtype: DType;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Set where the bytes are wider integers than `dtype`, as a file may store them. */
  readonly storedAs?: "i64" | "u64" | undefined;
  /**
   * Its bytes in row-major order, little-endian, or a function that gives them when their turn comes, at once or in pieces.
   * Pieces may share one buffer: each is copied before the next is asked for.
   */
  readonly bytes: Uint8Array | (() => Promise<Uint8Array> | AsyncIterable<Uint8Array>);
}

/** A file whose header is made. */
interface Plan {
  readonly header: Uint8Array;
  readonly parts: readonly Part[];
  readonly byteLength: number;
}

/** One tensor in its place. */
interface Part {
  readonly name: string;
  readonly tensor: TensorData;
  readonly type: number;
  readonly byteLength: number;
}

/**
 * A safetensors file as a stream, for a file or a Response.
 *
 * @param tensors tensors by name
 * @param metadata strings for the header's `__metadata__`
 * @returns the file's bytes in order; it fails with a ShapeError when a tensor's bytes do not fit its shape
 * @throws {DTypeError} when a dtype has no place in safetensors
 * @throws {ShapeError} when a tensor has the reserved name `__metadata__`
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata?: Readonly<Record<string, string>>,
): ReadableStream<Uint8Array> {
  const chunks = contents(plan(tensors, metadata));
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined); // whoever gives the pieces lets go of what they hold
    },
  });
}

/**
 * The bytes that {@linkcode writeSafetensors} will give of the same tensors, without asking for any of theirs.
 *
 * @returns bytes, header included
 * @throws {DTypeError} {ShapeError} as {@linkcode writeSafetensors}
 */
export function safetensorsByteLength(
  tensors: ReadonlyMap<string, TensorData>,
  metadata?: Readonly<Record<string, string>>,
): number {
  return plan(tensors, metadata).byteLength;
}

function plan(tensors: ReadonlyMap<string, TensorData>, metadata?: Readonly<Record<string, string>>): Plan {
  const parts: Part[] = [...tensors].map(([name, tensor]) => {
    const type = storedType(name, tensor);
    return { name, tensor, type, byteLength: SAFETENSORS_DTYPES[type]!.bytes * numelOf(tensor.shape) };
  });
  parts.sort((a, b) => b.type - a.type || (a.name < b.name ? -1 : 1));
  // Joined by hand: an object would move names like "0" to the front.
  const members = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  let end = 0;
  for (const { name, tensor: { shape }, type, byteLength } of parts) {
    const entry = { dtype: SAFETENSORS_DTYPES[type]!.name, shape, data_offsets: [end, end += byteLength] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const header = encodeHeader(`{${members.join(",")}}`);
  return { header, parts, byteLength: header.byteLength + end };
}

/** The index of a tensor's element type in {@linkcode SAFETENSORS_DTYPES}. */
function storedType(name: string, { dtype, storedAs }: TensorData): number {
  if (name === "__metadata__") throw new ShapeError(`Cannot write tensor "${name}": safetensors reserves the name`);
  const index = SAFETENSORS_DTYPES.findIndex((known) => known.dtype === dtype && known.storedAs === storedAs);
  if (index >= 0) return index;
  throw new DTypeError(
    `Cannot write ${dtype} tensor "${name}": safetensors has no block dtypes; convert with to("f32")`,
  );
}

function encodeHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(text, 8);
  return bytes;
}

async function* contents({ header, parts }: Plan): AsyncGenerator<Uint8Array> {
  yield header;
  for (const part of parts) yield* tensorBytes(part);
}

async function* tensorBytes(part: Part): AsyncGenerator<Uint8Array> {
  const { bytes } = part.tensor;
  const given = typeof bytes === "function" ? bytes() : bytes;
  if (given instanceof Uint8Array || given instanceof Promise) {
    const data = await given;
    if (data.byteLength !== part.byteLength) throw misfit(part, `${data.byteLength}`);
    yield data;
    return;
  }
  let done = 0;
  for await (const piece of given) {
    done += piece.byteLength;
    if (done > part.byteLength) throw misfit(part, "more");
    yield piece.slice(); // a stream reads ahead, and the giver may fill the same buffer again
  }
  if (done !== part.byteLength) throw misfit(part, `${done}`);
}

function misfit({ name, tensor: { dtype, shape }, byteLength }: Part, found: string): ShapeError {
  return new ShapeError(
    `Cannot write tensor "${name}" ${dtype} ${showShape(shape)}: expected ${byteLength} bytes, found ${found}`,
  );
}
