/**
 * What optimisers have in common (`torch.optim.Optimizer`): parameters in groups with settings of their own, state that is
 * made at a parameter's first step, updates in place, and a state dict to resume from. How a parameter moves is an
 * {@linkcode UpdateRule}, a pure function of its value, its gradient and its state.
 *
 * Halves: for f16 and bf16 parameters the state is f32, and so is the update, which is rounded to nearest even once, on
 * writing. There is no f32 copy of the parameter, so what is smaller than half its last place is lost, as in PyTorch: train
 * in f32 where steps are small.
 */
import { type DType, noGrad, ShapeError, Tensor, tidy } from "../../../core/mod.ts";
import { checkNames, showShape, showValue } from "../../../core/src/errors.ts";
import { checkOptimizerState, type OptimizerStateDict, type ParameterState, type Slots } from "./optimizer_state.ts";
import { isIterable, listOf, tensorsOf } from "./trained_parameters.ts";

/** What every optimiser's settings hold. */
export interface OptimizerOptions {
  /** Size of a step. */
  learningRate: number;
}

/** A parameter's next value and state, all fresh or aliases: the optimiser copies them. */
export interface Update {
  /** The value after the step. */
  readonly value: Tensor;
  /** The state after the step. */
  readonly slots: Slots;
}

/** How an optimiser moves one parameter. */
export interface UpdateRule<Options extends OptimizerOptions> {
  /** The optimiser's name, for messages. */
  readonly name: string;
  /** Settings that a group leaves out; there are no others. */
  readonly defaults: Options;
  /** Refuses settings. @throws {ShapeError} naming the setting */
  check(options: Options): void;
  /** Names of the tensors that a parameter's state consists of after its first step. */
  slots(options: Options): readonly string[];
  /**
   * One step of one parameter.
   *
   * @param value the parameter's, f32 or f64
   * @param gradient its gradient, of the same dtype
   * @param slots its state; none at the first step
   * @param step 1 at the first step
   */
  update(value: Tensor, gradient: Tensor, slots: Slots, step: number, options: Options): Update;
}

/** Parameters with settings of their own; those left out are the optimiser's. */
export type ParameterGroup<Options> = Partial<Options> & { readonly parameters: Iterable<Tensor> };

/** What an optimiser is given to train: all parameters alike, or groups of them. */
export type TrainedParameters<Options> = Iterable<Tensor> | Iterable<ParameterGroup<Options>>;

/** A group in an optimiser: all settings, which may be changed between steps, and the parameters. */
export type OptimizerGroup<Options> = Options & { readonly parameters: readonly Tensor[] };

/** Parameters, their state, and the rule that moves them. */
export abstract class Optimizer<Options extends OptimizerOptions> implements Disposable {
  /** The groups, in the order given; their settings may be changed and hold from the next step on. */
  readonly groups: readonly OptimizerGroup<Options>[];
  readonly #rule: UpdateRule<Options>;
  #states = new Map<Tensor, ParameterState>();

  /**
   * Takes parameters, which stay their owner's.
   *
   * @param options settings of groups that do not have their own
   * @throws {ShapeError} when there is no parameter, one is listed twice, is a constant or no leaf, or does not require a
   * gradient, or a setting is unknown or out of its range
   */
  constructor(rule: UpdateRule<Options>, parameters: TrainedParameters<Options>, options: Partial<Options>) {
    this.#rule = rule;
    const settings = settingsOf(rule);
    checkNames(`make ${rule.name}`, options, settings, FOREIGN);
    this.groups = groupsOf(rule.name, parameters, settings).map((group) => {
      const own = tensorsOf(`make ${rule.name} of`, group.parameters);
      return { ...rule.defaults, ...options, ...group, parameters: own };
    });
    checkParameters(rule.name, this.groups.flatMap((group) => group.parameters));
    for (const group of this.groups) rule.check(group);
  }

  /** The first group's learning rate; setting it sets every group's. */
  get learningRate(): number {
    return this.groups[0]!.learningRate;
  }

