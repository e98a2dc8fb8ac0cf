/** `out = condition ? a : b`, elements moved as they are stored. */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const where: PrimitiveKernels<ScalarBuffer>["where"] = {
  layout: "strided",
  run([condition, a, b], [out]): void {
    const [chosen, yes, no, to] = [
      condition.buffer.elements,
      a.buffer.elements,
      b.buffer.elements,
      out!.buffer.elements,
    ];
    const { shape } = condition;
    const last = shape.length - 1;
    const n = shape[last] ?? 1;
    const [sc, sa, sb] = [condition.strides[last] ?? 0, a.strides[last] ?? 0, b.strides[last] ?? 0];
    const walk = new Walk(
      shape.slice(0, Math.max(last, 0)),
      [condition.strides, a.strides, b.strides],
      [condition.offset, a.offset, b.offset],
    );
    let io = 0;
    do {
      let [ic, ia, ib] = [walk.at[0]!, walk.at[1]!, walk.at[2]!];
      for (const end = io + n; io < end; io++, ic += sc, ia += sa, ib += sb) {
        to[io] = chosen[ic] !== 0 ? yes[ia]! : no[ib]!;
      }
    } while (walk.next());
  },
};
