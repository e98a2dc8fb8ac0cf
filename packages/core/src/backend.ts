/**
 * The contract between core and a backend, on one page.
 *
 * Core decides meaning: shapes, broadcasting, promotion, errors, gradients, and the allocation of outputs.
 * A backend owns bytes (`allocate`, `write`, `download`, `free`) and fills outputs (`kernels`). What kernels may rely on:
 *
 * - no operand has zero elements; strides are >= 0; shapes and dtypes are checked already;
 * - operands of `binary` and `where` are broadcast (stride 0) and of one dtype; neighbouring dims are collapsed in
 *   `fill`, `copy`, `unary`, `binary` and `where`;
 * - `out` is contiguous at offset 0, except in `fill` (any offset), `copy` and `scatter` (any view);
 * - `out`'s buffer is never an input's;
 * - a kernel that demands more of a layout than it would get receives a copy, made by dispatch and shown by the trace.
 *
 * A fused kernel may be absent, or decline a call by `supports`: core then runs the composition that defines it, on the
 * same backend. Nothing ever moves to another backend by itself.
 *
 * `B` is the backend's own handle of a buffer. How bytes lie behind it is the backend's affair; `write` and `download`
 * speak canonical bytes (little-endian; bool as 0 or 1; blocks as GGML lays them out).
 */
import type { DType } from "./dtype.ts";
import type { MemoryAccount } from "./memory.ts";

/** One operand of a kernel: a buffer and where its elements lie in it, counted in elements. */
export interface Operand<B = unknown> {
  /** The backend's handle. */
  readonly buffer: B;
  /** How elements are stored. */
  readonly dtype: DType;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Elements to step along each dim. */
  readonly strides: readonly number[];
  /** Index of the first element. */
  readonly offset: number;
}

/** What a kernel demands of its inputs: any strides, a last dim of stride 1, or row-major without gaps. */
export type LayoutDemand = "strided" | "rows" | "contiguous";

/** One backend's implementation of one named call. */
export interface Kernel<B, Inputs extends readonly Operand<B>[], Attrs> {
  /** What it demands of inputs. Block-quantised inputs are exempt: they arrive as they lie. */
  readonly layout: LayoutDemand;
  /** Whether it takes this call; a primitive that does not makes the call an error, a fused one its composition. */
  supports?(inputs: Inputs, attrs: Attrs): boolean;
  /** Fills the outputs. */
  run(inputs: Inputs, outputs: readonly Operand<B>[], attrs: Attrs): void;
}

/** Elementwise functions of one operand; the result has its dtype, or bool for the three tests. */
export type UnaryOp =
  | "neg"
  | "abs"
  | "sign"
  | "square"
  | "exp"
  | "exp2"
  | "expm1"
  | "log"
  | "log2"
  | "log1p"
  | "sqrt"
  | "rsqrt"
  | "reciprocal"
  | "sin"
  | "cos"
  | "tanh"
  | "erf"
  | "sigmoid"
  | "relu"
  | "silu"
  | "gelu"
  | "geluTanh"
  | "floor"
  | "ceil"
  | "round"
  | "trunc"
  | "isnan"
  | "isinf"
  | "isfinite"
  | "logicalNot";

/** Elementwise functions of two operands of one dtype; comparisons and logic give bool. */
export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "maximum"
  | "minimum"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "logicalAnd"
  | "logicalOr"
  | "logicalXor";

/** Reductions over trailing dims; `argmax` and `argmin` give the first extreme, and NaN wins in extremes. */
export type ReduceOp = "sum" | "prod" | "max" | "min" | "argmax" | "argmin" | "any" | "all";

/** Running reductions along a dim. */
export type ScanOp = "sum" | "prod";

/** A call without settings. */
export type NoAttrs = Readonly<Record<never, never>>;

/** A 64-bit seed as two unsigned 32-bit words: the key of Threefry-2x32. */
export type Seed = readonly [number, number];

/** Which draws of a seed the `random` kernel makes: runs of `run` counters, each `step` after the one before. */
export interface RandomAttrs {
  /** The key. */
  readonly seed: Seed;
  /** The first counter. */
  readonly start: number;
  /** Counters in a row. */
  readonly run: number;
  /** From the start of a run to that of the next. */
  readonly step: number;
}

/** Settings of the kernels that go by an index. */
export interface IndexAttrs {
  /** Where the index is put in. */
  readonly dim: number;
  /** What was called, for the message about an index out of range: `embedding`. */
  readonly op: string;
}