  set learningRate(value: number) {
    for (const group of this.groups) group.learningRate = value;
  }

  /**
   * Moves every parameter that has a gradient, in place; the others, and their state, stay as they are.
   *
   * @throws {ShapeError} when a group's setting is out of its range; nothing has moved then
   * @throws {BackendError} when a parameter was disposed of; nothing has moved then
   */
  step(): void {
    for (const group of this.groups) {
      this.#rule.check(group);
      for (const parameter of group.parameters) parameter.checkAlive(`step ${this.#rule.name} on`);
    }
    noGrad(() => {
      for (const group of this.groups) {
        for (const parameter of group.parameters) tidy(() => this.#move(parameter, group));
      }
    });
  }

  #move(parameter: Tensor, group: OptimizerGroup<Options>): void {
    const gradient = parameter.grad;
    if (gradient === undefined) return;
    const before = this.#states.get(parameter) ?? { steps: 0, slots: {} };
    const steps = before.steps + 1;
    const dtype = stateDType(parameter.dtype);
    const value = parameter.detach(); // a parameter itself refuses to be written to
    const after = this.#rule.update(value.to(dtype), gradient.to(dtype), before.slots, steps, group);
    const slots = Object.entries(after.slots).map(([name, next]) => {
      const own = before.slots[name];
      return [name, own === undefined ? next.clone().keep() : own.copy_(next)] as const;
    });
    value.copy_(after.value);
    for (const [name, own] of Object.entries(before.slots)) {
      if (!(name in after.slots)) own.dispose(); // a changed setting may do without it
    }
    this.#states.set(parameter, { steps, slots: Object.fromEntries(slots) });
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const group of this.groups) {
      for (const parameter of group.parameters) parameter.zeroGrad();
    }
  }

  /**
   * What a run resumes from, together with the parameters: settings, step counts, and the state's tensors, which are the
   * optimiser's own, no copies.
   */
  stateDict(): OptimizerStateDict<Options> {
    const parameters = this.groups.flatMap((group) => group.parameters);
    const states = parameters.map((parameter) => this.#states.get(parameter));
    const tensors = new Map<string, Tensor>();
    states.forEach((state, index) => {
      for (const [name, tensor] of Object.entries(state?.slots ?? {})) tensors.set(`${index}.${name}`, tensor);
    });
    const index = new Map(parameters.map((parameter, i) => [parameter, i]));
    const groups = this.groups.map((group) => ({ ...group, parameters: group.parameters.map((p) => index.get(p)!) }));
    return { tensors, steps: states.map((state) => state?.steps ?? 0), groups };
  }

  /**
   * Goes on where another optimiser of the same parameters was: its settings, steps and state, copied. Everything is checked
   * before anything changes.
   *
   * @param state what `stateDict` gave, with tensors on the parameters' backend
   * @throws {ShapeError} when groups, names, shapes or step counts do not fit, or a setting is out of its range
   * @throws {BackendError} when a tensor is on another backend
   */
  loadStateDict(state: OptimizerStateDict<Options>): void {
    checkOptimizerState(this.#rule, this.groups, state);
    const parameters = this.groups.flatMap((group) => group.parameters);
    const names = state.groups.flatMap((group) => group.parameters.map(() => this.#rule.slots(group)));
    const loaded = noGrad(() =>
      tidy(() => {
        const copies = parameters.map((parameter, i) => {
          const steps = state.steps[i]!;
          const slots = (steps === 0 ? [] : names[i]!).map((name) => {
            return [name, state.tensors.get(`${i}.${name}`)!.to(stateDType(parameter.dtype)).clone()] as const;
          });
          return [parameter, { steps, slots: Object.fromEntries(slots) }] as const;
        });
        for (const [, { slots }] of copies) for (const copy of Object.values(slots)) copy.keep();
        return copies;
      })
    );
    this.dispose();
    this.#states = new Map(loaded);
    this.groups.forEach((group, i) => Object.assign(group, state.groups[i], { parameters: group.parameters }));
  }

  /** Frees the state, so that a later step would begin anew; the parameters are their owner's. */
  dispose(): void {
    for (const { slots } of this.#states.values()) {
      for (const tensor of Object.values(slots)) tensor.dispose();
    }
    this.#states.clear();
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What state and update of a parameter are held and computed in. */
function stateDType(parameter: DType): DType {
  return parameter === "f64" ? "f64" : "f32";
}

const FOREIGN: Readonly<Record<string, string>> = {
  lr: "learningRate",
  learning_rate: "learningRate",
  weight_decay: "weightDecay",
  params: "parameters",
  beta1: "betas",
  beta2: "betas",
  epsilon: "eps",
};

function settingsOf<Options extends OptimizerOptions>({ defaults }: UpdateRule<Options>): Record<string, true> {
  return Object.fromEntries(Object.keys(defaults).map((name) => [name, true] as const));
}

/** The groups as given, or one of all parameters. */
function groupsOf<Options>(
  name: string,
  parameters: TrainedParameters<Options>,
  settings: Readonly<Record<string, true>>,
): ParameterGroup<Options>[] {
  const tensors: Tensor[] = [];
  const groups: ParameterGroup<Options>[] = [];
  for (const item of listOf<Tensor | ParameterGroup<Options>>(`make ${name} of`, parameters)) {
    if (item instanceof Tensor) tensors.push(item);
    else {
      checkGroup(name, item, settings);
      groups.push(item);
    }
  }
  if (tensors.length > 0 && groups.length > 0) {
    throw new ShapeError(
      `Cannot make ${name} of ${tensors.length} parameters beside ${groups.length} groups: put them in a group`,
    );
  }
  // one group without settings; a generic Partial takes no literal
  return groups.length > 0 ? groups : [{ parameters: tensors } as unknown as ParameterGroup<Options>];
}

/** From JavaScript anything may come, named parameters and modules first of all. */
function checkGroup(name: string, group: unknown, settings: Readonly<Record<string, true>>): void {
  if (typeof group !== "object" || group === null || !("parameters" in group) || !isIterable(group.parameters)) {
    throw new ShapeError(
      `Cannot make ${name} of ${showValue(group)}: it is neither a parameter nor a group { parameters, … }; ` +
        `pass model.parameters()`,
    );
  }
  checkNames(`make a group of ${name}`, group, { ...settings, parameters: true }, FOREIGN);
}

function checkParameters(name: string, parameters: readonly Tensor[]): void {
  if (parameters.length === 0) {
    throw new ShapeError(`Cannot make ${name} of no parameters: there is nothing to train; pass model.parameters()`);
  }
  const seen = new Set<Tensor>();
  parameters.forEach((parameter, i) => {
    const fail = (why: string): never => {
      throw new ShapeError(
        `Cannot make ${name} of ${parameter.dtype} ${showShape(parameter.shape)}, parameter ${i}: ${why}`,
      );
    };
    parameter.checkAlive(`make ${name} of`);
    if (parameter.gradNode === undefined) fail("it requires no gradient; call requiresGrad_() on it or leave it out");
    if (parameter.storage.constant) fail("it is a constant, as loaded weights are; load it with { trainable: true }");
    if (parameter.gradNode?.isLeaf === false) fail("an op made it, so it is no leaf; pass what it was made from");
    if (parameter.shape.some((size, dim) => size > 1 && parameter.strides[dim] === 0)) {
      fail("it is expanded, so its elements share memory; clone it first");
    }
    if (seen.has(parameter)) fail("it is listed twice; each parameter belongs to one group");
    seen.add(parameter);
  });
}

/**
 * Refuses settings that are no sizes.
 *
 * @param optimizer its name, for messages
 * @throws {ShapeError} when one is below 0 or not finite
 */
export function checkNotNegative(optimizer: string, settings: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value >= 0 && value < Infinity) continue;
    throw new ShapeError(`Cannot run ${optimizer} with ${name} ${value}: it is a finite number of at least 0`);
  }
}
