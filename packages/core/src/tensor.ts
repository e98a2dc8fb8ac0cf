/**
 * The tensor: a storage, a layout, and where gradients are wanted a node. Methods delegate to the functions of `ops/`,
 * where checks, meaning and gradient of each are found under the same name; this file adds nothing to them.
 */
import type { Backend } from "./backend.ts";
import { type DType, isFloat } from "./dtype.ts";
import { BackendError, DTypeError, showShape } from "./errors.ts";
import { GradNode } from "./grad/node.ts";
import { backward, type BackwardOptions } from "./grad/backward.ts";
import { Layout } from "./layout.ts";
import { type Storage, track } from "./memory.ts";
import { normalizeDim, type Shape } from "./shape.ts";
import * as ops from "./ops/mod.ts";
import { format, type FormatOptions, header } from "./format.ts";
import { move, type NestedNumbers, read, readItem, readSync, toNested, type TypedArray } from "./read.ts";

/** A number, or a tensor that broadcasts. */
export type TensorLike = Tensor | number;

/** A strided view of elements that a backend stores. */
export class Tensor {
  /** The bytes, shared with every view. */
  readonly storage: Storage;
  /** Shape, strides and offset, in elements. */
  readonly layout: Layout;
  #node: GradNode | undefined;
  #disposed = false;
  #kept = false;

  /** @ignore Tensors are made by creation functions and ops. */
  constructor(storage: Storage, layout: Layout) {
    this.storage = storage;
    this.layout = layout;
    storage.retain();
    track(this);
  }

  /** Sizes, outermost first. */
  get shape(): Shape {
    return this.layout.shape;
  }

  /** Elements to step along each dim. */
  get strides(): readonly number[] {
    return this.layout.strides;
  }

  /** Index of the first element in the storage. */
  get offset(): number {
    return this.layout.offset;
  }

  /** The number of dims. */
  get rank(): number {
    return this.layout.shape.length;
  }

  /** The number of elements. */
  get numel(): number {
    return this.layout.numel;
  }

  /** How elements are stored. */
  get dtype(): DType {
    return this.storage.dtype;
  }

  /** Where the elements live. */
  get backend(): Backend {
    return this.storage.backend;
  }

  /** Whether elements lie in row-major order without gaps. */
  get isContiguous(): boolean {
    return this.layout.isContiguous;
  }

  /** The size of one dim, counted from either end. */
  size(dim: number): number {
    return this.shape[normalizeDim("size", dim, this.shape)] ?? 1;
  }

  // Memory

  /** Gives up this tensor's share of its storage; the last share frees it. Harmless when done already. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.storage.release();
    this.#node?.release();
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Whether it was disposed of. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** Lets it outlive the `tidy` scopes it was made in; whoever keeps it disposes of it. */
  keep(): this {
    this.#kept = true;
    return this;
  }

  /** Whether `keep` was called. */
  get isKept(): boolean {
    return this.#kept;
  }

  // Gradients

  /** Whether a backward pass reaches it: a parameter, or made from one. */
  get requiresGrad(): boolean {
    return this.#node !== undefined;
  }

  /** @ignore The node that `record` put on it. */
  get gradNode(): GradNode | undefined {
    return this.#node;
  }

  /** @ignore Puts the record of the op that made it on it. */
  attach(node: GradNode): void {
    node.retain();
    this.#node = node;
  }

