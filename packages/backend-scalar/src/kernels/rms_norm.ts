/** `x * weight / sqrt(mean(x^2) + eps)` along the last dim; x `[…, D]`, weight `[D]`. */
import type { FusedKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const rmsNorm: FusedKernels<ScalarBuffer>["rmsNorm"] = widening({
  layout: "strided",
  run([x, weight], [out], { eps }): void {
    const [from, weights, to] = [x.buffer.elements, weight.buffer.elements, out!.buffer.elements];
    const last = x.shape.length - 1;
    const [n, stride, weightStride] = [x.shape[last]!, x.strides[last]!, weight.strides[0]!];
    const walk = new Walk(x.shape.slice(0, last), [x.strides], [x.offset]);
    let io = 0;
    do {
      let squares = 0;
      for (let i = 0, ix = walk.at[0]!; i < n; i++, ix += stride) squares += from[ix]! * from[ix]!;
      const scale = 1 / Math.sqrt(squares / n + eps);
      for (let i = 0, ix = walk.at[0]!, iw = weight.offset; i < n; i++, ix += stride, iw += weightStride) {
        to[io++] = from[ix]! * scale * weights[iw]!;
      }
    } while (walk.next());
  },
});
