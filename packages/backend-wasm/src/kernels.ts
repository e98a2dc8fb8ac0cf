/**
 * The table of kernels: what each is called in Rust, what it demands of layouts, and its settings as numbers, in the order
 * that the kernel's header says.
 */
import type {
  AttentionAttrs,
  AttentionExtra,
  BinaryOp,
  FusedKernels,
  IndexAttrs,
  Kernel,
  Kernels,
  PrimitiveKernels,
  ReduceOp,
  UnaryOp,
} from "../../core/src/backend.ts";
import { isBlock, isFloat } from "../../core/src/dtype.ts";
import type { WasmBuffer, WasmOperand } from "./buffer.ts";

/** Runs one export on checked operands; `op` is what messages call it, where that is not its name. */
export type RunKernel = (
  inputs: readonly WasmOperand[],
  outputs: readonly WasmOperand[],
  settings: readonly number[],
  op?: string,
) => void;

/** What kernels need of their backend. */
export interface KernelHost {
  /** How to run the export of that name. */
  kernel(name: string): RunKernel;
  /** Makes sure that a frozen weight lies as matmul likes it best. */
  packForMatmul(weight: WasmOperand): void;
  /** The same matrix in panels, where it is constant and that pays; made once. */
  withPanels(matrix: WasmOperand): WasmOperand;
  /** Makes sure that an operand's blocks lie as GGML lays them out. */
  unpack(operand: WasmOperand): void;
  /** Whether activations may be quantised. */
  readonly quantiseActivations: boolean;
}

/** Codes of `unary`'s setting 0, by place. */
export const UNARY_OPS = [
  ...["neg", "abs", "sign", "square", "exp", "exp2", "expm1", "log", "log2", "log1p"] as const,
  ...["sqrt", "rsqrt", "reciprocal", "sin", "cos", "tanh", "erf", "sigmoid", "relu", "silu"] as const,
  ...["gelu", "geluTanh", "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite", "logicalNot"] as const,
] as const;

/** Codes of `binary`'s setting 0, by place. */
export const BINARY_OPS = [
  ...["add", "sub", "mul", "div", "pow", "maximum", "minimum"] as const,
  ...["eq", "ne", "lt", "le", "gt", "ge", "logicalAnd", "logicalOr", "logicalXor"] as const,
] as const;

/** Codes of `reduce`'s setting 0, by place. */
export const REDUCE_OPS = ["sum", "prod", "max", "min", "argmax", "argmin", "any", "all"] as const;

/** Bits of `attention`'s setting 0, by place. */
const EXTRAS = [
  ...["mask", "alibiSlopes", "sinks", "keyLengths", "keyPositions", "pageTable", "blockKinds", "blockTable"] as const,
] as const;

// Where a list lacks an op of the contract, its line here does not compile: no code would read as 0, another op's.
const UNARY_CODES: Readonly<Record<UnaryOp, number>> = codesOf(UNARY_OPS);
const BINARY_CODES: Readonly<Record<BinaryOp, number>> = codesOf(BINARY_OPS);
const REDUCE_CODES: Readonly<Record<ReduceOp, number>> = codesOf(REDUCE_OPS);
const EXTRA_BITS: Readonly<Record<AttentionExtra, number>> = codesOf(EXTRAS);

function codesOf<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, i) => [name, i])) as Record<Name, number>; // fromEntries() forgets the keys
}

/** A kernel that takes any strides, and whose settings follow from its attrs. */
function kernelOf<Inputs extends readonly WasmOperand[], Attrs>(
  host: KernelHost,
  name: string,
  settings: (attrs: Attrs) => readonly number[],
): Kernel<WasmBuffer, Inputs, Attrs> {
  const run = host.kernel(name);
  return { layout: "strided", run: (inputs, outputs, attrs) => run(inputs, outputs, settings(attrs)) };
}

/** A kernel that goes by an index, and says what was called where one is out of range. */
function indexedOf<Inputs extends readonly WasmOperand[], Attrs extends IndexAttrs>(
  host: KernelHost,
  name: string,
  settings: (attrs: Attrs) => readonly number[],
): Kernel<WasmBuffer, Inputs, Attrs> {
  const run = host.kernel(name);
  return { layout: "strided", run: (inputs, outputs, attrs) => run(inputs, outputs, settings(attrs), attrs.op) };
}

const NONE: readonly number[] = [];

/** Every kernel there is. */
export function makeKernels(host: KernelHost): Kernels<WasmBuffer> {
  return { ...makePrimitives(host), ...makeFused(host) };
}

