/**
 * Reading an operand of any storage dtype as numbers: files that define `fn element(i: u32) -> f32`, and for blocks
 * `fn quad(i: u32) -> vec4f` too, over a buffer that the kernel names by `fn word_at(i: u32) -> u32`. The constant X is the
 * dtype where it is a plain one.
 */
import { type BlockDType, type DType, isBlock } from "../../../core/src/dtype.ts";
import { isPackable } from "../buffer.ts";
import APART from "../wgsl/blocks/apart.wgsl" with { type: "text" };
import BYTES from "../wgsl/blocks/bytes.wgsl" with { type: "text" };
import FIFTH_BITS from "../wgsl/blocks/fifth_bits.wgsl" with { type: "text" };
import IQ4_NL from "../wgsl/blocks/iq4_nl.wgsl" with { type: "text" };
import IQ4_XS from "../wgsl/blocks/iq4_xs.wgsl" with { type: "text" };
import K_SCALES from "../wgsl/blocks/k_scales.wgsl" with { type: "text" };
import LEVELS from "../wgsl/blocks/levels.wgsl" with { type: "text" };
import PAIRED from "../wgsl/blocks/paired.wgsl" with { type: "text" };
import Q2_K from "../wgsl/blocks/q2_k.wgsl" with { type: "text" };
import Q3_K from "../wgsl/blocks/q3_k.wgsl" with { type: "text" };
import Q4_0 from "../wgsl/blocks/q4_0.wgsl" with { type: "text" };
import Q4_1 from "../wgsl/blocks/q4_1.wgsl" with { type: "text" };
import Q4_K from "../wgsl/blocks/q4_k.wgsl" with { type: "text" };
import Q5_0 from "../wgsl/blocks/q5_0.wgsl" with { type: "text" };
import Q5_1 from "../wgsl/blocks/q5_1.wgsl" with { type: "text" };
import Q5_K from "../wgsl/blocks/q5_k.wgsl" with { type: "text" };
import Q6_K from "../wgsl/blocks/q6_k.wgsl" with { type: "text" };
import Q8_0 from "../wgsl/blocks/q8_0.wgsl" with { type: "text" };
import SIGNED from "../wgsl/blocks/signed.wgsl" with { type: "text" };
import UNSIGNED from "../wgsl/blocks/unsigned.wgsl" with { type: "text" };
import WHOLE from "../wgsl/blocks/whole.wgsl" with { type: "text" };
import BLOCK_ELEMENT from "../wgsl/block_element.wgsl" with { type: "text" };
import PLAIN_ELEMENT from "../wgsl/plain_element.wgsl" with { type: "text" };
import { dtypeConstant } from "./elementwise.ts";

const BLOCKS: Readonly<Record<BlockDType, readonly string[]>> = {
  q4_0: [Q4_0, UNSIGNED],
  q4_1: [Q4_1, UNSIGNED],
  q5_0: [FIFTH_BITS, Q5_0, UNSIGNED],
  q5_1: [FIFTH_BITS, Q5_1, UNSIGNED],
  q8_0: [Q8_0, SIGNED],
  q2_k: [Q2_K, UNSIGNED],
  q3_k: [Q3_K, UNSIGNED],
  q4_k: [K_SCALES, Q4_K, UNSIGNED],
  q5_k: [K_SCALES, Q5_K, UNSIGNED],
  q6_k: [Q6_K, UNSIGNED],
  iq4_nl: [IQ4_NL, LEVELS],
  iq4_xs: [IQ4_XS, LEVELS],
};

/**
 * The files that define `element` for a dtype.
 *
 * @param packed whether blocks lie in pairs; see packing.ts
 */
export function elementFiles(dtype: DType, packed = false): readonly string[] {
  if (!isBlock(dtype)) return [PLAIN_ELEMENT];
  const words = !isPackable(dtype) ? WHOLE : packed ? PAIRED : APART;
  return [BYTES, words, ...BLOCKS[dtype], BLOCK_ELEMENT];
}

/** The constant X of a dtype: that of what `element` gives where elements come in blocks. */
export function elementConstant(dtype: DType): string {
  return dtypeConstant(isBlock(dtype) ? "f32" : dtype);
}
