/**
 * What layers have in common: parameters found by the names of their properties, as PyTorch's state dicts name them
 * (`self_attn.q_proj.weight`), so that a checkpoint loads by name.
 */
import { type Backend, DTypeError, isFloat, noGrad, Tensor } from "../../core/mod.ts";
import { checkNames, showShape } from "../../core/src/errors.ts";
import { checkIsState, checkStateDict } from "./state_dict.ts";

/** A tensor that lies in a field of a module, or in a list there. */
interface Slot {
  readonly name: string;
  readonly parameter: Tensor;
  readonly replace: (by: Tensor) => void;
}

/** A layer, or layers of layers (`torch.nn.Module`). */
export abstract class Module implements Disposable {
  #training = true;

  /** Whether dropout drops; true until `eval()`. */
  get training(): boolean {
    return this.#training;
  }

  /** Every parameter once, with its dotted name; one that two places share under the first of its names. */
  *namedParameters(): Generator<[name: string, parameter: Tensor]> {
    const seen = new Set<Tensor>();
    for (const { name, parameter } of slotsOf(this)) {
      if (!seen.has(parameter)) yield [name, parameter];
      seen.add(parameter);
    }
  }

  /** Every parameter once. */
  parameters(): Set<Tensor> {
    return new Set(Array.from(this.namedParameters(), ([, parameter]) => parameter));
  }

  /** This module and all its parts, outermost first. */
  *modules(): Generator<Module> {
    yield this;
    for (const part of partsOf(this)) yield* part.modules();
  }

  /**
   * The parameters by name. They are the module's own tensors, no copies; one that two places share is listed under both
   * names, as in PyTorch.
   */
  stateDict(): Map<string, Tensor> {
    return new Map(Array.from(slotsOf(this), ({ name, parameter }) => [name, parameter]));
  }

  /**
   * Copies values into the parameters. Everything is checked before anything is written. A parameter that two places share
   * may be given under either name.
   *
   * @param state tensors by name, on the module's backend; they are cast to the parameters' dtypes
   * @param options strict (the default): missing and unexpected names are errors
   * @throws {ShapeError} listing every missing and unexpected name, and every shape that differs
   * @throws {DTypeError} when a parameter is block-quantised: such a one cannot be written
   * @throws {BackendError} when a tensor is on another backend
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, options: { strict?: boolean } = {}): void {
    checkNames("load a state dict", options, { strict: true });
    checkIsState(state);
    const own = this.stateDict();
    checkStateDict(own, state, options.strict ?? true);
    noGrad(() => {
      for (const [name, parameter] of own) {
        const source = state.get(name);
        if (source === undefined) continue;
        using values = parameter.detach(); // a parameter itself refuses to be written to
        values.copy_(source);
      }
    });
  }

  /**
   * Makes all parameters collect gradients, or none of them.
   *
   * @throws {DTypeError} when one is not of floats; nothing has changed then
   */
  requiresGrad_(on = true): this {
    for (const [name, { dtype, shape }] of on ? this.namedParameters() : []) {
      if (isFloat(dtype)) continue;
      throw new DTypeError(
        `Cannot require a gradient of "${name}", ${dtype} ${
          showShape(shape)
        }: only floats have one; load the model unquantised`,
      );
    }
    for (const parameter of this.parameters()) parameter.requiresGrad_(on);
    return this;
  }

  /** Forgets all collected gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.zeroGrad();
  }

  /** Turns dropout on, or off, here and in all parts. */
  train(on = true): this {
    for (const part of this.modules()) part.#training = on;
    return this;
  }

  /** Turns dropout off. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Moves all parameters to another backend: each is replaced by a copy there and freed here. Gradients collected so far are
   * forgotten; make optimisers afterwards, as they hold the parameters.
   *
   * @throws {DTypeError} {BackendError} when the other backend cannot take one; the module is as it was then
   */
  async to(backend: Backend): Promise<this> {
    const moved = new Map<Tensor, Tensor>();
    try {
      for (const parameter of this.parameters()) {
        if (parameter.backend === backend) continue;
        const copy = (await parameter.to(backend)).keep();
        moved.set(parameter, parameter.requiresGrad ? copy.requiresGrad_() : copy);
      }
    } catch (error) {
      for (const copy of moved.values()) copy.dispose();
      throw error;
    }
    for (const { parameter, replace } of [...slotsOf(this)]) {
      const copy = moved.get(parameter);
      if (copy !== undefined) replace(copy);
    }
    for (const parameter of moved.keys()) parameter.dispose();
    return this;
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

/** The tensors in an object's fields, in its lists and in the modules among them. */
function* slotsOf(holder: object, prefix = ""): Generator<Slot> {
  for (const [key, value] of Object.entries(holder)) {
    const name = `${prefix}${key}`;
    if (value instanceof Tensor) {
      // fields are readonly for users; the module that moves replaces them here
      yield { name, parameter: value, replace: (by) => (holder as Record<string, unknown>)[key] = by };
    } else if (value instanceof Module || Array.isArray(value)) yield* slotsOf(value, `${name}.`);
  }
}

function* partsOf(holder: object): Generator<Module> {
  for (const value of Object.values(holder)) {
    if (value instanceof Module) yield value;
    else if (Array.isArray(value)) yield* partsOf(value);
  }
}
