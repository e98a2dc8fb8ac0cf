/** `e^(x - max) / sum of these` along the last dim, in f64; a row of -Infinity alone is NaN, as in PyTorch. */
import type { FusedKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const softmax: FusedKernels<ScalarBuffer>["softmax"] = widening({
  layout: "strided",
  run([x], [out]): void {
    const [from, to] = [x.buffer.elements, out!.buffer.elements];
    const last = x.shape.length - 1;
    const [n, stride] = [x.shape[last]!, x.strides[last]!];
    const exps = new Float64Array(n);
    const walk = new Walk(x.shape.slice(0, last), [x.strides], [x.offset]);
    let io = 0;
    do {
      let max = -Infinity;
      for (let i = 0, ix = walk.at[0]!; i < n; i++, ix += stride) if (from[ix]! > max) max = from[ix]!;
      let sum = 0;
      for (let i = 0, ix = walk.at[0]!; i < n; i++, ix += stride) sum += exps[i] = Math.exp(from[ix]! - max);
      for (let i = 0; i < n; i++, io++) to[io] = exps[i]! / sum;
    } while (walk.next());
  },
});
