/** Running sum or product along `dim`, in out's dtype: floats accumulate in f64, ints wrap to 32 bits. */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import { isFloat } from "../../../core/src/dtype.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { widening } from "../halves.ts";
import { Walk, without } from "../walk.ts";

/** The kernel. */
export const scan: PrimitiveKernels<ScalarBuffer>["scan"] = widening({
  layout: "strided",
  run([x], [out], { op, dim }): void {
    const [from, to] = [x.buffer.elements, out!.buffer.elements];
    const [n, sx, so] = [x.shape[dim]!, x.strides[dim]!, out!.strides[dim]!];
    const times = isFloat(out!.dtype) ? (a: number, b: number) => a * b : Math.imul;
    const strides = [without(x.strides, dim), without(out!.strides, dim)];
    const walk = new Walk(without(x.shape, dim), strides, [x.offset, out!.offset]);
    do {
      let running = op === "sum" ? 0 : 1;
      for (let i = 0, ix = walk.at[0]!, io = walk.at[1]!; i < n; i++, ix += sx, io += so) {
        running = op === "sum" ? running + from[ix]! : times(running, from[ix]!);
        to[io] = running;
      }
    } while (walk.next());
  },
});
