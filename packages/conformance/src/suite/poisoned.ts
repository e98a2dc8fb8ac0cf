/**
 * A backend whose fresh memory is poison: NaN for floats, -1 for i32, 255 for u8, and for bool a pattern that no kernel would
 * write. A kernel that leaves an element out is then seen. Everything else is the backend's own.
 */
import { type Backend, byteLengthOf, type DType } from "../../../core/mod.ts";

/** Bits of a fixed sequence, so that about half of the truth values forgotten are wrong ones. */
function truthPattern(length: number): Uint8Array {
  let state = 0x2545f491;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 31;
  });
}

function poison(dtype: DType, numel: number): Uint8Array {
  const length = byteLengthOf(dtype, numel);
  return dtype === "bool" ? truthPattern(length) : new Uint8Array(length).fill(0xff);
}

/**
 * Wraps a backend.
 *
 * @param inner the backend; its memory account counts for both
 * @returns one whose allocations begin as poison
 */
export function poisoned<B>(inner: Backend<B>): Backend<B> {
  const wrapper: Backend<B> = {
    name: inner.name,
    memory: inner.memory,
    kernels: inner.kernels,
    hasDType: (dtype) => inner.hasDType(dtype),
    allocate: (dtype, numel, options) => {
      const buffer = inner.allocate(dtype, numel, options);
      inner.write(buffer, 0, poison(dtype, numel));
      return buffer;
    },
    write: (buffer, offsetBytes, bytes) => inner.write(buffer, offsetBytes, bytes),
    freeze: (buffer) => inner.freeze(buffer),
    download: (buffer, start, numel) => inner.download(buffer, start, numel),
    free: (buffer) => inner.free(buffer),
    flush: () => inner.flush(),
    settled: () => inner.settled(),
    describe: () => inner.describe(),
    dispose: () => inner.dispose(),
  };
  if (inner.downloadSync === undefined) return wrapper;
  return { ...wrapper, downloadSync: (buffer, start, numel) => inner.downloadSync!(buffer, start, numel) };
}
