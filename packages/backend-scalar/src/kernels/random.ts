/** Uniform f32 in [0, 1): element i is the top 24 bits of the first word of Threefry-2x32(seed, [i, 0]), over 2^24. */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import { threefry2x32 } from "../../../core/src/random.ts";
import { numelOf } from "../../../core/src/shape.ts";
import type { ScalarBuffer } from "../buffer.ts";

/** The kernel. */
export const random: PrimitiveKernels<ScalarBuffer>["random"] = {
  layout: "strided",
  run(_, [out], { seed: [key0, key1] }): void {
    const elements = out!.buffer.elements;
    const n = numelOf(out!.shape);
    for (let i = 0; i < n; i++) elements[i] = (threefry2x32(key0, key1, i, 0)[0] >>> 8) / 2 ** 24;
  },
};
