/**
 * Rotary positions: each pair of elements of x `[B, H, T, D]` is turned by its angle, cos and sin `[B, T, R/2]`:
 *
 *     out[p] = x[p] * cos - x[q] * sin        p, q = i, i + R/2      (half-split: Hugging Face)
 *     out[q] = x[q] * cos + x[p] * sin               2i, 2i + 1      (interleaved: GPT-J, GGUF's llama)
 *
 * Elements from R on pass through. cos and sin may lack leading dims or have size 1 there.
 * Source: Su et al., "RoFormer" (2021), section 3.4.2.
 */
import type { FusedKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer, ScalarOperand } from "../buffer.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const rope: FusedKernels<ScalarBuffer>["rope"] = widening({
  layout: "strided",
  run([x, cos, sin], [out], { interleaved }): void {
    const [from, cosines, sines, to] = [
      x.buffer.elements,
      cos.buffer.elements,
      sin.buffer.elements,
      out!.buffer.elements,
    ];
    const [size, stride] = [x.shape[3]!, x.strides[3]!];
    const pairs = cos.shape.at(-1)!;
    const [sc, ss] = [cos.strides.at(-1)!, sin.strides.at(-1)!];
    const [step, apart] = interleaved ? [2, 1] : [1, pairs]; // from pair to pair, and within one
    const walk = new Walk(
      x.shape.slice(0, 3),
      [x.strides, stridesOverHeads(cos), stridesOverHeads(sin)],
      [x.offset, cos.offset, sin.offset],
    );
    let row = 0; // where out's row starts
    do {
      const [ix, ic, is] = [walk.at[0]!, walk.at[1]!, walk.at[2]!];
      for (let i = 0; i < pairs; i++) {
        const p = i * step;
        const q = p + apart;
        const a = from[ix + p * stride]!;
        const b = from[ix + q * stride]!;
        const c = cosines[ic + i * sc]!;
        const s = sines[is + i * ss]!;
        to[row + p] = a * c - b * s;
        to[row + q] = b * c + a * s;
      }
      for (let i = 2 * pairs; i < size; i++) to[row + i] = from[ix + i * stride]!;
      row += size;
    } while (walk.next());
  },
});

/** Strides along x's B, H, T of angles that have B and T, or less. */
function stridesOverHeads({ shape, strides }: ScalarOperand): number[] {
  const stride = (fromEnd: number): number => {
    const d = shape.length - fromEnd;
    return d < 0 || shape[d] === 1 ? 0 : strides[d]!;
  };
  return [stride(3), 0, stride(2)];
}
