/** Activations and gated units composed of elementwise ops; the basic ones are in `primitives/unary.ts`. */
import { callFused } from "../dispatch.ts";
import { isGradEnabled } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import { sameShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { gelu, silu } from "./primitives/unary.ts";
import { where } from "./primitives/where.ts";
import { chunk } from "./views/slice.ts";
import { checkNames, ShapeError, showShape } from "../errors.ts";

/** `x` above 0, `slope * x` below. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return tidy(() => where(x.gt(0), x, x.mul(slope)));
}

/** `x` above 0, `alpha * (e^x - 1)` below. */
export function elu(x: Tensor, alpha = 1): Tensor {
  return tidy(() => {
    const above = x.gt(0);
    return where(above, x, x.maskedFill(above, 0).expm1().mul(alpha));
  });
}

/** `log(1 + e^x)`, without overflow. */
export function softplus(x: Tensor): Tensor {
  return tidy(() => x.maximum(0).add(x.abs().neg().exp().log1p()));
}

/** `log(sigmoid(x))`, without underflow. */
export function logSigmoid(x: Tensor): Tensor {
  return tidy(() => softplus(x.neg()).neg());
}

/** `x * tanh(softplus(x))`. */
export function mish(x: Tensor): Tensor {
  return tidy(() => x.mul(softplus(x).tanh()));
}

/** `relu(x)^2`. */
export function reluSquared(x: Tensor): Tensor {
  return tidy(() => x.relu().square());
}

/** `x * min(max(x + 3, 0), 6) / 6`. */
export function hardswish(x: Tensor): Tensor {
  return tidy(() => where(x.le(-3), 0, where(x.ge(3), x, x.mul(x.add(3)).div(6))));
}

/** `x * sigmoid(1.702 x)`. */
export function quickGelu(x: Tensor): Tensor {
  return tidy(() => x.mul(x.mul(1.702).sigmoid()));
}

/** One half times the sigmoid of the other half of a dim. @throws {ShapeError} when the dim is odd */
export function glu(x: Tensor, dim = -1): Tensor {
  if ((x.shape.at(dim) ?? 1) % 2 !== 0) {
    throw new ShapeError(`Cannot glu ${showShape(x.shape)} at dim ${dim}: its size must be even`);
  }
  return tidy(() => {
    const [a, b] = chunk(x, 2, dim);
    return a!.mul(b!.sigmoid());
  });
}

/** `silu(gate) * up`, the gated unit of Llama's MLP (Shazeer, 2020). @throws {ShapeError} when shapes do not broadcast */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  const needsGrad = isGradEnabled() && (gate.requiresGrad || up.requiresGrad);
  if (!needsGrad && sameShape(gate.shape, up.shape) && gate.dtype === up.dtype) {
    const fused = callFused("siluMul", [gate, up], gate.shape, gate.dtype, {});
    if (fused !== undefined) return fused;
  }
  return tidy(() => silu(gate).mul(up));
}

/** `gelu(gate) * up`. */
export function geglu(gate: Tensor, up: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  return tidy(() => gelu(gate, approximate).mul(up));
}

/**
 * x held between bounds; a bound left out does not hold. NaN stays. The gradient is 0 at a bound and beyond, as in
 * PyTorch 2.15.
 */
export function clamp(x: Tensor, bounds: { min?: number | null; max?: number | null }): Tensor {
  checkNames("clamp", bounds, { min: true, max: true });
  const { min = null, max = null } = bounds;
  return tidy(() => {
    const above = min === null ? x.clone() : where(x.le(min), min, x);
    return max === null ? above : where(above.ge(max), max, above);
  });
}
