/** `out[i] = value + i * step`, i counting out's elements in row-major order. */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { narrowing } from "../elements.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const fill: PrimitiveKernels<ScalarBuffer>["fill"] = {
  layout: "strided",
  run(_, [out], { value, step }): void {
    const { buffer, dtype, shape, strides, offset } = out!;
    const elements = buffer.elements;
    const narrow = narrowing("f64", dtype);
    const last = shape.length - 1;
    const [n, stride] = [shape[last] ?? 1, strides[last] ?? 0];
    const walk = new Walk(shape.slice(0, Math.max(last, 0)), [strides], [offset]);
    let i = 0;
    do {
      let at = walk.at[0]!;
      for (const end = i + n; i < end; i++, at += stride) {
        const number = value + i * step;
        elements[at] = narrow === undefined ? number : narrow(number);
      }
    } while (walk.next());
  },
};