function makePrimitives(host: KernelHost): PrimitiveKernels<WasmBuffer> {
  return {
    fill: kernelOf(host, "fill", ({ value, step }) => [value, step]),
    copy: makeCopy(host),
    unary: kernelOf(host, "unary", ({ op }) => [UNARY_CODES[op]]),
    binary: kernelOf(host, "binary", ({ op }) => [BINARY_CODES[op]]),
    where: kernelOf(host, "where_", () => NONE),
    reduce: kernelOf(host, "reduce", ({ op, dims }) => [REDUCE_CODES[op], dims]),
    scan: kernelOf(host, "scan", ({ op, dim }) => [op === "sum" ? 0 : 1, dim]),
    matmul: makeMatmul(host),
    gather: indexedOf(host, "gather", ({ dim }) => [dim]),
    scatter: indexedOf(host, "scatter", ({ dim, mode }) => [dim, mode === "add" ? 0 : 1]),
    sort: kernelOf(host, "sort", ({ dim, descending }) => [dim, Number(descending)]),
    random: kernelOf(host, "random", ({ seed, start, run, step }) => [...seed, start, run, step]),
  };
}

/** Blocks that are moved as they lie must lie as GGML lays them out; what is decoded may be packed. */
function makeCopy(host: KernelHost): PrimitiveKernels<WasmBuffer>["copy"] {
  const run = host.kernel("copy");
  return {
    layout: "strided",
    run(inputs, outputs): void {
      if (isBlock(outputs[0]!.dtype)) host.unpack(inputs[0]);
      run(inputs, outputs, NONE);
    },
  };
}

/** Rows for which a constant matrix is put into panels, once: below it is best as it lies, beyond packing costs little. */
const PANELS_FROM = 5;
const PANELS_TO = 128;

function makeMatmul(host: KernelHost): PrimitiveKernels<WasmBuffer>["matmul"] {
  const run = host.kernel("matmul");
  const settings = [Number(host.quantiseActivations)];
  return {
    layout: "strided",
    run(inputs, outputs): void {
      const [a, b] = inputs;
      const rows = a.shape[a.shape.length - 2]!;
      if (isBlock(b.dtype)) host.packForMatmul(b);
      const asColumns = b.strides[b.strides.length - 2] === 1; // gapless ones, best as they lie for a single row too
      const suits = (rows >= PANELS_FROM && rows <= PANELS_TO) || (rows === 1 && !asColumns);
      run(suits && b.buffer.frozen && b.dtype === "f32" ? [a, host.withPanels(b)] : inputs, outputs, settings);
    },
  };
}

function makeFused(host: KernelHost): FusedKernels<WasmBuffer> {
  const attend = host.kernel("attention");
  return {
    softmax: kernelOf(host, "softmax", () => NONE),
    rmsNorm: kernelOf(host, "rms_norm", ({ eps }) => [eps]),
    rope: kernelOf(host, "rope", ({ interleaved }) => [Number(interleaved)]),
    siluMul: kernelOf(host, "silu_mul", () => NONE),
    attention: {
      layout: "strided",
      supports: supportsAttention,
      run: (inputs, outputs, attrs) => attend(inputs, outputs, attentionSettings(attrs, outputs.length)),
    },
  };
}

function attentionSettings(attrs: AttentionAttrs, outputs: number): readonly number[] {
  const { extras, keyCount, scale, softcap, offset, left, right, sinkTokens, dropout } = attrs;
  let present = 0;
  for (const name of extras) present |= 1 << EXTRA_BITS[name];
  const [start, atLengths] = offset === "keyLengths" ? [0, 1] : [offset, 0];
  const [p, low, high] = dropout === undefined ? [0, 0, 0] : [dropout.p, ...dropout.seed];
  return [present, outputs, keyCount, scale, softcap, start, atLengths, left, right, sinkTokens, p, low, high];
}

function supportsAttention(inputs: readonly WasmOperand[], { extras }: AttentionAttrs): boolean {
  const [query, key, value] = inputs;
  const maskDType = extras.includes("mask") ? inputs[3 + extras.indexOf("mask")]!.dtype : "bool";
  return isFloat(query!.dtype) && isReadable(key!) && isReadable(value!) &&
    (maskDType === "bool" || isFloat(maskDType)) &&
    extras.includes("blockKinds") === extras.includes("blockTable"); // the table tells the size of blocks
}

/** Floats, and blocks that lie along the head's dim. */
function isReadable({ dtype, strides }: WasmOperand): boolean {
  return isBlock(dtype) ? strides[3] === 1 : isFloat(dtype);
}
