/**
 * The graph that `backward` walks. A node sits on a tensor that needs a gradient: it knows the nodes of the inputs,
 * what was saved for the backward pass, and one function per input from the output's gradient to the input's.
 *
 * Saved tensors are handles of the node's own, so that `tidy` and `using` on the forward values cannot pull them away;
 * they are released when the backward pass has used them or when nobody can reach the node any more. A saved storage
 * that was written to since is refused, as PyTorch does.
 */
import { BackendError, showShape } from "../errors.ts";
import { Tensor } from "../tensor.ts";
import type { Layout } from "../layout.ts";
import type { DType } from "../dtype.ts";
import { type Storage, tidy } from "../memory.ts";
import { isGradEnabled } from "./no_grad.ts";

/** From the output's gradient, and what the op saved, to the gradient of one input (of any shape that broadcast). */
export type Vjp = (grad: Tensor, saved: readonly Tensor[]) => Tensor;

/**
 * The gradients of all inputs at once, where they share work: one per input, undefined where `wanted` says that none is
 * asked for.
 */
export type JointVjp = (
  grad: Tensor,
  saved: readonly Tensor[],
  wanted: readonly boolean[],
) => readonly (Tensor | undefined)[];

interface Saved {
  readonly storage: Storage;
  readonly layout: Layout;
  readonly version: number;
}

/** One input of an op that needs a gradient. */
export interface GradEdge {
  /** The input's node. */
  readonly node: GradNode;
  /** Which input of the op it is. */
  readonly index: number;
}

/** A leaf that collects a gradient, or the record of one op. */
export class GradNode {
  /** The op's name; "leaf" for parameters. */
  readonly op: string;
  /** Shape of the value it sits on. */
  readonly shape: readonly number[];
  /** DType of the value it sits on. */
  readonly dtype: DType;
  /** The gradient collected so far; leaves only. */
  grad: Tensor | undefined;
  readonly #edges: readonly GradEdge[];
  readonly #vjps: readonly Vjp[] | JointVjp;
  #saved: readonly Saved[] | undefined;
  #owners = 0;

  /**
   * The record of an op on its output.
   *
   * @param op name for messages
   * @param output the value it sits on
   * @param edges inputs that need gradients; none for a leaf
   * @param vjps one function per input, or one for all
   * @param saved what the functions will be given again
   */
  constructor(
    op: string,
    output: Tensor,
    edges: readonly GradEdge[] = [],
    vjps: readonly Vjp[] | JointVjp = [],
    saved: readonly Tensor[] = [],
  ) {
    this.op = op;
    this.#vjps = vjps;
    this.shape = output.shape;
    this.dtype = output.dtype;
    this.#edges = edges;
    this.#saved = saved.map(({ storage, layout }) => {
      storage.retain();
      return { storage, layout, version: storage.version };
    });
    for (const { node } of edges) node.retain();
  }

  /** Whether gradients end here. */
  get isLeaf(): boolean {
    return this.#edges.length === 0;
  }

  /** The inputs that need gradients. */
  get edges(): readonly GradEdge[] {
    return this.#edges;
  }

  /**
   * Handles on what was saved; the caller disposes of them.
   *
   * @throws {BackendError} when it was released by an earlier backward pass, or written to since
   */
  unpack(): Tensor[] {
    if (this.#saved === undefined) {
      throw new BackendError(
        `Cannot go backward through ${this.op} ${showShape(this.shape)} twice: what it saved was released; ` +
          `pass { retainGraph: true } the first time`,
      );
    }
    for (const { storage, layout, version } of this.#saved) {
      if (storage.version === version) continue;
      throw new BackendError(
        `Cannot go backward through ${this.op} ${showShape(this.shape)}: its operand ${showShape(layout.shape)} was ` +
          `written to after it was used (version ${storage.version}, saved at ${version}); go backward ` +
          `before writing to it (a cache's append writes), or write to a copy`,
      );
    }
    return this.#saved.map(({ storage, layout }) => new Tensor(storage, layout));
  }

  /**
   * Asks for the gradient of every input that needs one, each handed to `take` before the next is asked for.
   *
   * @param take is given what belongs to an edge as a function, to be called once, where its temporaries may go
   * @throws {BackendError} as {@linkcode unpack}
   */
  pull(grad: Tensor, take: (edge: GradEdge, gradient: () => Tensor) => void): void {
    const saved = this.unpack();
    const vjps = this.#vjps;
    if (typeof vjps === "function") {
      const wanted = new Set(this.#edges.map(({ index }) => index));
      const count = 1 + Math.max(...wanted);
      const all = tidy(() => vjps(grad, saved, Array.from({ length: count }, (_, i) => wanted.has(i))));
      for (const edge of this.#edges) take(edge, () => all[edge.index]!);
      for (const gradient of all) gradient?.dispose();
    } else {
      for (const edge of this.#edges) take(edge, () => vjps[edge.index]!(grad, saved));
    }
    for (const tensor of saved) tensor.dispose();
  }

  /** Lets go of what was saved. */
  releaseSaved(): void {
    for (const { storage } of this.#saved ?? []) storage.release();
    this.#saved = undefined;
  }

  /** Replaces a leaf's collected gradient, which the node then owns. */
  setGrad(grad: Tensor | undefined): void {
    this.grad?.dispose();
    this.grad = grad;
  }

  /** One owner more: a tensor, or a node downstream. */
  retain(): void {
    this.#owners++;
  }

  /** One owner less; with the last one what it saved goes, and so up the graph, without recursion. */
  release(): void {
    const pending: GradNode[] = [this];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      if (--node.#owners > 0) continue;
      node.releaseSaved();
      node.setGrad(undefined);
      for (const edge of node.#edges) pending.push(edge.node);
    }
  }
}

/**
 * Records an op on its output, when gradients are on and some input needs one.
 *
 * @param op name for messages
 * @param output the op's fresh result
 * @param inputs what gradients may flow to
 * @param vjps one function per input, called only where that input needs a gradient, or one for all
 * @param saved what the functions will be given again
 * @returns output
 */
export function record(
  op: string,
  output: Tensor,
  inputs: readonly Tensor[],
  vjps: readonly Vjp[] | JointVjp,
  saved: readonly Tensor[] = [],
): Tensor {
  if (!isGradEnabled()) return output;
  let edges: GradEdge[] | undefined;
  for (let i = 0; i < inputs.length; i++) {
    const node = inputs[i]!.gradNode;
    if (node !== undefined) (edges ??= []).push({ node, index: i });
  }
  if (edges !== undefined) output.attach(new GradNode(op, output, edges, vjps, saved));
  return output;
}
