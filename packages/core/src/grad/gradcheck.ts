/**
 * Checks gradients against differences, in f64: for each element of each input, `(f(x + h) - f(x - h)) / 2h` of a random
 * projection of the output against what `backward` gives (`torch.autograd.gradcheck`).
 */
import { rand, tensor } from "../create.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import { gradients } from "./backward.ts";
import { noGrad } from "./no_grad.ts";

/** Settings of {@linkcode gradcheck}. */
export interface GradcheckOptions {
  /** Step of the difference; 1e-6 when left out. */
  readonly step?: number;
  /** Relative and absolute tolerance; 1e-5 when left out. */
  readonly tolerance?: number;
  /** Draws the projection; 0 when left out. */
  readonly seed?: number;
}

/**
 * Compares the gradients of `fn` with differences.
 *
 * @param fn a smooth function of the inputs, any output shape
 * @param inputs f64 tensors; each gets a gradient
 * @throws {ShapeError} naming the input, the element, and both values, where they differ
 * @throws {DTypeError} when an input is not f64
 */
export async function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<void> {
  const { step = 1e-6, tolerance = 1e-5, seed = 0 } = options;
  const wrong = inputs.find((x) => x.dtype !== "f64");
  if (wrong !== undefined) {
    throw new DTypeError(`Cannot gradcheck ${wrong.dtype} ${showShape(wrong.shape)}: differences want f64`);
  }
  const projected = (args: Tensor[]) => {
    const out = fn(...args);
    return out.mul(rand(out.shape, { seed, dtype: "f64", backend: out.backend }).sub(0.3)).sum();
  };
  const analytic = tidy(() => {
    const leaves = inputs.map((x) => x.clone().requiresGrad_());
    return gradients(projected(leaves), leaves);
  });
  const values = await Promise.all(inputs.map((x) => x.data()));
  for (let k = 0; k < inputs.length; k++) {
    using gradient = analytic[k]!;
    const got = await gradient.data();
    for (let i = 0; i < got.length; i++) {
      const at = async (delta: number) => {
        const moved = Float64Array.from(values[k]!);
        moved[i]! += delta;
        using loss = noGrad(() =>
          tidy(() =>
            projected(inputs.map((x, j) => j === k ? tensor(moved, { shape: x.shape, backend: x.backend }) : x))
          )
        );
        return await loss.item();
      };
      const want = (await at(step) - await at(-step)) / (2 * step);
      if (Math.abs(got[i]! - want) <= tolerance * (1 + Math.abs(want))) continue;
      throw new ShapeError(
        `The gradient of input ${k} ${showShape(inputs[k]!.shape)} at element ${i} is ${
          got[i]
        }; differences give ${want}`,
      );
    }
  }
}
