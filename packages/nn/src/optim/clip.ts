/**
 * Gradient clipping (`torch.nn.utils.clip_grad_norm_`): all gradients are scaled by one factor,
 * `min(1, maxNorm / (total + 1e-6))`, where total is the norm of all of them as one vector. The factor stays a tensor, so a
 * device is never waited for.
 */
import { noGrad, ShapeError, stack, type Tensor, tidy, vectorNorm, zeros } from "../../../core/mod.ts";
import { checkNames } from "../../../core/src/errors.ts";
import { tensorsOf } from "./trained_parameters.ts";

/** Settings of {@linkcode clipGradNorm_}. */
export interface ClipGradNormOptions {
  /** The order of the norm, above 0; 2 when left out, `Infinity` for the largest element. */
  readonly normType?: number | undefined;
  /** Throw when the total is NaN or infinite. This reads the total, which only a backend that reads at once can. */
  readonly errorIfNonfinite?: boolean | undefined;
}

const OPTIONS = {
  normType: true,
  errorIfNonfinite: true,
} as const satisfies Record<keyof ClipGradNormOptions, true>;
const FOREIGN = { norm_type: "normType", error_if_nonfinite: "errorIfNonfinite", max_norm: "the second argument" };

/**
 * The norm of all gradients as one vector (`torch.nn.utils.get_total_norm`), in f32 for halves.
 *
 * @param parameters those without a gradient do not count
 * @param normType the order, above 0; `Infinity` for the largest element
 * @returns a scalar; 0 when there is no gradient
 * @throws {ShapeError} when there are no parameters, or the order is not above 0
 */
export function gradNorm(parameters: Iterable<Tensor>, normType = 2): Tensor {
  const all = tensorsOf("take gradNorm of", parameters);
  if (all.length === 0) throw new ShapeError("Cannot take gradNorm of no parameters: pass model.parameters()");
  if (!(normType > 0)) {
    throw new ShapeError(`Cannot take gradNorm of ${all.length} parameters with normType ${normType}: it is above 0`);
  }
  return noGrad(() =>
    tidy(() => {
      const grads = all.map((parameter) => parameter.grad).filter((grad) => grad !== undefined);
      if (grads.length === 0) return zeros([], { backend: all[0]!.backend });
      return vectorNorm(stack(grads.map((grad) => vectorNorm(widened(grad), { p: normType }))), { p: normType });
    })
  );
}

/**
 * Scales the gradients of parameters so that their norm as one vector is at most `maxNorm`
 * (`torch.nn.utils.clip_grad_norm_`). Each `grad` is then a new tensor: a gradient may share its elements with another, or
 * with what was passed to `backward`, and must not be scaled twice.
 *
 * @param parameters those without a gradient are passed over
 * @param maxNorm at least 0
 * @returns the norm before scaling, a scalar; 0 when there is no gradient
 * @throws {ShapeError} when there are no parameters, a setting is out of its range, or the norm is not finite and
 * `errorIfNonfinite` asks for an error; no gradient has changed then
 * @throws {BackendError} with `errorIfNonfinite`, where reading is asynchronous
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { tensor, tidy } from "@heed/heed/core";
 * import { clipGradNorm_ } from "@heed/heed/nn";
 *
 * using x = tensor([1.5, 2], { backend: createScalarBackend() }).requiresGrad_();
 * tidy(() => x.square().sum()).backward(); // its gradient is [3, 4]
 * using norm = clipGradNorm_([x], 1);
 * assertEquals(await norm.item(), 5);
 * assertAlmostEquals((await x.grad!.data())[0]!, 0.6, 1e-6);
 * ```
 */
export function clipGradNorm_(
  parameters: Iterable<Tensor>,
  maxNorm: number,
  options: ClipGradNormOptions = {},
): Tensor {
  checkNames("clipGradNorm_", options, OPTIONS, FOREIGN);
  const { normType = 2, errorIfNonfinite = false } = options;
  const all = tensorsOf("clipGradNorm_", parameters);
  if (!(maxNorm >= 0)) {
    throw new ShapeError(`Cannot clipGradNorm_ ${all.length} parameters to ${maxNorm}: maxNorm is at least 0`);
  }
  return noGrad(() =>
    tidy(() => {
      const total = gradNorm(all, normType);
      if (errorIfNonfinite) checkFinite(total, all.length, normType);
      const factor = total.add(1e-6).reciprocal().mul(maxNorm).minimum(1);
      for (const parameter of new Set(all)) {
        tidy(() => scale(parameter, factor));
      }
      return total;
    })
  );
}

/** Halves as f32: a sum of squares soon passes what f16 holds. */
function widened(grad: Tensor): Tensor {
  return grad.dtype === "f64" ? grad : grad.to("f32");
}

function scale(parameter: Tensor, factor: Tensor): void {
  const { grad } = parameter;
  if (grad !== undefined) parameter.gradNode?.setGrad(widened(grad).mul(factor).to(grad.dtype).keep());
}

function checkFinite(total: Tensor, count: number, normType: number): void {
  const value = total.dataSync()[0]!;
  if (Number.isFinite(value)) return;
  throw new ShapeError(
    `Cannot clipGradNorm_ ${count} parameters: the norm of order ${normType} of their gradients is ${value}; ` +
      `skip the step, or leave out errorIfNonfinite`,
  );
}