/** What every backend has; leaving one out does not compile. */
export interface PrimitiveKernels<B> {
  /** `out[i] = value + i * step`, i counting elements in row-major order. */
  fill: Kernel<B, readonly [], { readonly value: number; readonly step: number }>;
  /** Any view to any view of the same shape; casts (floats to ints truncate), dequantises, and quantises to q8_0. */
  copy: Kernel<B, readonly [source: Operand<B>], NoAttrs>;
  /** `out = op(x)`. */
  unary: Kernel<B, readonly [x: Operand<B>], { readonly op: UnaryOp }>;
  /** `out = op(a, b)`. */
  binary: Kernel<B, readonly [a: Operand<B>, b: Operand<B>], { readonly op: BinaryOp }>;
  /** `out = condition ? a : b`; condition is bool. */
  where: Kernel<B, readonly [condition: Operand<B>, a: Operand<B>, b: Operand<B>], NoAttrs>;
  /** `[kept…, reduced…] -> [kept…]`: the last `dims` dims are reduced, in row-major order. */
  reduce: Kernel<B, readonly [x: Operand<B>], { readonly op: ReduceOp; readonly dims: number }>;
  /** Running sum or product along `dim`, in out's dtype. */
  scan: Kernel<B, readonly [x: Operand<B>], { readonly op: ScanOp; readonly dim: number }>;
  /** `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]`; b may be of any storage dtype, blocks along K or N. */
  matmul: Kernel<B, readonly [a: Operand<B>, b: Operand<B>], NoAttrs>;
  /** `out[i0, …] = x[…, index[i0, …], …]` with the index (i32) put in at `dim`; an index out of range is an error. */
  gather: Kernel<B, readonly [x: Operand<B>, index: Operand<B>], IndexAttrs>;
  /** `out[…, index[i0, …], …] += source[i0, …]`, or `=` where the last write wins; deterministic. */
  scatter: Kernel<
    B,
    readonly [index: Operand<B>, source: Operand<B>],
    IndexAttrs & { readonly mode: "add" | "set" }
  >;
  /** Two outputs, values and i32 indices, sorted along `dim`; stable; NaN counts as largest. */
  sort: Kernel<B, readonly [x: Operand<B>], { readonly dim: number; readonly descending: boolean }>;
  /**
   * f32 uniform in [0, 1): element i is the top 24 bits of the first word of Threefry-2x32(seed, [n mod 2^32, n / 2^32])
   * over 2^24, with `n = start + floor(i / run) * step + i % run`: the draws of a slice of a larger tensor.
   */
  random: Kernel<B, readonly [], RandomAttrs>;
}

/** What a backend may have; each has a composition of primitives as its definition. */
export interface FusedKernels<B> {
  /** Softmax along the last dim. */
  softmax: Kernel<B, readonly [x: Operand<B>], NoAttrs>;
  /** `x * rsqrt(mean(x^2) + eps) * weight` along the last dim; `weight` is `[D]`. */
  rmsNorm: Kernel<B, readonly [x: Operand<B>, weight: Operand<B>], { readonly eps: number }>;
  /**
   * Rotates pairs of `x [B,H,T,D]` by the angles whose `cos` and `sin` are `[B,T,R/2]` (or broadcast);
   * elements from R on pass through.
   */
  rope: Kernel<
    B,
    readonly [x: Operand<B>, cos: Operand<B>, sin: Operand<B>],
    { readonly interleaved: boolean }
  >;
  /** `silu(gate) * up`. */
  siluMul: Kernel<B, readonly [gate: Operand<B>, up: Operand<B>], NoAttrs>;
  /**
   * Attention with an online softmax: no `[T, S]` matrix. Inputs are `query [B, Hkv, G, T, D]`, `key [B, Hkv, S, D]`,
   * `value [B, Hkv, S, Dv]`, then what `extras` lists, in that order. Outputs are `[B, Hkv, G, T, Dv]` in query's dtype,
   * and, where a second one is given, logSumExp `[B, Hkv, G, T]` (f32, f64 for f64). Key and value may be of any float
   * dtype or q8_0. {@linkcode AttentionAttrs} says what each setting means.
   */
  attention: Kernel<B, readonly Operand<B>[], AttentionAttrs>;
}

/**
 * Operands of attention after query, key and value; each is there or not, always in this order.
 *
 * - `mask` bool (true: may attend) or float (added), broadcast to `[B, Hkv, G, T, S]`
 * - `alibiSlopes` `[Hkv, G]`: adds `slope * (position(s) - p(t))`
 * - `sinks` `[Hkv, G]`: one more logit a row, which takes probability and has no value
 * - `keyLengths` i32 `[B]`: keys from there on do not exist
 * - `keyPositions` i32 `[S]`: `position(s)`, which is `s` without it
 * - `pageTable` i32 `[B, N]`: key and value are pools `[P, Hkv, pageTokens, D]`, key s of row b is in slot `s % pageTokens`
 *   of page `pageTable[b, s / pageTokens]`
 * - `blockKinds` i32, broadcast to `[B, Hkv, G, ceil(T / n), ceil(S / n)]`: 0 hides a block of n x n scores, 1 shows it,
 *   k > 1 shows what block k of `blockTable` has true
 * - `blockTable` bool `[K, n, n]`
 */
