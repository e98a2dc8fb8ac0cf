/** What an optimiser resumes from, and whether it fits. Parameters go by their index over all groups, as in PyTorch. */
import { BackendError, ShapeError, type Tensor } from "../../../core/mod.ts";
import { showShape } from "../../../core/src/errors.ts";
import { sameShape } from "../../../core/src/shape.ts";
import type { OptimizerGroup, OptimizerOptions, UpdateRule } from "./optimizer.ts";

/** Tensors of a parameter's state, by PyTorch's names. */
export type Slots = Readonly<Record<string, Tensor>>;

/** What an optimiser knows of a parameter. */
export interface ParameterState {
  /** Steps taken. */
  readonly steps: number;
  /** Tensors of the parameter's shape. */
  readonly slots: Slots;
}

/** An optimiser's state: named tensors for a file of tensors, and the rest, which is plain JSON. */
export interface OptimizerStateDict<Options> {
  /** By the parameter's index and PyTorch's name: `0.exp_avg`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Steps taken by each parameter; 0 for one that has no state yet. */
  readonly steps: readonly number[];
  /** Settings, and the indices of the parameters, by group. */
  readonly groups: readonly (Options & { readonly parameters: readonly number[] })[];
}

/**
 * Checks that a state can be loaded.
 *
 * @throws {ShapeError} {BackendError} as `Optimizer.loadStateDict`
 */
export function checkOptimizerState<Options extends OptimizerOptions>(
  rule: UpdateRule<Options>,
  groups: readonly OptimizerGroup<Options>[],
  state: OptimizerStateDict<Options>,
): void {
  const sizes = groups.map((group) => group.parameters.length);
  const found = state.groups.map((group) => group.parameters.length);
  if (!sameShape(found, sizes)) {
    throw new ShapeError(
      `Cannot load the state of ${rule.name} for groups of ${showShape(found)} parameters into groups of ${
        showShape(sizes)
      }: they differ`,
    );
  }
  for (const group of state.groups) rule.check(group);
  const parameters = groups.flatMap((group) => group.parameters);
  const names = state.groups.flatMap((group) => group.parameters.map(() => rule.slots(group)));
  const wanted = new Map<string, Tensor>();
  parameters.forEach((parameter, i) => {
    for (const name of state.steps[i] === 0 ? [] : names[i]!) wanted.set(`${i}.${name}`, parameter);
  });
  const problems = [...stepProblems(state.steps, parameters.length), ...tensorProblems(wanted, state.tensors)];
  if (problems.length > 0) throw new ShapeError(`Cannot load the state of ${rule.name}: ${problems.join("; ")}`);
  for (const [name, { backend }] of wanted) {
    const { backend: other, shape } = state.tensors.get(name)!;
    if (other === backend) continue;
    throw new BackendError(
      `Cannot load "${name}" ${
        showShape(shape)
      } from ${other.name} to ${backend.name}: move it first with await t.to(backend)`,
    );
  }
}

function* stepProblems(steps: readonly number[], count: number): Generator<string> {
  if (steps.length !== count) yield `it has steps of ${steps.length} parameters, not of ${count}`;
  const wrong = steps.find((n) => !Number.isSafeInteger(n) || n < 0);
  if (wrong !== undefined) yield `steps are whole numbers of at least 0, found ${wrong}`;
}

function* tensorProblems(wanted: ReadonlyMap<string, Tensor>, given: ReadonlyMap<string, Tensor>): Generator<string> {
  const missing = [...wanted.keys()].filter((name) => !given.has(name));
  const unexpected = [...given.keys()].filter((name) => !wanted.has(name));
  if (missing.length > 0) yield `missing ${missing.join(", ")}`;
  if (unexpected.length > 0) yield `unexpected ${unexpected.join(", ")}`;
  for (const [name, { shape }] of wanted) {
    const found = given.get(name)?.shape;
    if (found === undefined || sameShape(found, shape)) continue;
    yield `"${name}" should be ${showShape(shape)}, found ${showShape(found)}`;
  }
}
