/**
 * What layers have in common: parameters found by the names of their properties, as PyTorch's state dicts name them
 * (`self_attn.q_proj.weight`), so that a checkpoint loads by name.
 */
import { Tensor } from "../../core/mod.ts";

/** A layer, or layers of layers. */
export abstract class Module implements Disposable {
  /** Every parameter with its dotted name. A tensor shared by two places is listed at both. */
  *namedParameters(prefix = ""): Generator<[name: string, parameter: Tensor]> {
    for (const [name, value] of Object.entries(this)) yield* walk(`${prefix}${name}`, value);
  }

  /** Every parameter once. */
  parameters(): Set<Tensor> {
    return new Set(Array.from(this.namedParameters(), ([, parameter]) => parameter));
  }

  /** Frees all parameters. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function* walk(name: string, value: unknown): Generator<[string, Tensor]> {
  if (value instanceof Tensor) yield [name, value];
  else if (value instanceof Module) yield* value.namedParameters(`${name}.`);
  else if (Array.isArray(value)) { for (const [i, item] of value.entries()) yield* walk(`${name}.${i}`, item); }
}

/** Hands out a checkpoint's tensors by name, checking each one's shape; how it does so is the loader's affair. */
export interface ParameterSource {
  /** The tensor of that name. @throws when it is missing or has another shape */
  take(name: string, shape: readonly number[]): Tensor;
  /** Whether there is a tensor of that name. */
  has(name: string): boolean;
}