export type AttentionExtra =
  | "mask"
  | "alibiSlopes"
  | "sinks"
  | "keyLengths"
  | "keyPositions"
  | "pageTable"
  | "blockKinds"
  | "blockTable";

/**
 * Settings of the `attention` kernel. The query at row t has position `p(t) = t + offset`, or `t + keyLengths[b] - T`
 * with `offset: "keyLengths"`. It may attend to key s when all of these hold:
 *
 * - `s < keyLengths[b]`
 * - `position(s) <= p(t) + right`
 * - `position(s) >= p(t) - left`, or `position(s) < sinkTokens`
 * - the mask and the block mask show it
 *
 * Scores are `q · k * scale`, then `softcap * tanh(x / softcap)`, then ALiBi and the float mask are added. A row that may
 * attend to nothing is zeros, with logSumExp -Infinity (or its sink).
 */
export interface AttentionAttrs {
  /** Which operands follow query, key and value. */
  readonly extras: readonly AttentionExtra[];
  /** S, which a pool's shape does not tell. */
  readonly keyCount: number;
  /** Factor of the products. */
  readonly scale: number;
  /** Bound of the scores; 0 for none. */
  readonly softcap: number;
  /** Position of the first query. */
  readonly offset: number | "keyLengths";
  /** Positions seen before the query's; Infinity for all. */
  readonly left: number;
  /** Positions seen after the query's; Infinity for all, 0 for causal attention. */
  readonly right: number;
  /** Positions from the start that `left` does not hide. */
  readonly sinkTokens: number;
  /**
   * Weights dropped and the rest scaled by `1 / (1 - p)`: weight i, counted in row-major order over `[B, Hkv, G, T, S]`,
   * goes where draw i of `random` is below p (the counter's words are i mod 2^32 and i / 2^32).
   */
  readonly dropout: { readonly p: number; readonly seed: Seed } | undefined;
}

/** A backend's table of kernels. */
export type Kernels<B = unknown> = PrimitiveKernels<B> & Partial<FusedKernels<B>>;

/** The name of a kernel call. */
export type KernelName = keyof Kernels;

/** What a backend says of itself. */
export interface BackendDescription {
  /** The backend's name. */
  readonly name: string;
  /** One line for people: device, build, threads. */
  readonly summary: string;
  /** How exact it is: what accumulates in what, what is quantised on the fly. */
  readonly precision: string;
  /** The rest, by name: adapter, features, threads and why not more. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** How a backend's matmul treats the activations that meet block-quantised weights: rounded to int8, in blocks, or as they are. */
export type MatmulActivations = "int8" | "f32";

/** How a buffer will be used. */
export interface AllocateOptions {
  /** Written once and then frozen: a weight. */
  readonly constant?: boolean;
}

/** Bytes that a backend owns, and a table of kernels that fill them. */
export interface Backend<B = unknown> {
  /** The name it was registered under. */
  readonly name: string;
  /** Live bytes, budget, and what is alive. Core keeps it; a backend only makes it. */
  readonly memory: MemoryAccount;
  /** The kernels. */
  readonly kernels: Kernels<B>;
  /** Whether tensors of this dtype can live here. */
  hasDType(dtype: DType): boolean;
  /** The most bytes that one buffer can have; absent where memory as a whole is the limit. */
  largestBuffer?(options?: AllocateOptions): number;
  /** A buffer of `numel` elements, contents undefined. @throws {BackendError} when there is no room */
  allocate(dtype: DType, numel: number, options?: AllocateOptions): B;
  /** Writes canonical bytes; a large tensor comes in pieces, cut anywhere. */
  write(buffer: B, offsetBytes: number, bytes: Uint8Array): void;
  /** Nothing will be written any more: the backend may repack. */
  freeze(buffer: B): void;
  /** Canonical bytes of elements `start` to `start + numel`, once all recorded work is done. */
  download(buffer: B, start: number, numel: number): Promise<Uint8Array>;
  /** The same at once, where the platform can. */
  downloadSync?(buffer: B, start: number, numel: number): Uint8Array;
  /** Gives a buffer back. */
  free(buffer: B): void;
  /** Submits recorded work without waiting. */
  flush(): void;
  /** Resolves when submitted work is done: back-pressure for long loops. */
  settled(): Promise<void>;
  /** What it is, for people and reports. */
  describe(): BackendDescription;
  /** Frees everything; the backend cannot be used any more. */
  dispose(): void;
}
