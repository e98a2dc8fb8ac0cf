/**
 * Writes safetensors as its own writer does, byte for byte: wide dtypes first and names in order within one, a header
 * padded with spaces to 8 bytes. Each tensor's bytes are asked for when their turn comes.
 */
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import { SAFETENSORS_DTYPES } from "./safetensors_dtype.ts";

/** A tensor to write. */
export interface TensorData {
  /** How elements are stored; no block dtype. */
  readonly dtype: DType;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Its bytes in row-major order, little-endian, or a function that gives them when their turn comes. */
  readonly bytes: Uint8Array | (() => Promise<Uint8Array>);
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
  const sorted = [...tensors].map(([name, tensor]) => ({ name, tensor, type: storedType(name, tensor.dtype) }));
  sorted.sort((a, b) => b.type - a.type || (a.name < b.name ? -1 : 1));
  // Joined by hand: an object would move names like "0" to the front.
  const members = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  let end = 0;
  for (const { name, tensor: { dtype, shape }, type } of sorted) {
    const offsets = [end, end += byteLengthOf(dtype, numelOf(shape))];
    const entry = { dtype: SAFETENSORS_DTYPES[type]!.name, shape, data_offsets: offsets };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const rest = sorted.values();
  return new ReadableStream({
    start: (controller) => controller.enqueue(encodeHeader(`{${members.join(",")}}`)),
    async pull(controller) {
      const next = rest.next();
      if (next.done) controller.close();
      else controller.enqueue(await tensorBytes(next.value.name, next.value.tensor));
    },
  });
}

/** The index of a dtype in {@linkcode SAFETENSORS_DTYPES}. */
function storedType(name: string, dtype: DType): number {
  if (name === "__metadata__") throw new ShapeError(`Cannot write tensor "${name}": safetensors reserves the name`);
  const index = SAFETENSORS_DTYPES.findIndex((stored) => stored.dtype === dtype);
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

async function tensorBytes(name: string, { dtype, shape, bytes }: TensorData): Promise<Uint8Array> {
  const data = typeof bytes === "function" ? await bytes() : bytes;
  const expected = byteLengthOf(dtype, numelOf(shape));
  if (data.byteLength === expected) return data;
  throw new ShapeError(
    `Cannot write tensor "${name}" ${dtype} ${showShape(shape)}: expected ${expected} bytes, found ${data.byteLength}`,
  );
}
