/**
 * Cosines and sines of the angles `position * frequency`, as {@linkcode applyRope} takes them, for positions that follow
 * each other (computed here) or for any others (computed on the backend of the positions).
 *
 * The angle is rounded to single precision, as Hugging Face computes it: at position 100,000 that is an error of 0.004
 * radians, which models have learned with.
 */
import type { Backend } from "../backend.ts";
import { tensor } from "../create.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import { Tensor } from "../tensor.ts";
import type { RopeFrequencies } from "./rope_scaling.ts";

/** Positions that follow each other. */
export interface RopePositions {
  /** The first one. */
  readonly start: number;
  /** T, how many. */
  readonly length: number;
}

/** Cosines and sines of the angles, `[T, R/2]` or `[B, T, R/2]`. */
export interface RopeTables {
  /** Cosines. */
  readonly cos: Tensor;
  /** Sines. */
  readonly sin: Tensor;
}

/** Settings of {@linkcode ropeTables}. */
export interface RopeTablesOptions {
  /** Where the tables go: the default backend when left out; with a tensor of positions, its own. */
  readonly backend?: Backend | undefined;
}

/**
 * Tables of cosines and sines.
 *
 * @param rope one frequency a pair, R/2, and the factor of the tables
 * @param positions the first and how many, T; or an i32 tensor `[T]`, or `[B, T]` for each batch row its own
 * @returns cos and sin, f32 `[T, R/2]` or `[B, T, R/2]`, times the attention factor; the caller's own
 * @throws {ShapeError} when positions are no `[T]` or `[B, T]`, or no whole numbers
 * @throws {DTypeError} when the positions' tensor is not i32
 * @throws {BackendError} when it lives on another backend than asked for
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { ropeFrequencies, ropeTables, tensor } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * const frequencies = ropeFrequencies(4, 10000);
 * const { cos } = ropeTables(frequencies, { start: 3, length: 2 }, { backend });
 * assertEquals(cos.shape, [2, 2]);
 * const rows = tensor([[0, 1, 2], [0, 0, 1]], { dtype: "i32", backend }); // the second row is padded on the left
 * assertEquals(ropeTables(frequencies, rows).sin.shape, [2, 3, 2]);
 * ```
 */
export function ropeTables(
  rope: RopeFrequencies,
  positions: RopePositions | Tensor,
  options: RopeTablesOptions = {},
): RopeTables {
  return positions instanceof Tensor
    ? tablesAt(rope, positions, options.backend)
    : tablesFrom(rope, positions, options.backend);
}

/** Positions in a row: the numbers are made here and sent once. */
function tablesFrom(rope: RopeFrequencies, { start, length }: RopePositions, backend?: Backend): RopeTables {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(length) || length < 0) {
    throw new ShapeError(
      `Cannot make ropeTables of ${length} positions from ${start}: both are whole numbers, and the count is at least 0`,
    );
  }
  const { frequencies } = rope;
  const factor = Math.fround(rope.attentionFactor);
  const half = frequencies.length;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let t = 0; t < length; t++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround((start + t) * frequencies[i]!);
      cos[t * half + i] = factor * Math.fround(Math.cos(angle));
      sin[t * half + i] = factor * Math.fround(Math.sin(angle));
    }
  }
  const shape = [length, half];
  return { cos: tensor(cos, { shape, backend }), sin: tensor(sin, { shape, backend }) };
}

/** Positions in a tensor: whatever they are, they need not be read. */
function tablesAt(rope: RopeFrequencies, positions: Tensor, backend?: Backend): RopeTables {
  const { shape, rank, dtype } = positions;
  if (rank !== 1 && rank !== 2) {
    throw new ShapeError(`Cannot make ropeTables of positions ${showShape(shape)}: they are [T] or [B, T]`);
  }
  if (dtype !== "i32") {
    throw new DTypeError(
      `Cannot make ropeTables of ${dtype} positions ${showShape(shape)}: they are i32; use to("i32")`,
    );
  }
  return tidy(() => {
    const frequencies = tensor(rope.frequencies, { backend: backend ?? positions.backend }); // [R/2]
    const angles = positions.to("f32").unsqueeze(-1).mul(frequencies); // [..., T, R/2]
    const scaled = (table: Tensor): Tensor => rope.attentionFactor === 1 ? table : table.mul(rope.attentionFactor);
    return { cos: scaled(angles.cos()), sin: scaled(angles.sin()) };
  });
}
