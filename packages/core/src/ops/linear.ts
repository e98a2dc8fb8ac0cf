/** Matrix products by the names PyTorch has for them, each with the ranks it insists on. */
import { checkTensor, commonBackend } from "../dispatch.ts";
import { checkNames, ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./primitives/matmul.ts";

function ranks(op: string, a: Tensor, rankA: number, b: Tensor, rankB: number): void {
  if (a.rank === rankA && b.rank === rankB) return;
  throw new ShapeError(
    `Cannot ${op} ${showShape(a.shape)} with ${showShape(b.shape)}: it takes ${rankA} and ${rankB} dims; use matmul`,
  );
}

/**
 * `x · weightᵀ + bias`, the weight as PyTorch stores it, of any storage dtype.
 *
 * @param x `[…, in]`
 * @param weight `[out, in]`, or `[in]`
 * @param bias `[out]`
 * @returns `[…, out]`
 * @throws {ShapeError} when sizes differ
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  checkTensor(() => `linear ${showShape(x.shape)}`, weight, "a weight, a Tensor");
  if (bias !== undefined) checkTensor(() => `linear ${showShape(x.shape)}`, bias, "a bias, a Tensor");
  commonBackend("linear", bias === undefined ? [x, weight] : [x, weight, bias]);
  if (weight.rank < 1 || weight.rank > 2 || x.shape.at(-1) !== weight.shape.at(-1)) {
    throw new ShapeError(
      `Cannot linear ${showShape(x.shape)} with a weight ${showShape(weight.shape)}: last sizes must agree`,
    );
  }
  return tidy(() => {
    const product = matmul(x, weight.t());
    return bias === undefined ? product : product.add(bias.to(product.dtype));
  });
}

/** Two matrices. @throws {ShapeError} for other ranks, or when inner dimensions differ */
export function mm(a: Tensor, b: Tensor): Tensor {
  ranks("mm", a, 2, b, 2);
  return matmul(a, b);
}

/** Two batches of matrices of one size. @throws {ShapeError} for other ranks or another batch size */
export function bmm(a: Tensor, b: Tensor): Tensor {
  ranks("bmm", a, 3, b, 3);
  if (a.shape[0] !== b.shape[0]) {
    throw new ShapeError(
      `Cannot bmm ${showShape(a.shape)} with ${showShape(b.shape)}: batch sizes differ; matmul broadcasts`,
    );
  }
  return matmul(a, b);
}

/** Two vectors to a scalar. @throws {ShapeError} for other ranks, or when lengths differ */
export function dot(a: Tensor, b: Tensor): Tensor {
  ranks("dot", a, 1, b, 1);
  return matmul(a, b);
}

/** A matrix and a vector. @throws {ShapeError} for other ranks, or when sizes differ */
export function mv(a: Tensor, b: Tensor): Tensor {
  ranks("mv", a, 2, b, 1);
  return matmul(a, b);
}

/** All products of two vectors, `[n] [m] -> [n, m]`. @throws {ShapeError} for other ranks */
export function outer(a: Tensor, b: Tensor): Tensor {
  ranks("outer", a, 1, b, 1);
  return tidy(() => a.unsqueeze(1).mul(b.unsqueeze(0)));
}

/** Factors of `addmm` and `baddbmm`. */
export interface AddmmOptions {
  /** Of what is added; 1 when left out. 0 means that it is not looked at. */
  readonly beta?: number;
  /** Of the product; 1 when left out. */
  readonly alpha?: number;
}

const ADDMM_OPTIONS = { beta: true, alpha: true } as const satisfies Record<keyof AddmmOptions, true>;

function added(base: Tensor, product: Tensor, { beta = 1, alpha = 1 }: AddmmOptions): Tensor {
  const scaled = alpha === 1 ? product : product.mul(alpha);
  return beta === 0 ? scaled : scaled.add(beta === 1 ? base : base.mul(beta));
}

/** `beta * base + alpha * a · b` of matrices. @throws {ShapeError} when sizes do not fit */
export function addmm(base: Tensor, a: Tensor, b: Tensor, options: AddmmOptions = {}): Tensor {
  checkNames("addmm", options, ADDMM_OPTIONS);
  return tidy(() => added(base, mm(a, b), options));
}

/** `beta * base + alpha * a · b` of batches of matrices. @throws {ShapeError} when sizes do not fit */
export function baddbmm(base: Tensor, a: Tensor, b: Tensor, options: AddmmOptions = {}): Tensor {
  checkNames("baddbmm", options, ADDMM_OPTIONS);
  return tidy(() => added(base, bmm(a, b), options));
}
