/** Values and their i32 places, sorted along `dim`: stable, NaN largest. */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import type { ScalarBuffer } from "../buffer.ts";
import { widening } from "../halves.ts";
import { Walk, without } from "../walk.ts";

/** The kernel. */
export const sort: PrimitiveKernels<ScalarBuffer>["sort"] = widening({
  layout: "strided",
  run([x], [values, indices], { dim, descending }): void {
    const from = x.buffer.elements;
    const [toValues, toIndices] = [values!.buffer.elements, indices!.buffer.elements];
    const [n, sx, so] = [x.shape[dim]!, x.strides[dim]!, values!.strides[dim]!];
    const row = new Float64Array(n);
    const places = new Int32Array(n);
    const before = descending
      ? (i: number, j: number) => compare(row[j]!, row[i]!) || i - j
      : (i: number, j: number) => compare(row[i]!, row[j]!) || i - j;
    const strides = [without(x.strides, dim), without(values!.strides, dim)];
    const walk = new Walk(without(x.shape, dim), strides, [x.offset, values!.offset]);
    do {
      for (let i = 0; i < n; i++) row[i] = from[walk.at[0]! + i * sx]!;
      for (let i = 0; i < n; i++) places[i] = i;
      places.sort(before);
      for (let i = 0, io = walk.at[1]!; i < n; i++, io += so) {
        toValues[io] = row[places[i]!]!;
        toIndices[io] = places[i]!;
      }
    } while (walk.next());
  },
});

/** Negative where a comes first: NaN after all numbers, -0 equal to 0. */
function compare(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return a === b ? 0 : Number(a !== a) - Number(b !== b);
}
