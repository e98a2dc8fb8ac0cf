/**
 * Initialisers, with the names of `torch.nn.init`: `init.normal({ std: 0.02 })` is a function that makes a parameter.
 * Fans are those of `[out, in, …]`: fan-in is `in` times the rest, fan-out is `out` times the rest.
 *
 * - Xavier (Glorot and Bengio, 2010): variance `gain^2 * 2 / (fanIn + fanOut)`
 * - Kaiming (He et al., 2015): variance `2 / (1 + a^2) / fanIn`
 */
import {
  type Backend,
  type DType,
  ones as onesOf,
  rand,
  randn,
  type Tensor,
  tidy,
  zeros as zerosOf,
} from "../../core/mod.ts";
import { checkNames, ShapeError, showShape } from "../../core/src/errors.ts";

/** Where, as what and with which draws a parameter is made. */
export interface InitializerOptions {
  /** Where it lives. */
  readonly backend: Backend;
  /** Which draws: a whole number. */
  readonly seed: number;
  /** Its dtype; f32 when left out. */
  readonly dtype?: DType | undefined;
}

/** Makes a parameter of a shape. */
export type Initializer = (shape: readonly number[], options: InitializerOptions) => Tensor;

/** All 0. */
export function zeros(): Initializer {
  return (shape, { backend, dtype }) => zerosOf(shape, { backend, dtype });
}

/** All 1. */
export function ones(): Initializer {
  return (shape, { backend, dtype }) => onesOf(shape, { backend, dtype });
}

/** Normal draws; mean 0 and standard deviation 1 when left out. */
export function normal(options: { mean?: number; std?: number } = {}): Initializer {
  checkNames("make init.normal", options, { mean: true, std: true });
  const { mean = 0, std = 1 } = options;
  return (shape, options) => tidy(() => randn(shape, options).mul(std).add(mean));
}

/** Uniform draws in `[low, high)`; `[0, 1)` when left out. */
export function uniform(options: { low?: number; high?: number } = {}): Initializer {
  checkNames("make init.uniform", options, { low: true, high: true }, { a: "low", b: "high" });
  const { low = 0, high = 1 } = options;
  return (shape, options) => tidy(() => rand(shape, options).mul(high - low).add(low));
}

/**
 * Uniform draws within `gain * sqrt(6 / (fanIn + fanOut))` of 0.
 *
 * @throws {ShapeError} when called for a shape of fewer than two dims
 */
export function xavierUniform(options: { gain?: number } = {}): Initializer {
  checkNames("make init.xavierUniform", options, { gain: true });
  const { gain = 1 } = options;
  return (shape, options) => {
    const { fanIn, fanOut } = fans("xavierUniform", shape);
    return around(gain * Math.sqrt(6 / (fanIn + fanOut)))(shape, options);
  };
}

/**
 * Normal draws with standard deviation `gain * sqrt(2 / (fanIn + fanOut))`.
 *
 * @throws {ShapeError} when called for a shape of fewer than two dims
 */
export function xavierNormal(options: { gain?: number } = {}): Initializer {
  checkNames("make init.xavierNormal", options, { gain: true });
  const { gain = 1 } = options;
  return (shape, options) => {
    const { fanIn, fanOut } = fans("xavierNormal", shape);
    return normal({ std: gain * Math.sqrt(2 / (fanIn + fanOut)) })(shape, options);
  };
}

/**
 * Uniform draws within `sqrt(6 / ((1 + a^2) * fanIn))` of 0.
 *
 * @param options `a` is the slope of a leaky ReLU; `sqrt(5)`, PyTorch's choice for its Linear, when left out
 * @throws {ShapeError} when called for a shape of fewer than two dims
 */
export function kaimingUniform(options: { a?: number } = {}): Initializer {
  checkNames("make init.kaimingUniform", options, { a: true }, { negative_slope: "a", nonlinearity: "a, its slope" });
  const { a = Math.sqrt(5) } = options;
  return (shape, options) => {
    const { fanIn } = fans("kaimingUniform", shape);
    return around(Math.sqrt(6 / ((1 + a * a) * fanIn)))(shape, options);
  };
}

/** Uniform draws within a bound of 0. */
function around(bound: number): Initializer {
  return uniform({ low: -bound, high: bound });
}

function fans(op: string, shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [out, inputs, ...rest] = shape;
  if (out === undefined || inputs === undefined) {
    throw new ShapeError(`Cannot ${op} ${showShape(shape)}: fans are those of [out, in, …]; use uniform or normal`);
  }
  const field = rest.reduce((a, b) => a * b, 1);
  return { fanIn: inputs * field, fanOut: out * field };
}
