/** Whether a state dict fits a module: names, shapes, backends, before a single value is written. */
import { BackendError, DTypeError, isBlock, ShapeError, type Tensor } from "../../core/mod.ts";
import { showShape, showValue } from "../../core/src/errors.ts";
import { sameShape } from "../../core/src/shape.ts";

/** @throws {ShapeError} when a state is no map of tensors by name; from JavaScript anything may come */
export function checkIsState(state: ReadonlyMap<string, Tensor>): void {
  if (typeof state?.get === "function" && typeof state.keys === "function") return;
  throw new ShapeError(
    `Cannot read parameters from ${showValue(state)}: a state dict is a Map of tensors by name; ` +
      `use new Map(Object.entries(…))`,
  );
}

/**
 * Checks that `state` can be copied into `own`.
 *
 * @param own the module's parameters; a shared one under each of its names
 * @param strict whether missing and unexpected names are errors
 * @throws {ShapeError} {DTypeError} {BackendError} as `Module.loadStateDict`
 */
export function checkStateDict(
  own: ReadonlyMap<string, Tensor>,
  state: ReadonlyMap<string, Tensor>,
  strict: boolean,
): void {
  const problems = [...shapes(own, state), ...(strict ? names(own, state) : [])];
  if (problems.length > 0) throw new ShapeError(`Cannot load the state dict: ${problems.join("; ")}`);
  for (const [name, parameter] of own) {
    const source = state.get(name);
    if (source === undefined) continue;
    if (isBlock(parameter.dtype)) {
      throw new DTypeError(
        `Cannot load "${name}" into ${parameter.dtype} ${showShape(parameter.shape)}: blocks are not written to; ` +
          `build the module from the tensors instead, with fromStateDict`,
      );
    }
    if (source.backend !== parameter.backend) {
      throw new BackendError(
        `Cannot load "${name}" ${showShape(source.shape)} from ${source.backend.name} to ${parameter.backend.name}: ` +
          `move it first with await t.to(backend)`,
      );
    }
  }
}

function* shapes(own: ReadonlyMap<string, Tensor>, state: ReadonlyMap<string, Tensor>): Generator<string> {
  for (const [name, { shape }] of own) {
    const found = state.get(name)?.shape;
    if (found === undefined || sameShape(found, shape)) continue;
    yield `"${name}" should be ${showShape(shape)}, found ${showShape(found)}`;
  }
}

function* names(own: ReadonlyMap<string, Tensor>, state: ReadonlyMap<string, Tensor>): Generator<string> {
  const given = new Set(Array.from(state.keys(), (name) => own.get(name)));
  const missing = Array.from(own).filter(([, parameter]) => !given.has(parameter)).map(([name]) => name);
  const unexpected = Array.from(state.keys()).filter((name) => !own.has(name));
  if (missing.length > 0) yield `missing ${missing.join(", ")}`;
  if (unexpected.length > 0) yield `unexpected ${unexpected.join(", ")}`;
}
