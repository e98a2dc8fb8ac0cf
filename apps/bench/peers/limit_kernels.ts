/**
 * The loops whose speed is called the machine's limit: nothing but the one thing they count. Twelve accumulators hide the
 * latency of a multiply-add (4 cycles, 2 a cycle) and leave V8 registers for the operands; eight do for loads.
 *
 *     multiplyAdd(n, x)     acc_i = x * x + acc_i             12 x 4 lanes x 2 operations a turn
 *     dot(n, x)             acc_i = acc_i + dot2(x, x)        6 x (16 multiplications, 8 + 8 additions) a turn
 *     read(end)             acc_i = acc_i + load              128 bytes a turn, from 0 to `end`
 */
import { assemble } from "./assemble.ts";

/** Operations of one turn of `multiplyAdd`. */
export const MULTIPLY_ADD_OPERATIONS = 12 * 4 * 2;
/** Operations of one turn of `dot`: each of 16 products counts as a multiplication and an addition. */
export const DOT_OPERATIONS = 6 * 16 * 2;
/** Bytes of one turn of `read`. */
export const READ_BYTES = 128;

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(" ");

/** A number that depends on all accumulators, so that none can be left out. */
const result = (first: number, count: number): string =>
  `local.get ${first} ${times(count - 1, (i) => `local.get ${first + 1 + i} v128.xor`)} i32x4.extract_lane 0`;

/** Counts parameter 0 down to 0. */
const countDown = (body: string): string => `loop ${body} local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end`;

/** The module's bytes. */
export const LIMIT_MODULE: Uint8Array<ArrayBuffer> = assemble([
  {
    ...{ name: "multiplyAdd", parameters: 2, vectors: 13 },
    body: `local.get 1 i32x4.splat f32x4.convert_i32x4_s local.set 2
      ${countDown(times(12, (i) => `local.get 2 local.get 2 local.get ${i + 3} f32x4.relaxed_madd local.set ${i + 3}`))}
      ${result(3, 12)}`,
  },
  {
    ...{ name: "dot", parameters: 2, vectors: 7 },
    body: `local.get 1 i16x8.splat local.set 2
      ${
      countDown(times(6, (i) =>
        `local.get 2 local.get ${i + 3} i16x8.relaxed_dot_i8x16_i7x16_s local.get ${i + 3} i16x8.add local.set ${
          i + 3
        }`))
    }
      ${result(3, 6)}`,
  },
  {
    ...{ name: "read", parameters: 2, vectors: 8 },
    body: `loop
      ${times(8, (i) => `local.get 1 v128.load ${16 * i} local.get ${i + 2} i32x4.add local.set ${i + 2}`)}
      local.get 1 i32.const ${READ_BYTES} i32.add local.tee 1 local.get 0 i32.lt_u br_if 0 end
      ${result(2, 8)}`,
  },
]);
