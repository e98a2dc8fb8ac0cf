/** The words that the host tells attention, in the order of the struct in parameters.wgsl. */
import type { AttentionAttrs, AttentionExtra } from "../../../../core/src/backend.ts";
import type { WebGpuOperand } from "../../buffer.ts";
import { f32Bits } from "../../parameters.ts";

/** Operands after query, key and value, by name. */
export type Extras = Partial<Record<AttentionExtra, WebGpuOperand>>;

/** Farther than any position; the shader takes it for no end. */
const ENDLESS = 2 ** 31 - 1;

/** The words. `tag` is for page tables with pages that are not there. */
export function attentionParameters(
  [query, key, value]: readonly WebGpuOperand[],
  extras: Extras,
  attrs: AttentionAttrs,
  tag: number,
  parts: number,
): number[] {
  const [, heads, groups, times] = query!.shape;
  const { mask, alibiSlopes, sinks, keyLengths, keyPositions, pageTable, blockKinds, blockTable } = extras;
  const { offset, left, right, sinkTokens, scale, softcap, dropout, keyCount } = attrs;
  return [
    ...[heads!, groups!, times!, keyCount],
    ...stepsOf(query, 5),
    ...stepsOf(key, 4),
    ...stepsOf(value, 4),
    ...stepsOf(mask, 5),
    ...stepsOf(alibiSlopes, 2),
    ...stepsOf(sinks, 2),
    ...stepsOf(keyLengths, 1),
    ...stepsOf(keyPositions, 1),
    ...stepsOf(pageTable, 2),
    ...[pageTable?.shape[1] ?? 0, key!.shape[2]!, key!.shape[0]!],
    ...stepsOf(blockKinds, 5),
    ...stepsOf(blockTable, 3),
    blockTable?.shape[1] ?? 1,
    ...[f32Bits(scale), f32Bits(softcap)],
    ...[
      offset === "keyLengths" ? 0 : offset,
      Math.min(left, ENDLESS),
      Math.min(right, ENDLESS),
      Math.min(sinkTokens, ENDLESS),
    ],
    ...[f32Bits(dropout?.p ?? 0), dropout?.seed[0] ?? 0, dropout?.seed[1] ?? 0],
    ...[tag, parts],
  ];
}

/** Steps along each dim, 0 where the operand repeats or lacks leading ones, and the first element; zeros for no operand. */
function stepsOf(x: WebGpuOperand | undefined, dims: number): number[] {
  if (x === undefined) return new Array<number>(dims + 1).fill(0);
  const lead = dims - x.shape.length;
  const steps = Array.from({ length: dims }, (_, d) => d < lead || x.shape[d - lead] === 1 ? 0 : x.strides[d - lead]!);
  return [...steps, x.offset];
}
