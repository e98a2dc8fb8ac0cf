/** The query rows of one tile: some times of some heads of one group, which all read the same keys. */
import type { AttentionExtra } from "../../../core/src/backend.ts";
import type { ScalarOperand } from "../buffer.ts";

/** Row r is that of query head `group + floor(r / times)` of the group, at time `time + r % times`. */
export interface Rows {
  readonly batch: number;
  /** The key/value head. */
  readonly head: number;
  readonly group: number;
  readonly groups: number;
  readonly time: number;
  readonly times: number;
}

/** Operands after query, key and value, by name. */
export type Extras = { readonly [name in AttentionExtra]?: ScalarOperand };

/** How many rows there are. */
export function countOf({ groups, times }: Rows): number {
  return groups * times;
}

/** Which head of its group row r is of. */
export function groupOf(rows: Rows, r: number): number {
  return rows.group + Math.floor(r / rows.times);
}

/** Which query row r is. */
export function timeOf(rows: Rows, r: number): number {
  return rows.time + r % rows.times;
}

/** Strides of an operand that is broadcast: 0 along dims of size 1. */
export function broadcastStrides({ shape, strides }: ScalarOperand): number[] {
  return strides.map((stride, d) => shape[d] === 1 ? 0 : stride);
}
