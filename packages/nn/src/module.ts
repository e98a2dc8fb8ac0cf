/**
 * What layers have in common: parameters found by the names of their properties, as PyTorch's state dicts name them
 * (`self_attn.q_proj.weight`), so that a checkpoint loads by name. Every tensor in a field, or in a list there, is a
 * parameter, unless it was registered as a buffer. Fields of modules are parts; `#private` fields are the module's own affair.
 */
import { type Backend, DTypeError, isBlock, isFloat, noGrad, ShapeError, Tensor } from "../../core/mod.ts";
import { checkNames, showShape, showValue } from "../../core/src/errors.ts";
import { checkIsState, checkStateDict } from "./state_dict.ts";

/** What a tensor in a module is for: to be trained, to be kept and saved, or only to be kept. */
type Role = "parameter" | "buffer" | "unsaved buffer";

/** A tensor that lies in a field of a module, or in a list there. */
interface Slot {
  readonly name: string;
  readonly tensor: Tensor;
  readonly role: Role;
  readonly replace: (by: Tensor) => void;
}

/** A layer, or layers of layers (`torch.nn.Module`). */
export abstract class Module implements Disposable {
  #training = true;
  readonly #buffers = new Map<string, Role>();

  /** Whether dropout drops; true until `eval()`. */
  get training(): boolean {
    return this.#training;
  }

