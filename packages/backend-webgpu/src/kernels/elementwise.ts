/**
 * What all kernels share that make one element of their output at a time: a file that defines
 * `fn produce(i: u32, at: vec4u) -> u32`, the bits of element i, and one of three ways to store them:
 *
 *     words    an element is a word
 *     pairs    f16 and bf16 without gaps, in whole words: an invocation makes two
 *     halves   f16 and bf16 in any view: atomic operations keep the other half of a word
 */
import { type DType, isHalf } from "../../../core/src/dtype.ts";
import { numelOf } from "../../../core/src/shape.ts";
import type { WebGpuOperand } from "../buffer.ts";
import type { Gpu } from "../gpu.ts";
import { Shader, Shaders } from "../shader.ts";
import ELEMENTS from "../wgsl/elements.wgsl" with { type: "text" };
import FLOAT_BITS from "../wgsl/float_bits.wgsl" with { type: "text" };
import PARAMETERS from "../wgsl/parameters.wgsl" with { type: "text" };
import STORE_HALVES from "../wgsl/store_halves.wgsl" with { type: "text" };
import STORE_PAIRS from "../wgsl/store_pairs.wgsl" with { type: "text" };
import STORE_WORDS from "../wgsl/store_words.wgsl" with { type: "text" };

const STORES = { words: STORE_WORDS, pairs: STORE_PAIRS, halves: STORE_HALVES };

/** How an output's elements are stored. */
type Store = keyof typeof STORES;

/** Invocations of a workgroup, as the store files have it. */
const WORKGROUP = 64;

/** What every kernel reads elements with, after its constants. */
export const PREAMBLE: readonly string[] = [PARAMETERS, ELEMENTS, FLOAT_BITS];

/** The name of a dtype's constant in wgsl/elements.wgsl. */
export function dtypeConstant(dtype: DType): string {
  return dtype.toUpperCase();
}

/** The dtype that stands for all which kernels treat alike where only bits are moved. */
export function movedAs(dtype: DType): DType {
  return isHalf(dtype) ? "f16" : "f32";
}

/**
 * Shaders by a kernel's own key and the store.
 *
 * @param access how inputs (and what comes after them) are bound
 * @param make the label, the constants and the files of a key
 */
export function elementwiseShaders(
  access: string,
  make: (key: string) => { label: string; constants: Record<string, string | number>; files: readonly string[] },
): Shaders {
  return new Shaders((keyAndStore) => {
    const cut = keyAndStore.lastIndexOf(" ");
    const store = keyAndStore.slice(cut + 1) as Store; // runElementwise put it there
    const { label, constants, files } = make(keyAndStore.slice(0, cut));
    const name = store === "halves" ? `${label}_scattered` : label;
    return new Shader(name, `w${access}`, constants, [...PREAMBLE, ...files, STORES[store]]);
  });
}

function storeFor({ buffer, dtype, shape, strides, offset }: WebGpuOperand): Store {
  if (!isHalf(dtype)) return "words";
  const numel = numelOf(shape);
  const wholeWords = offset % 2 === 0 && (numel % 2 === 0 || offset + numel === buffer.numel);
  return wholeWords && isGapless(shape, strides) ? "pairs" : "halves";
}

/** Whether a view's elements lie in row-major order without gaps. */
export function isGapless(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return false;
    expected *= shape[d]!;
  }
  return true;
}

/** Records the kernel of a key over all elements of `out`; inputs have its shape. */
export function runElementwise(
  gpu: Gpu,
  shaders: Shaders,
  key: string,
  out: WebGpuOperand,
  inputs: readonly WebGpuOperand[],
  attrs: readonly number[] = [],
  status: readonly WebGpuOperand[] = [],
): void {
  const store = storeFor(out);
  const scalar = out.shape.length === 0;
  const shape = scalar ? ONE : out.shape;
  const numel = numelOf(shape);
  const operands = [out, ...inputs];
  const placed = scalar ? operands.map(({ offset }) => ({ strides: ONE, offset })) : operands;
  const invocations = store === "pairs" ? Math.ceil(numel / 2) : numel;
  const grid = gpu.line(Math.ceil(invocations / WORKGROUP));
  const parameters = { shape, operands: placed, numel, attrs };
  gpu.run(shaders.get(`${key} ${store}`), status.length === 0 ? operands : [...operands, ...status], parameters, grid);
}

const ONE: readonly number[] = [1];