  /**
   * Makes it a parameter: `backward` collects its gradient in `grad`.
   *
   * @throws {DTypeError} when it is not of a floating dtype
   */
  requiresGrad_(on = true): this {
    if (on && !isFloat(this.dtype)) {
      throw new DTypeError(`Cannot require a gradient of ${this.dtype} ${showShape(this.shape)}: only floats have one`);
    }
    if (!on) {
      this.#node?.release();
      this.#node = undefined;
    } else if (this.#node === undefined) this.attach(new GradNode("leaf", this));
    return this;
  }

  /** The gradient that backward passes have added up; undefined before the first, and for all but parameters. */
  get grad(): Tensor | undefined {
    return this.#node?.grad;
  }

  /** Forgets the collected gradient. */
  zeroGrad(): void {
    this.#node?.setGrad(undefined);
  }

  /** Adds the gradient of this scalar (or of `options.gradient · this`) to every parameter it was made from. */
  backward(options?: BackwardOptions): void {
    backward(this, options);
  }

  /** The same elements, cut off from the graph. */
  detach(): Tensor {
    this.checkAlive("detach");
    return new Tensor(this.storage, this.layout);
  }

  /**
   * @ignore Refuses a tensor that was disposed of.
   * @throws {BackendError} naming the op
   */
  checkAlive(op: string): void {
    if (this.#disposed) {
      throw new BackendError(
        `Cannot ${op} ${showShape(this.shape)}: it was disposed of; keep it out of using and tidy`,
      );
    }
  }

  // Reading

  /** The elements in row-major order: halves as f32, bool as 0 and 1, blocks as their bytes. */
  data(): Promise<TypedArray> {
    return read(this);
  }

  /** The same at once. @throws {BackendError} where reading is asynchronous */
  dataSync(): TypedArray {
    return readSync(this);
  }

  /** The only element. @throws {ShapeError} when there is not exactly one */
  item(): Promise<number> {
    return readItem(this);
  }

  /** The elements as nested arrays. */
  async toArray(): Promise<NestedNumbers> {
    return toNested(await read(this), this.shape);
  }

  /** What PyTorch would print, with shape and dtype. */
  format(options?: FormatOptions): Promise<string> {
    return format(this, options);
  }

  /** Shape, dtype and backend in a line; elements are read by `await t.format()`. */
  toString(): string {
    return header(this);
  }

  /** What `console.log` shows in Deno. */
  [Symbol.for("Deno.customInspect")](): string {
    return header(this);
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return header(this);
  }

  /** What `JSON.stringify` writes: the same line, as elements lie with the backend. */
  toJSON(): string {
    return header(this);
  }

  // Conversion and writing

  /** The same elements in another dtype. */
  to(dtype: DType): Tensor;
  /** The same tensor on another backend. */
  to(backend: Backend): Promise<Tensor>;
  /** Converts, or moves. */
  to(target: DType | Backend): Tensor | Promise<Tensor> {
    return typeof target === "string" ? ops.cast(this, target) : move(this, target);
  }

  /** A copy of its own, contiguous. */
  clone(): Tensor {
    return ops.clone(this);
  }

  /** Itself where it is contiguous, else a contiguous copy. */
  contiguous(): Tensor {
    return ops.contiguous(this);
  }

  /** Writes another tensor into this one's elements, which its base and views see. No gradient flows through it. */
  copy_(source: Tensor): Tensor {
    return ops.copy_(this, source);
  }

  /** Writes a number into every element. */
  fill_(value: number): Tensor {
    return ops.fill_(this, value);
  }

  // Views

  /** The same elements under another shape, without a copy. */
  view(shape: Shape): Tensor {
    return ops.view(this, shape);
  }

  /** The same elements under another shape, copied only when they must be. */
  reshape(shape: Shape): Tensor {
    return ops.reshape(this, shape);
  }

  /** Dims `start` to `end` merged. */
  flatten(start = 0, end = -1): Tensor {
    return ops.flatten(this, start, end);
  }

  /** One dim split into several. */
  unflatten(dim: number, sizes: Shape): Tensor {
    return ops.unflatten(this, dim, sizes);
  }

  /** Two dims swapped. */
  transpose(dim0: number, dim1: number): Tensor {
    return ops.transpose(this, dim0, dim1);
  }

  /** A matrix with its dims swapped. */
  t(): Tensor {
    return ops.t(this);
  }

  /** Dims in another order. */
  permute(dims: readonly number[]): Tensor {
    return ops.permute(this, dims);
  }

  /** One dim moved to another place. */
  movedim(from: number, to: number): Tensor {
    return ops.movedim(this, from, to);
  }

  /** Dims of size 1 repeated without a copy; -1 keeps a size. */
  expand(shape: Shape): Tensor {
    return ops.expand(this, shape);
  }

  /** A dim of size 1 put in. */
  unsqueeze(dim: number): Tensor {
    return ops.unsqueeze(this, dim);
  }

  /** Dims of size 1 dropped. */
  squeeze(dim?: number | readonly number[]): Tensor {
    return ops.squeeze(this, dim);
  }

  /** `length` elements of a dim from `start`. */
  narrow(dim: number, start: number, length: number): Tensor {
    return ops.narrow(this, dim, start, length);
  }

  /** One element of a dim, which goes. */
  select(dim: number, index: number): Tensor {
    return ops.select(this, dim, index);
  }

  /** `x[start:end:step]` on one dim. */
  slice(dim: number, start?: number | null, end?: number | null, step?: number): Tensor {
    return ops.slice(this, dim, start, end, step);
  }

  /** The diagonal of two dims. */
  diagonal(offset = 0, dim1 = 0, dim2 = 1): Tensor {
    return ops.diagonal(this, offset, dim1, dim2);
  }

  /** Windows along a dim. */
  unfold(dim: number, size: number, step: number): Tensor {
    return ops.unfold(this, dim, size, step);
  }

  /** Any strides over the storage. */
  asStrided(shape: Shape, strides: readonly number[], offset?: number): Tensor {
    return ops.asStrided(this, shape, strides, offset);
  }

  /** Pieces of a size, or of listed sizes. */
  split(size: number | readonly number[], dim = 0): Tensor[] {
    return ops.split(this, size, dim);
  }

  /** At most `count` equal pieces. */
  chunk(count: number, dim = 0): Tensor[] {
    return ops.chunk(this, count, dim);
  }

  // Elementwise

  /** `this + other`. */
  add(other: TensorLike): Tensor {
    return ops.add(this, other);
  }

  /** `this - other`. */
  sub(other: TensorLike): Tensor {
    return ops.sub(this, other);
  }

  /** `this * other`. */
  mul(other: TensorLike): Tensor {
    return ops.mul(this, other);
  }

  /** `this / other`. */
  div(other: TensorLike): Tensor {
    return ops.div(this, other);
  }

  /** `this ^ other`. */
  pow(other: TensorLike): Tensor {
    return ops.pow(this, other);
  }

  /** The larger one. */
  maximum(other: TensorLike): Tensor {
    return ops.maximum(this, other);
  }

  /** The smaller one. */
  minimum(other: TensorLike): Tensor {
    return ops.minimum(this, other);
  }

  /** `this == other`. */
  eq(other: TensorLike): Tensor {
    return ops.eq(this, other);
  }

  /** `this != other`. */
  ne(other: TensorLike): Tensor {
    return ops.ne(this, other);
  }

  /** `this < other`. */
  lt(other: TensorLike): Tensor {
    return ops.lt(this, other);
  }

  /** `this <= other`. */
  le(other: TensorLike): Tensor {
    return ops.le(this, other);
  }

  /** `this > other`. */
  gt(other: TensorLike): Tensor {
    return ops.gt(this, other);
  }

  /** `this >= other`. */
  ge(other: TensorLike): Tensor {
    return ops.ge(this, other);
  }

  /** Both not 0. */
  logicalAnd(other: TensorLike): Tensor {
    return ops.logicalAnd(this, other);
  }

  /** One not 0. */
  logicalOr(other: TensorLike): Tensor {
    return ops.logicalOr(this, other);
  }

  /** Exactly one not 0. */
  logicalXor(other: TensorLike): Tensor {
    return ops.logicalXor(this, other);
  }

  /** `-x`. */
  neg(): Tensor {
    return ops.neg(this);
  }

  /** `|x|`. */
  abs(): Tensor {
    return ops.abs(this);
  }

  /** -1, 0 or 1. */
  sign(): Tensor {
    return ops.sign(this);
  }

  /** `x * x`. */
  square(): Tensor {
    return ops.square(this);
  }

  /** `e^x`. */
  exp(): Tensor {
    return ops.exp(this);
  }

  /** `2^x`. */
  exp2(): Tensor {
    return ops.exp2(this);
  }

  /** `e^x - 1`. */
  expm1(): Tensor {
    return ops.expm1(this);
  }

  /** Natural logarithm. */
  log(): Tensor {
    return ops.log(this);
  }

  /** Logarithm to base 2. */
  log2(): Tensor {
    return ops.log2(this);
  }

  /** `log(1 + x)`. */
  log1p(): Tensor {
    return ops.log1p(this);
  }

  /** Square root. */
  sqrt(): Tensor {
    return ops.sqrt(this);
  }

  /** `1 / sqrt(x)`. */
  rsqrt(): Tensor {
    return ops.rsqrt(this);
  }

  /** `1 / x`. */
  reciprocal(): Tensor {
    return ops.reciprocal(this);
  }

  /** Sine. */
  sin(): Tensor {
    return ops.sin(this);
  }

  /** Cosine. */
  cos(): Tensor {
    return ops.cos(this);
  }

  /** Hyperbolic tangent. */
  tanh(): Tensor {
    return ops.tanh(this);
  }

  /** Error function. */
  erf(): Tensor {
    return ops.erf(this);
  }

  /** `1 / (1 + e^-x)`. */
  sigmoid(): Tensor {
    return ops.sigmoid(this);
  }

  /** `max(x, 0)`. */
  relu(): Tensor {
    return ops.relu(this);
  }

  /** `x * sigmoid(x)`. */
  silu(): Tensor {
    return ops.silu(this);
  }

  /** Rounded down. */
  floor(): Tensor {
    return ops.floor(this);
  }

  /** Rounded up. */
  ceil(): Tensor {
    return ops.ceil(this);
  }

  /** Rounded, halves to even. */
  round(): Tensor {
    return ops.round(this);
  }

  /** Rounded toward 0. */
  trunc(): Tensor {
    return ops.trunc(this);
  }

  /** Whether NaN. */
  isnan(): Tensor {
    return ops.isnan(this);
  }

  /** Whether infinite. */
  isinf(): Tensor {
    return ops.isinf(this);
  }

  /** Whether neither NaN nor infinite. */
  isfinite(): Tensor {
    return ops.isfinite(this);
  }

  /** Whether 0. */
  logicalNot(): Tensor {
    return ops.logicalNot(this);
  }

  /** Gaussian error linear unit. */
  gelu(approximate: "none" | "tanh" = "none"): Tensor {
    return ops.gelu(this, approximate);
  }

  /** Held between bounds. */
  clamp(bounds: { min?: number | null; max?: number | null }): Tensor {
    return ops.clamp(this, bounds);
  }

  /** A copy with `value` where the mask is true. */
  maskedFill(mask: Tensor, value: number): Tensor {
    return ops.maskedFill(this, mask, value);
  }

  // Reductions

  /** The sum. */
  sum(options: ops.ReduceOptions = {}): Tensor {
    return ops.sum(this, options);
  }

  /** The product. */
  prod(options: ops.ReduceOptions = {}): Tensor {
    return ops.prod(this, options);
  }

  /** The mean. */
  mean(options: ops.ReduceOptions = {}): Tensor {
    return ops.mean(this, options);
  }

  /** The largest. */
  amax(options: ops.ReduceOptions = {}): Tensor {
    return ops.amax(this, options);
  }

  /** The smallest. */
  amin(options: ops.ReduceOptions = {}): Tensor {
    return ops.amin(this, options);
  }

  /** Whether some is not 0. */
  any(options: ops.ReduceOptions = {}): Tensor {
    return ops.any(this, options);
  }

  /** Whether none is 0. */
  all(options: ops.ReduceOptions = {}): Tensor {
    return ops.all(this, options);
  }

  /** `log(sum(exp(x)))`. */
  logsumexp(options: ops.ReduceOptions = {}): Tensor {
    return ops.logsumexp(this, options);
  }

  /** Index of the first largest. */
  argmax(options: ops.ArgOptions = {}): Tensor {
    return ops.argmax(this, options);
  }

  /** Index of the first smallest. */
  argmin(options: ops.ArgOptions = {}): Tensor {
    return ops.argmin(this, options);
  }

  /** The variance. */
  variance(options: ops.VarianceOptions = {}): Tensor {
    return ops.variance(this, options);
  }

  /** The standard deviation. */
  std(options: ops.VarianceOptions = {}): Tensor {
    return ops.std(this, options);
  }

  /** The p-norm. */
  vectorNorm(options: ops.VectorNormOptions = {}): Tensor {
    return ops.vectorNorm(this, options);
  }

  /** The largest element, `[]`. */
  max(): Tensor;
  /** Largest elements along a dim, with indices. */
  max(dim: number, keepdim?: boolean): ops.SortResult;
  max(dim?: number, keepdim?: boolean): Tensor | ops.SortResult {
    return dim === undefined ? ops.max(this) : ops.max(this, dim, keepdim);
  }

  /** The smallest element, `[]`. */
  min(): Tensor;
  /** Smallest elements along a dim, with indices. */
  min(dim: number, keepdim?: boolean): ops.SortResult;
  min(dim?: number, keepdim?: boolean): Tensor | ops.SortResult {
    return dim === undefined ? ops.min(this) : ops.min(this, dim, keepdim);
  }

  /** Running sums. */
  cumsum(dim: number): Tensor {
    return ops.cumsum(this, dim);
  }

  /** Running products. */
  cumprod(dim: number): Tensor {
    return ops.cumprod(this, dim);
  }

  /** Softmax along a dim. */
  softmax(dim: number): Tensor {
    return ops.softmax(this, dim);
  }

  /** Logarithm of softmax along a dim. */
  logSoftmax(dim: number): Tensor {
    return ops.logSoftmax(this, dim);
  }

  // Products, indices and arrangement

  /** Matrix product, all rank rules. */
  matmul(other: Tensor): Tensor {
    return ops.matmul(this, other);
  }

  /** Elements by index along a dim. */
  gather(dim: number, index: Tensor): Tensor {
    return ops.gather(this, dim, index);
  }

  /** Slices of a dim by a list of indices. */
  indexSelect(dim: number, index: Tensor): Tensor {
    return ops.indexSelect(this, dim, index);
  }

  /** A copy with `source` added by index. */
  scatterAdd(dim: number, index: Tensor, source: Tensor): Tensor {
    return ops.scatterAdd(this, dim, index, source);
  }

  /** A copy with `source` put in by index. */
  scatter(dim: number, index: Tensor, source: Tensor): Tensor {
    return ops.scatter(this, dim, index, source);
  }

  /** Sorted, with the indices that sort. */
  sort(options?: ops.SortOptions): ops.SortResult {
    return ops.sort(this, options);
  }

  /** The indices that sort. */
  argsort(options?: ops.SortOptions): Tensor {
    return ops.argsort(this, options);
  }

  /** The k largest of a dim, with indices. */
  topk(k: number, options?: ops.TopkOptions): ops.SortResult {
    return ops.topk(this, k, options);
  }

  /** Zeros above a diagonal. */
  tril(diagonal = 0): Tensor {
    return ops.tril(this, diagonal);
  }

  /** Zeros below a diagonal. */
  triu(diagonal = 0): Tensor {
    return ops.triu(this, diagonal);
  }

  /** Joined with others along a dim. */
  cat(others: readonly Tensor[], dim = 0): Tensor {
    return ops.cat([this, ...others], dim);
  }

  /** Tiled. */
  repeat(counts: readonly number[]): Tensor {
    return ops.repeat(this, counts);
  }

  /** Each element repeated in a row. */
  repeatInterleave(count: number, dim?: number): Tensor {
    return ops.repeatInterleave(this, count, dim);
  }

  /** Reversed along dims. */
  flip(dims: number | readonly number[]): Tensor {
    return ops.flip(this, dims);
  }

  /** Moved along dims, around the end. */
  roll(shifts: number | readonly number[], dims?: number | readonly number[]): Tensor {
    return ops.roll(this, shifts, dims);
  }

  /** Padded with a constant, last dim first. */
  pad(padding: readonly number[], value = 0): Tensor {
    return ops.pad(this, padding, value);
  }
}
