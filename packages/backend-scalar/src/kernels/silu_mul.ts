/** `silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`: the middle of a gated MLP. */
import type { FusedKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const siluMul: FusedKernels<ScalarBuffer>["siluMul"] = widening({
  layout: "strided",
  run([gate, up], [out]): void {
    const [gates, ups, to] = [gate.buffer.elements, up.buffer.elements, out!.buffer.elements];
    const last = Math.max(gate.shape.length - 1, 0);
    const [n, sg, su] = [gate.shape[last] ?? 1, gate.strides[last] ?? 0, up.strides[last] ?? 0];
    const walk = new Walk(gate.shape.slice(0, last), [gate.strides, up.strides], [gate.offset, up.offset]);
    let io = 0;
    do {
      let [ig, iu] = [walk.at[0]!, walk.at[1]!];
      for (const end = io + n; io < end; io++, ig += sg, iu += su) {
        to[io] = gates[ig]! / (1 + Math.exp(-gates[ig]!)) * ups[iu]!;
      }
    } while (walk.next());
  },
});
