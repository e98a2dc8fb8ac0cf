/**
 * The backward pass: nodes in reverse topological order, each asked once for the gradients of its inputs. The walk, and
 * not the ops, sums what broadcasting repeated and returns to the input's dtype.
 */
import { ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { onesLike, zerosLike } from "../create.ts";
import { add, sumTo } from "../ops/mod.ts";
import type { GradNode } from "./node.ts";
import { noGrad } from "./no_grad.ts";

/** Settings of a backward pass. */
export interface BackwardOptions {
  /** Gradient that flows into the tensor; ones for a scalar when left out. */
  readonly gradient?: Tensor;
  /** Keep what ops saved, for another pass. */
  readonly retainGraph?: boolean;
}

/**
 * Adds the gradients of `output` to the `grad` of every parameter it was made from.
 *
 * @throws {ShapeError} when it is no scalar and no gradient is given, or the gradient's shape differs
 * @throws {ShapeError} when nothing requires a gradient
 * @throws {BackendError} when something saved is gone or was written to
 */
export function backward(output: Tensor, options: BackwardOptions = {}): void {
  noGrad(() =>
    tidy(() => {
      for (const [node, grad] of walk(output, options)) {
        const sum = node.grad === undefined ? grad.detach() : add(node.grad, grad);
        node.setGrad(sum.keep());
      }
    })
  );
}

/**
 * Gradients of `loss` with respect to `params`, as values; nobody's `grad` changes.
 *
 * @param params tensors that require gradients, leaves or not
 * @returns one gradient per parameter, zeros where the loss does not depend on it
 * @throws {ShapeError} {BackendError} as {@linkcode backward}
 */
export function gradients(loss: Tensor, params: readonly Tensor[], options: BackwardOptions = {}): Tensor[] {
  return noGrad(() =>
    tidy(() => {
      const wanted = new Set(params.map((p) => p.gradNode).filter((node) => node !== undefined));
      const found = walk(loss, options, wanted);
      return params.map((p) => {
        const grad = p.gradNode === undefined ? undefined : found.get(p.gradNode);
        return grad === undefined ? zerosLike(p) : grad.detach();
      });
    })
  );
}

/** The gradients of all leaves, and of `wanted` nodes, that the output depends on. */
function walk(
  output: Tensor,
  options: BackwardOptions,
  wanted: ReadonlySet<GradNode> = new Set(),
): Map<GradNode, Tensor> {
  const root = output.gradNode;
  if (root === undefined) {
    throw new ShapeError(
      `Cannot go backward from ${showShape(output.shape)}: nothing it was made from requires a gradient`,
    );
  }
  const pending = new Map<GradNode, Tensor>([[root, firstGradient(output, options.gradient)]]);
  const result = new Map<GradNode, Tensor>();
  for (const node of topological(root)) {
    const grad = pending.get(node);
    if (grad === undefined) continue;
    pending.delete(node);
    if (node.isLeaf || wanted.has(node)) result.set(node, grad);
    if (!node.isLeaf) flow(node, grad, pending);
    if (options.retainGraph !== true) node.releaseSaved();
    if (!result.has(node) && grad !== options.gradient) grad.dispose();
  }
  return result;
}

/** Sends a node's gradient on to its inputs. */
function flow(node: GradNode, grad: Tensor, pending: Map<GradNode, Tensor>): void {
  node.pull(grad, ({ node: input }, gradient) => {
    const before = pending.get(input);
    const flowed = tidy(() => {
      const own = sumTo(gradient(), input.shape).to(input.dtype);
      return before === undefined ? own.detach() : add(before, own);
    });
    before?.dispose();
    pending.set(input, flowed);
  });
}

function firstGradient(output: Tensor, gradient: Tensor | undefined): Tensor {
  if (gradient === undefined) {
    if (output.numel === 1) return onesLike(output);
    throw new ShapeError(
      `Cannot go backward from ${
        showShape(output.shape)
      }: only a scalar starts by itself; pass { gradient } of its shape`,
    );
  }
  if (sameShape(gradient.shape, output.shape)) return gradient;
  throw new ShapeError(
    `Cannot go backward from ${showShape(output.shape)} with a gradient ${showShape(gradient.shape)}: shapes differ`,
  );
}

/** Every node that the root depends on, each after all that depend on it; a loop, since graphs can be deep. */
function topological(root: GradNode): GradNode[] {
  const order: GradNode[] = [];
  const seen = new Set<GradNode>([root]);
  const stack: { node: GradNode; next: number }[] = [{ node: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const edge = top.node.edges[top.next++];
    if (edge === undefined) order.push(stack.pop()!.node);
    else if (!seen.has(edge.node)) {
      seen.add(edge.node);
      stack.push({ node: edge.node, next: 0 });
    }
  }
  return order.reverse();
}