  /** Every parameter once, with its dotted name; one that two places share under the first of its names. */
  *namedParameters(): Generator<[name: string, parameter: Tensor]> {
    yield* named(Module.#slots(this), (role) => role === "parameter");
  }

  /** Every buffer once, with its dotted name. */
  *namedBuffers(): Generator<[name: string, buffer: Tensor]> {
    yield* named(Module.#slots(this), (role) => role !== "parameter");
  }

  /** Every parameter once. */
  parameters(): Set<Tensor> {
    return new Set(Array.from(this.namedParameters(), ([, parameter]) => parameter));
  }

  /**
   * Makes a field of this module a buffer (`torch.nn.Module.register_buffer`): a tensor that belongs to it and is not
   * trained, as a mask or a table of positions. It moves and is freed with the module, which owns it; it is never among the
   * parameters, and never asked for a gradient. The field stays one, whatever tensor it is given later.
   *
   * @param name of the field, which it sets; the buffer that was there is freed
   * @param options persistent (the default): it is in the state dict, so that it is saved, and expected when one is loaded
   * @returns the tensor
   * @throws {ShapeError} when it is no tensor or requires a gradient, or the name has a dot or is that of something other than
   * a buffer
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { createScalarBackend } from "@heed/heed/backend-scalar";
   * import { ones, type Tensor, tidy } from "@heed/heed/core";
   * import { initialized, Linear, Module, type ParameterSource, within } from "@heed/heed/nn";
   *
   * const backend = createScalarBackend();
   * class Mixer extends Module {
   *   readonly mask: Tensor;
   *   readonly head: Linear;
   *
   *   constructor(source: ParameterSource) {
   *     super();
   *     this.mask = this.registerBuffer("mask", tidy(() => ones([4, 4], { backend }).tril()), { persistent: false });
   *     this.head = new Linear({ inFeatures: 4, outFeatures: 4, bias: false }, within(source, "head"));
   *   }
   *
   *   forward(x: Tensor): Tensor {
   *     return this.head.forward(this.mask.matmul(x));
   *   }
   * }
   *
   * using mixer = new Mixer(initialized({ backend })).requiresGrad_();
   * assertEquals([...mixer.stateDict().keys()], ["head.weight"]);
   * assertEquals(backend.memory.liveStorages, 2);
   * ```
   */
  registerBuffer(name: string, tensor: Tensor, options: { persistent?: boolean } = {}): Tensor {
    checkNames("register a buffer", options, { persistent: true });
    const fields = this as Record<string, unknown>; // a subclass names its own fields
    const before = fields[name];
    const isFree = before === undefined || before === tensor || (before instanceof Tensor && this.#buffers.has(name));
    const isField = typeof name === "string" && !name.includes("."); // from JavaScript anything may come
    const why = !(tensor instanceof Tensor) || !isField
      ? "it is a tensor in a field, whose name has no dot"
      : tensor.requiresGrad
      ? "it requires a gradient; register tensor.detach()"
      : isFree
      ? undefined
      : "the module has something else of that name";
    if (why !== undefined) {
      throw new ShapeError(`Cannot register ${showValue(tensor)} as the buffer ${showValue(name)}: ${why}`);
    }
    this.#buffers.set(name, options.persistent === false ? "unsaved buffer" : "buffer");
    fields[name] = tensor.keep();
    if (before instanceof Tensor && before !== tensor) before.dispose();
    return tensor;
  }

  /**
   * This module and all its parts, outermost first.
   *
   * @throws {ShapeError} when a module is a part of itself
   */
  *modules(): Generator<Module> {
    yield this;
    yield* partsOf(this, [this]);
  }

  /**
   * The parameters, and the buffers that are persistent, by name. They are the module's own tensors, no copies; one that two
   * places share is listed under both names, as in PyTorch.
   */
  stateDict(): Map<string, Tensor> {
    const saved = Array.from(Module.#slots(this)).filter(({ role }) => role !== "unsaved buffer");
    return new Map(saved.map(({ name, tensor }) => [name, tensor]));
  }

  /**
   * Copies values into what the state dict lists. Everything is checked before anything is written. A parameter that two
   * places share may be given under either name.
   *
   * @param state tensors by name, on the module's backend; they are cast to the dtypes that are there
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
   * Makes all parameters collect gradients, or none of them; buffers stay as they are.
   *
   * @throws {DTypeError} when a parameter is not of floats; nothing has changed then
   */
  requiresGrad_(on = true): this {
    for (const [name, { dtype, shape }] of on ? this.namedParameters() : []) {
      if (isFloat(dtype)) continue;
      throw new DTypeError(
        `Cannot require a gradient of "${name}", ${dtype} ${showShape(shape)}: only floats have one; ` +
          (isBlock(dtype)
            ? "load the model with { trainable: true }, which makes floats of it"
            : "what is not trained is a buffer: make it one with registerBuffer(name, tensor)"),
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
   * Moves all parameters and buffers to another backend: each is replaced by a copy there and freed here. Gradients
   * collected so far are forgotten; make optimisers afterwards, as they hold the parameters.
   *
   * @throws {DTypeError} {BackendError} when the other backend cannot take one; the module is as it was then
   */
  async to(backend: Backend): Promise<this> {
    const slots = [...Module.#slots(this)];
    const moved = new Map<Tensor, Tensor>();
    try {
      for (const tensor of new Set(slots.map(({ tensor }) => tensor))) {
        if (tensor.backend === backend) continue;
        const copy = (await tensor.to(backend)).keep();
        moved.set(tensor, tensor.requiresGrad ? copy.requiresGrad_() : copy);
      }
    } catch (error) {
      for (const copy of moved.values()) copy.dispose();
      throw error;
    }
    for (const { tensor, replace } of slots) {
      const copy = moved.get(tensor);
      if (copy !== undefined) replace(copy);
    }
    for (const tensor of moved.keys()) tensor.dispose();
    return this;
  }

  /** Frees all parameters and buffers. */
  dispose(): void {
    for (const tensor of new Set(Array.from(Module.#slots(this), ({ tensor }) => tensor))) tensor.dispose();
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The tensors in an object's fields, in its lists and in the modules among them. */
  static *#slots(holder: object, prefix = "", within: readonly object[] = []): Generator<Slot> {
    const buffers = holder instanceof Module ? holder.#buffers : undefined;
    for (const [key, value] of Object.entries(holder)) {
      const name = `${prefix}${key}`;
      if (value instanceof Tensor) {
        // fields are readonly for users; the module that moves replaces them here
        const replace = (by: Tensor) => (holder as Record<string, unknown>)[key] = by;
        yield { name, tensor: value, role: buffers?.get(key) ?? "parameter", replace };
      } else if (value instanceof Module || Array.isArray(value)) {
        const around = [...within, holder];
        checkNotAround(value, around, name);
        yield* Module.#slots(value, `${name}.`, around);
      }
    }
  }
}

/** Those of some roles, each once, under the first of its names. */
function* named(slots: Iterable<Slot>, wanted: (role: Role) => boolean): Generator<[name: string, tensor: Tensor]> {
  const seen = new Set<Tensor>();
  for (const { name, tensor, role } of slots) {
    if (!wanted(role) || seen.has(tensor)) continue;
    seen.add(tensor);
    yield [name, tensor];
  }
}

/** The modules in an object's fields and lists, and theirs; `around` ends with the object. */
function* partsOf(holder: object, around: readonly object[]): Generator<Module> {
  for (const [name, value] of Object.entries(holder)) {
    if (!(value instanceof Module || Array.isArray(value))) continue;
    checkNotAround(value, around, name);
    if (value instanceof Module) yield value;
    yield* partsOf(value, [...around, value]);
  }
}

/** @throws {ShapeError} when what lies in a field has that field in itself */
function checkNotAround(value: object, around: readonly object[], name: string): void {
  if (!around.includes(value)) return;
  throw new ShapeError(
    `Cannot go through the parts of a ${
      around[0]!.constructor.name
    }: "${name}" holds a ${value.constructor.name} that it ` +
      `is a part of; keep what is no part in a #private field`,
  );
}
