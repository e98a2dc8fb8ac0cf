/**
 * The tensor: a storage, a layout, and where gradients are wanted a node. Methods delegate to the functions of `ops/`,
 * where checks, meaning and gradient of each are found under the same name; this file adds nothing to them.
 */
import type { Backend } from "./backend.ts";
import type { DType } from "./dtype.ts";
import { BackendError, DTypeError, showShape } from "./errors.ts";
import { isFloat } from "./dtype.ts";
import { GradNode } from "./grad/node.ts";
import { backward, type BackwardOptions } from "./grad/backward.ts";
import { Layout } from "./layout.ts";
import { type Storage, track } from "./memory.ts";
import type { Shape } from "./shape.ts";
import * as ops from "./ops/mod.ts";
import { format, type FormatOptions, header } from "./format.ts";
import { type NestedNumbers, read, readItem, readSync, toNested, type TypedArray } from "./read.ts";

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
    return this.shape.at(dim) ?? ops.outOfRange("size", dim, this.shape);
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
    } else if (this.#node === undefined) this.attach(new GradNode("leaf", this, [], []));
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
      throw new BackendError(`Cannot ${op} ${showShape(this.shape)}: it was disposed of; keep it out of using and tidy`);
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
