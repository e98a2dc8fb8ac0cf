/**
 * What a kernel is told of its operands: the `Params` struct of wgsl/parameters.wgsl, 64 words in one slot of the arena.
 *
 *     word  0   shape[8]
 *           8   strides[8] of vec4: out, x, y, z
 *          40   offsets vec4: out, x, y, z
 *          44   rank, outer, numel, length
 *          48   attrs vec4, more vec4, extra vec4
 */
import { ShapeError, showShape } from "../../core/src/errors.ts";

/** Words of the struct, and of a slot. */
export const PARAMETER_WORDS = 64;

/** Dims that the struct has room for, once neighbours are merged. */
export const MAX_DIMS = 8;

/** Where one operand's elements lie. */
export interface Placed {
  /** Elements to step along each dim. */
  readonly strides: readonly number[];
  /** Index of the first element. */
  readonly offset: number;
}

/** The parameters of one dispatch; what is left out is 0. */
export interface Parameters {
  /** The dims that are walked; at least one. */
  readonly shape: readonly number[];
  /** Out, x, y, z: as many as the kernel has. */
  readonly operands: readonly Placed[];
  /** Dims before the rows, in kernels that work on rows. */
  readonly outer?: number;
  /** Elements, or rows. */
  readonly numel: number;
  /** Elements of a row. */
  readonly length?: number;
  /** Up to twelve words of the kernel's own, each an integer from -2^31 to 2^32. */
  readonly attrs?: readonly number[];
}

/** A kernel's own struct, word by word, each an integer from -2^31 to 2^32. */
export type OwnParameters = readonly number[];

/** Writes one of the two structs. @throws {ShapeError} when there are more dims than it has room for */
export function writeParameters(
  words: Uint32Array,
  at: number,
  parameters: Parameters | OwnParameters,
  label: string,
): void {
  if ("shape" in parameters) return writeWalk(words, at, parameters, label);
  for (let i = 0; i < parameters.length; i++) words[at + i] = parameters[i]!;
}

function writeWalk(words: Uint32Array, at: number, parameters: Parameters, label: string): void {
  const { shape, operands, outer = 0, numel, length = 0, attrs = [] } = parameters;
  const rank = shape.length;
  if (rank > MAX_DIMS) {
    throw new ShapeError(
      `Cannot ${label} ${showShape(shape)} on webgpu: after merging what lies together ${rank} dims are left, and ` +
        `kernels walk ${MAX_DIMS}; make it contiguous first`,
    );
  }
  words.fill(0, at, at + PARAMETER_WORDS);
  for (let d = 0; d < rank; d++) words[at + d] = shape[d]!;
  for (let k = 0; k < operands.length; k++) {
    const { strides, offset } = operands[k]!;
    for (let d = 0; d < rank; d++) words[at + 8 + 4 * d + k] = strides[d]!;
    words[at + 40 + k] = offset;
  }
  words[at + 44] = rank;
  words[at + 45] = outer;
  words[at + 46] = numel;
  words[at + 47] = length;
  for (let i = 0; i < attrs.length; i++) words[at + 48 + i] = attrs[i]!;
}

const FLOAT = new Float32Array(1);
const FLOAT_BITS = new Uint32Array(FLOAT.buffer);

/** The bits of a number as f32: how floats travel among the attrs. */
export function f32Bits(value: number): number {
  FLOAT[0] = value;
  return FLOAT_BITS[0]!;
}
