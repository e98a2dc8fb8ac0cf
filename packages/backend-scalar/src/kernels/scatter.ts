/**
 * `out[…, index[i0, …], …] += source[i0, …]`, or `=`, in row-major order of the index, so that the last write wins.
 * `out` is any view and holds what is there before.
 */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { widening } from "../halves.ts";
import { checkIndices } from "../indices.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const scatter: PrimitiveKernels<ScalarBuffer>["scatter"] = widening({
  layout: "strided",
  run([index, source], [out], { dim, op, mode }): void {
    checkIndices(op, index, out!.shape, dim);
    const [indices, from, to] = [index.buffer.elements, source.buffer.elements, out!.buffer.elements];
    const stride = out!.strides[dim]!;
    const others = out!.strides.map((s, d) => d === dim ? 0 : s);
    const last = index.shape.length - 1;
    const [n, si, ss, so] = [index.shape[last]!, index.strides[last]!, source.strides[last]!, others[last]!];
    const store = mode === "set" ? set : out!.dtype === "bool" ? or : add;
    const walk = new Walk(
      index.shape.slice(0, last),
      [index.strides, source.strides, others],
      [index.offset, source.offset, out!.offset],
    );
    do {
      let [ii, is, io] = [walk.at[0]!, walk.at[1]!, walk.at[2]!];
      for (let i = 0; i < n; i++, ii += si, is += ss, io += so) {
        const at = io + indices[ii]! * stride;
        to[at] = store(to[at]!, from[is]!);
      }
    } while (walk.next());
  },
}, true);

function set(_: number, value: number): number {
  return value;
}

function add(old: number, value: number): number {
  return old + value;
}

function or(old: number, value: number): number {
  return old | value;
}
