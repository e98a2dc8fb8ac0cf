/**
 * A cache as plain data: per layer the kept keys and values, in order and without gaps, as canonical bytes (little-endian
 * floats, or q8_0 blocks as GGML lays them out). Every backend reads and writes the same bytes.
 */
import { allocate } from "../dispatch.ts";
import { byteLengthOf, type DType } from "../dtype.ts";
import { ShapeError, showShape } from "../errors.ts";
import { checkShape, numelOf, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** The name of a form of cache. */
export type KvCacheForm = "growable" | "static" | "window" | "paged";

/** Keys or values of one layer. */
export interface SavedKvTensor {
  /** `[B, Hkv, S, D]`, S being the tokens kept. */
  readonly shape: Shape;
  /** Canonical bytes in row-major order. */
  readonly bytes: Uint8Array;
}

/** One layer. */
export interface SavedKvLayer {
  /** How both are stored. */
  readonly dtype: DType;
  /** The keys. */
  readonly keys: SavedKvTensor;
  /** The values. */
  readonly values: SavedKvTensor;
}

/** What `save` gives and `restore` takes: a plain object that `structuredClone` copies. */
export interface SavedKvCache {
  /** The form it came from. */
  readonly form: KvCacheForm;
  /** How many layers it had. */
  readonly layers: number;
  /** Tokens seen by every layer, gone or not. */
  readonly tokens: number;
  /** Where the form is a window: which tokens it promises to keep. */
  readonly window?: { readonly left: number; readonly sinkTokens: number } | undefined;
  /** One entry a layer; none when no tokens were seen. */
  readonly entries: readonly SavedKvLayer[];
}

/**
 * @ignore A contiguous copy of keys or values in their own dtype, blocks too.
 */
export function gathered(view: Tensor): Tensor {
  const out = allocate(view.backend, view.shape, view.dtype);
  return view.numel === 0 ? out : out.copy_(view);
}

/** @ignore Reads a contiguous copy, and disposes of it. */
export async function savedTensor(copy: Tensor): Promise<SavedKvTensor> {
  try {
    const { backend, storage, shape, numel } = copy;
    return { shape: [...shape], bytes: await backend.download(storage.buffer, 0, numel) };
  } finally {
    copy.dispose();
  }
}

/**
 * @ignore Checks that saved data hold together.
 * @throws {ShapeError} {DTypeError}
 */
export function checkSaved(saved: SavedKvCache): void {
  const { layers, tokens, entries } = saved;
  const expected = tokens === 0 ? 0 : layers;
  if (!Number.isInteger(tokens) || tokens < 0 || entries.length !== expected) {
    throw refuse(`it says ${tokens} tokens in ${layers} layers and has ${entries.length} of ${expected} entries`);
  }
  entries.forEach(({ dtype, keys, values }, layer) => {
    for (const [name, { shape, bytes }] of Object.entries({ keys, values })) {
      checkShape("restore saved keys and values", shape);
      const byteLength = shape.length === 4 ? byteLengthOf(dtype, numelOf(shape)) : undefined;
      if (byteLength === bytes.byteLength) continue;
      throw refuse(
        `${name} of layer ${layer}, ${dtype} ${showShape(shape)}, come as ${bytes.byteLength} bytes` +
          (byteLength === undefined ? ", and are no [B, Hkv, S, D]" : `, and take ${byteLength}`),
      );
    }
  });
}

function refuse(why: string): ShapeError {
  return new ShapeError(`Cannot restore a cache: ${why}; save it again`);
}
