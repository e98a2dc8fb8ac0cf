import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Backend, BinaryOp, ReduceOp, UnaryOp } from "../../core/src/backend.ts";
import { ALL_DTYPES, type DType } from "../../core/src/dtype.ts";
import { BackendError } from "../../core/src/errors.ts";
import { ABI_VERSION, CODES, DTYPE_CODES, MAX_RANK, OPERAND_WORDS } from "../src/abi.ts";
import type { WasmBuffer, WasmOperand } from "../src/buffer.ts";
import { createWasmBackend } from "../src/create.ts";
import { BINARY_OPS, REDUCE_OPS, UNARY_OPS } from "../src/kernels.ts";
import { draws } from "./draws.ts";

const RUST = new URL("../crate/src/", import.meta.url);

function readRust(file: string): string {
  return Deno.readTextFileSync(new URL(file, RUST));
}

/** `const NAME: u32 = 3;` as pairs, with names in lower case. */
function constantsOf(text: string): Map<string, number> {
  const found = text.matchAll(/const ([A-Z0-9_]+): (?:u32|usize) = (\d+);/g);
  return new Map([...found].map(([, name, value]) => [name!.toLowerCase(), Number(value)]));
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

Deno.test("abi.rs says the same numbers", () => {
  const text = readRust("abi.rs");
  const constants = constantsOf(text);
  for (const dtype of ALL_DTYPES) assertEquals(constants.get(dtype), DTYPE_CODES[dtype], dtype);
  for (const [name, code] of Object.entries(CODES)) assertEquals(constants.get(snake(name)), code, name);
  assertEquals(constants.get("max_rank"), MAX_RANK);
  assertEquals(/fn abi_version\(\) -> u32 \{\s*(\d+)/.exec(text)?.[1], `${ABI_VERSION}`);
  const fields = /pub struct Operand \{([\s\S]*?)\n\}/.exec(text)![1]!.matchAll(
    /pub (\w+): (\*mut u8|u32|\[u32; MAX_RANK\])/g,
  );
  const words = [...fields].map(([, name, type]) => [name, type!.startsWith("[") ? MAX_RANK : 1]);
  assertEquals(words, [
    ...[["ptr", 1], ["dtype", 1], ["rank", 1], ["offset", 1], ["packed", 1]],
    ...[["shape", MAX_RANK], ["strides", MAX_RANK]],
  ]);
  assertEquals(words.reduce((sum, [, n]) => sum + Number(n), 0), OPERAND_WORDS);
});

Deno.test("kernels know ops by the same numbers", () => {
  const check = (file: string, ops: readonly (UnaryOp | BinaryOp | ReduceOp)[]) => {
    const constants = constantsOf(readRust(`kernels/${file}.rs`));
    const [last] = ops.slice(-1); // in Rust it is whatever is none of the others
    const codes = ops.map((op, place) => constants.get(snake(op)) ?? (op === last ? place : undefined));
    assertEquals(codes, [...ops.keys()], `${file}: ${ops}`);
  };
  check("unary", UNARY_OPS);
  check("binary", BINARY_OPS);
  check("reduce", REDUCE_OPS);
});

const STRANGE = [-1, 0.5, NaN, Infinity, 2 ** 32, 2 ** 53, -(2 ** 31)];

function randomOperand(buffer: WasmBuffer, random: () => number): WasmOperand {
  const below = (n: number) => Math.floor(random() * n);
  const pick = (n: number) => random() < 0.03 ? STRANGE[below(STRANGE.length)]! : below(n);
  const shape = Array.from({ length: below(5) }, () => pick(6));
  return { buffer, dtype: buffer.dtype, shape, strides: shape.map(() => pick(20)), offset: pick(100) };
}

/** What the check must come to, by way of whole numbers of any size. */
function isWithin({ buffer, shape, strides, offset }: WasmOperand): boolean {
  const all = [...shape, ...strides, offset];
  if (!all.every((x) => Number.isInteger(x) && x >= 0 && x < 2 ** 32) || shape.includes(0)) return false;
  const last = shape.reduce((sum, size, d) => sum + BigInt(size - 1) * BigInt(strides[d]!), BigInt(offset));
  return last < BigInt(buffer.numel);
}

Deno.test("operands beyond their buffer are refused before Rust sees them, others are taken", async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const guard = backend.allocate("f32", 4096);
  backend.write(guard, 0, new Uint8Array(4096 * 4).fill(0xab));
  const counts = { taken: 0, refused: 0 };
  for (const dtype of ["f32", "f16", "i32", "u8", "f64"] satisfies DType[]) {
    const seed = DTYPE_CODES[dtype] + 1;
    const random = draws(seed);
    const buffer = backend.allocate(dtype, 120);
    backend.write(buffer, 0, new Uint8Array(buffer.byteLength));
    for (let i = 0; i < 1500; i++) {
      const x = randomOperand(buffer, random);
      const told = `seed ${seed}, case ${i}: [${x.shape}] strides [${x.strides}] offset ${x.offset}`;
      if (isWithin(x)) {
        run(backend, x);
        counts.taken++;
      } else {
        const error = assertThrows(() => run(backend, x), BackendError, "operand 0", told);
        assert(error.message.includes("is refused"), told);
        counts.refused++;
      }
    }
    backend.free(buffer);
  }
  assert(counts.taken > 300 && counts.refused > 300, JSON.stringify(counts));
  assert(backend.downloadSync!(guard, 0, 4096).every((byte) => byte === 0xab), "nothing else was written");
  backend.dispose();
});

function run(backend: Backend<WasmBuffer>, x: WasmOperand): void {
  const shape = x.shape.map((size) => isFinite(size) && size > 0 && size < 10 ? Math.ceil(size) : 1);
  const numel = shape.reduce((n, size) => n * size, 1);
  const buffer = backend.allocate(x.dtype, numel);
  const strides = shape.map((_, d) => shape.slice(d + 1).reduce((n, size) => n * size, 1));
  try {
    backend.kernels.copy.run([x], [{ buffer, dtype: x.dtype, shape: x.shape, strides, offset: 0 }], {});
  } finally {
    backend.free(buffer);
  }
}

Deno.test("outputs are checked as inputs are", async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const buffer = backend.allocate("f32", 8);
  const at = (offset: number): WasmOperand => ({ buffer, dtype: "f32", shape: [4], strides: [1], offset });
  backend.kernels.fill.run([], [at(4)], { value: 1, step: 0 });
  assertThrows(
    () => backend.kernels.fill.run([], [at(5)], { value: 1, step: 0 }),
    BackendError,
    "Cannot fill: operand 0, f32 [4] with strides [1] and offset 5, is refused: it reaches beyond its buffer of 8",
  );
  backend.dispose();
});

