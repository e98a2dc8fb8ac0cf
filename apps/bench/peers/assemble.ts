/**
 * A WebAssembly module from instructions in words: just enough for the loops of limit_kernels.ts. An instruction is its name
 * as the text format spells it, then its immediates; words may be on one line or many. Module layout and opcodes: the binary
 * format of the WebAssembly specification, relaxed SIMD included.
 */

const I32 = 0x7f;
const V128 = 0x7b;

/** Opcodes below 0x100 are one byte; those of SIMD follow the prefix 0xfd, here as 0xfd00 and up. */
const OPCODES: Readonly<Record<string, number>> = {
  "loop": 0x03,
  "end": 0x0b,
  "br_if": 0x0d,
  "local.get": 0x20,
  "local.set": 0x21,
  "local.tee": 0x22,
  "i32.const": 0x41,
  "i32.lt_u": 0x49,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "v128.load": 0xfd00,
  "v128.xor": 0xfd51,
  "i16x8.splat": 0xfd10,
  "i32x4.extract_lane": 0xfd1b,
  "f32x4.convert_i32x4_s": 0xfdfa,
  "i32x4.splat": 0xfd11,
  "i16x8.add": 0xfd8e,
  "i32x4.add": 0xfdae,
  "f32x4.relaxed_madd": 0xfe05,
  "i16x8.relaxed_dot_i8x16_i7x16_s": 0xfe12,
};

/** What stands between an opcode and its immediates: the type of a block (none), the alignment of a load (any). */
const BETWEEN: Readonly<Record<string, readonly number[]>> = { "loop": [0x40], "v128.load": [0] };

/** One exported function of i32 parameters that returns an i32. */
export interface LoopFunction {
  readonly name: string;
  readonly parameters: number;
  /** v128 locals, numbered after the parameters. */
  readonly vectors: number;
  readonly body: string;
}

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...unsigned(Math.floor(value / 128))];
}

function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 0x7f] : [value & 0x7f | 0x80, ...signed(value >> 7)];
}

function opcode(name: string): number[] {
  const code = OPCODES[name];
  if (code === undefined) throw new Error(`Cannot assemble ${name}: it is not in the table`);
  return [...(code < 0x100 ? [code] : [0xfd, ...unsigned(code - 0xfd00)]), ...BETWEEN[name] ?? []];
}

function instructions(body: string): number[] {
  let constant = false; // immediates are unsigned but for constants
  return body.trim().split(/\s+/).flatMap((word) => {
    if (/^-?\d+$/.test(word)) return constant ? signed(Number(word)) : unsigned(Number(word));
    constant = word === "i32.const";
    return opcode(word);
  });
}

const vector = (items: readonly number[][]): number[] => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const text = (value: string): number[] => sized([...new TextEncoder().encode(value)]);
const section = (id: number, items: readonly number[][]): number[] => [id, ...sized(vector(items))];

/** The module's bytes. It imports its memory as `env.memory`. */
export function assemble(functions: readonly LoopFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, ...vector(Array(parameters).fill([I32])), 1, I32]);
  const memory = [...text("env"), ...text("memory"), 2, 0, 1];
  const exports = functions.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]);
  const bodies = functions.map(({ vectors, body }) =>
    sized([...vector([[...unsigned(vectors), V128]]), ...instructions(body), ...opcode("end")])
  );
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [memory]),
    ...section(3, functions.map((_, i) => unsigned(i))),
    ...section(7, exports),
    ...section(10, bodies),
  ]);
}
