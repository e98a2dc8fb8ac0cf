/** Uniform f32 in [0, 1): the top 24 bits of the first word of Threefry-2x32(seed, counter), over 2^24. */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import { threefry2x32 } from "../../../core/src/random.ts";
import { numelOf } from "../../../core/src/shape.ts";
import type { ScalarBuffer } from "../buffer.ts";

/** The kernel. */
export const random: PrimitiveKernels<ScalarBuffer>["random"] = {
  layout: "strided",
  run(_, [out], { seed: [key0, key1], start, run, step }): void {
    const elements = out!.buffer.elements;
    const n = numelOf(out!.shape);
    for (let i = 0; i < n; i++) {
      const counter = start + Math.floor(i / run) * step + i % run;
      elements[i] = (threefry2x32(key0, key1, counter >>> 0, Math.floor(counter / 2 ** 32))[0] >>> 8) / 2 ** 24;
    }
  },
};