Deno.test("more dims than a record holds are refused", async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const buffer = backend.allocate("f32", 1);
  const ones = new Array<number>(MAX_RANK + 1).fill(1);
  const x = { buffer, dtype: "f32", shape: ones, strides: ones, offset: 0 } as const;
  assertThrows(
    () => backend.kernels.unary.run([x], [x], { op: "neg" }),
    BackendError,
    "WebAssembly kernels take at most 8 dims; reshape it",
  );
  backend.dispose();
});

Deno.test("an operand of another backend, or of another dtype than its buffer's, is refused", async () => {
  const [one, two] = [await createWasmBackend({ threads: 1 }), await createWasmBackend({ threads: 1 })];
  const operand = (buffer: WasmBuffer, dtype: DType): WasmOperand => ({
    ...{ buffer, dtype, shape: [1], strides: [1], offset: 0 },
  });
  const [mine, theirs] = [one.allocate("f32", 1), two.allocate("f32", 1)];
  assertThrows(
    () => one.kernels.unary.run([operand(theirs, "f32")], [operand(mine, "f32")], { op: "neg" }),
    BackendError,
    "it lives on another backend",
  );
  assertThrows(
    () => one.kernels.unary.run([operand(mine, "f64")], [operand(mine, "f32")], { op: "neg" }),
    BackendError,
    "it is malformed",
  );
  one.dispose();
  two.dispose();
});
