/**
 * Normalisation over trailing dims, in f32 or better.
 *
 * - `rmsNorm(x) = x / sqrt(mean(x^2) + eps) * weight` (Zhang and Sennrich, 2019)
 * - `layerNorm(x) = (x - mean) / sqrt(var + eps) * weight + bias` (Ba et al., 2016; biased variance)
 */
import { callFused } from "../../dispatch.ts";
import { type DType, isFloat } from "../../dtype.ts";
import { checkNames, DTypeError, ShapeError, showShape } from "../../errors.ts";
import { isGradEnabled } from "../../grad/no_grad.ts";
import { tidy } from "../../memory.ts";
import { sameShape, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { FOREIGN_NORM_OPTIONS } from "../option_names.ts";

/** Settings of `rmsNorm`. */
export interface RmsNormOptions {
  /** Trailing sizes to normalise over; the last dim when left out. */
  readonly normalizedShape?: Shape | undefined;
  /** Scale of the normalised shape. */
  readonly weight?: Tensor | undefined;
  /** Added to the mean square; the dtype's machine epsilon when left out, as in PyTorch. */
  readonly eps?: number | null | undefined;
}

/** Settings of `layerNorm`. */
export interface LayerNormOptions {
  /** Scale of the normalised shape. */
  readonly weight?: Tensor | undefined;
  /** Shift of the normalised shape. */
  readonly bias?: Tensor | undefined;
  /** Added to the variance; 1e-5 when left out. */
  readonly eps?: number | undefined;
}

const LAYER_NORM_OPTIONS = { weight: true, bias: true, eps: true } as const satisfies Record<
  keyof LayerNormOptions,
  true
>;
const RMS_NORM_OPTIONS = { normalizedShape: true, weight: true, eps: true } as const satisfies Record<
  keyof RmsNormOptions,
  true
>;
const NORMALIZE_OPTIONS = { p: true, dim: true, eps: true } as const;

const EPSILON: Partial<Record<DType, number>> = { f32: 2 ** -23, f16: 2 ** -10, bf16: 2 ** -7, f64: 2 ** -52 };

function check(op: string, x: Tensor, normalized: Shape, parameters: readonly (Tensor | undefined)[]): void {
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`Cannot ${op} ${x.dtype} ${showShape(x.shape)}: it takes floats; use to("f32")`);
  }
  const tail = x.shape.slice(x.rank - normalized.length);
  const wrong = parameters.find((p) => p !== undefined && !sameShape(p.shape, normalized));
  if (normalized.length === 0 || !sameShape(tail, normalized) || wrong !== undefined) {
    throw new ShapeError(
      `Cannot ${op} ${showShape(x.shape)} over ${showShape(normalized)}` +
        (wrong === undefined
          ? ": those are not its last sizes"
          : ` with a parameter ${showShape(wrong.shape)}: it must have that shape`),
    );
  }
}

/** The dtype to compute in: halves widen to f32. */
function wide(x: Tensor): Tensor {
  return x.to(x.dtype === "f64" ? "f64" : "f32");
}

/**
 * Root-mean-square norm (`torch.nn.functional.rms_norm`).
 *
 * @throws {ShapeError} when the normalised shape is not x's end, or the weight has another
 * @throws {DTypeError} when x is not of floats
 */
export function rmsNorm(x: Tensor, options: RmsNormOptions = {}): Tensor {
  checkNames("rmsNorm", options, RMS_NORM_OPTIONS, FOREIGN_NORM_OPTIONS);
  x.checkAlive("rmsNorm");
  const normalized = options.normalizedShape ?? x.shape.slice(-1);
  const { weight } = options;
  check("rmsNorm", x, normalized, [weight]);
  const eps = options.eps ?? EPSILON[x.dtype]!; // x is a float, checked above
  const needsGrad = isGradEnabled() && (x.requiresGrad || weight?.requiresGrad === true);
  if (weight !== undefined && normalized.length === 1 && weight.dtype === x.dtype && !needsGrad) {
    const fused = callFused("rmsNorm", [x, weight], x.shape, x.dtype, { eps });
    if (fused !== undefined) return fused;
  }
  return tidy(() => {
    const dim = normalized.map((_, i) => -1 - i);
    const h = wide(x);
    const scaled = h.mul(h.square().mean({ dim, keepdim: true }).add(eps).rsqrt());
    return (weight === undefined ? scaled : scaled.mul(wide(weight))).to(x.dtype);
  });
}

/**
 * Layer norm (`torch.nn.functional.layer_norm`).
 *
 * @throws {ShapeError} when the normalised shape is not x's end, or a parameter has another
 * @throws {DTypeError} when x is not of floats
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, options: LayerNormOptions = {}): Tensor {
  checkNames("layerNorm", options, LAYER_NORM_OPTIONS, FOREIGN_NORM_OPTIONS);
  x.checkAlive("layerNorm");
  const { weight, bias, eps = 1e-5 } = options;
  check("layerNorm", x, normalizedShape, [weight, bias]);
  return tidy(() => {
    const dim = normalizedShape.map((_, i) => -1 - i);
    const h = wide(x);
    const centred = h.sub(h.mean({ dim, keepdim: true }));
    const scaled = centred.mul(centred.square().mean({ dim, keepdim: true }).add(eps).rsqrt());
    const weighted = weight === undefined ? scaled : scaled.mul(wide(weight));
    return (bias === undefined ? weighted : weighted.add(wide(bias))).to(x.dtype);
  });
}

/**
 * Layer norm over groups of channels (`torch.nn.functional.group_norm`).
 *
 * @param x `[B, C, …]`
 * @param options weight and bias `[C]`
 * @throws {ShapeError} when the channels do not divide into groups
 */
export function groupNorm(x: Tensor, groups: number, options: LayerNormOptions = {}): Tensor {
  checkNames("groupNorm", options, LAYER_NORM_OPTIONS, FOREIGN_NORM_OPTIONS);
  const channels = x.shape[1];
  if (channels === undefined || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ShapeError(`Cannot groupNorm ${showShape(x.shape)} in ${groups} groups: dim 1 must divide into them`);
  }
  return tidy(() => {
    const grouped = x.reshape([x.shape[0]!, groups, -1]);
    const normal = layerNorm(grouped, grouped.shape.slice(-1), { eps: options.eps }).reshape(x.shape);
    const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
    const weighted = options.weight === undefined ? normal : normal.mul(options.weight.reshape(perChannel));
    return options.bias === undefined ? weighted : weighted.add(options.bias.reshape(perChannel));
  });
}

/** x divided by its p-norm along a dim, or by eps where that is smaller (`torch.nn.functional.normalize`). */
export function normalize(x: Tensor, options: { p?: number; dim?: number; eps?: number } = {}): Tensor {
  checkNames("normalize", options, NORMALIZE_OPTIONS, FOREIGN_NORM_OPTIONS);
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  return tidy(() => x.div(x.vectorNorm({ p, dim, keepdim: true }).clamp({ min: eps })));
}
