/**
 * Where a module's parameters come from: a module asks a source for each by its name and shape as it is built. A checkpoint
 * hands out what it holds, {@linkcode fromStateDict} what a map holds, and {@linkcode initialized} draws each with the
 * initialiser that its layer names.
 */
import type { Backend, DType, Tensor } from "../../core/mod.ts";
import { checkNames, ShapeError, showShape, showValue } from "../../core/src/errors.ts";
import { seedWords, splitSeed } from "../../core/src/ops/primitives/random.ts";
import { sameShape } from "../../core/src/shape.ts";
import { type Initializer, kaimingUniform, zeros } from "./init.ts";
import { checkIsState } from "./state_dict.ts";

/** Hands out parameters by name; the module that took them owns them. */
export interface ParameterSource {
  /**
   * The parameter of that name.
   *
   * @param initial how the layer would draw it; a source that holds the parameter ignores it
   * @throws when it is missing or has another shape
   */
  take(name: string, shape: readonly number[], initial?: Initializer): Tensor;
}

/** Settings of {@linkcode initialized}. */
export interface InitializedOptions {
  /** Where parameters live. */
  readonly backend: Backend;
  /** Which draws; 0 when left out. The same seed gives the same parameters, on every backend. */
  readonly seed?: number | undefined;
  /** Of all parameters; f32 when left out. */
  readonly dtype?: DType | undefined;
}

const OPTIONS = {
  backend: true,
  seed: true,
  dtype: true,
} as const satisfies Record<keyof InitializedOptions, true>;
const FOREIGN = { device: "backend", generator: "seed" };

/**
 * A source of fresh parameters. Each is drawn by its layer's initialiser from a seed of its own, made of `seed` and of how many
 * were taken before. Where a layer names none, matrices are drawn as PyTorch's Linear does (`kaimingUniform`), and vectors
 * are 0.
 *
 * @throws {ShapeError} when the seed is no whole number from 0 to 2^53
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { initialized, Linear } from "@heed/heed/nn";
 *
 * using layer = new Linear({ inFeatures: 4, outFeatures: 3 }, initialized({ backend: createScalarBackend(), seed: 1 }));
 * assertEquals(layer.weight.shape, [3, 4]);
 * ```
 */
export function initialized(options: InitializedOptions): ParameterSource {
  checkNames("initialize parameters", options, OPTIONS, FOREIGN);
  const { backend, seed = 0, dtype } = options;
  const words = seedWords(seed);
  let taken = 0;
  return {
    take(_name, shape, initial = shape.length < 2 ? zeros() : kaimingUniform()) {
      const [low, high] = splitSeed(words, taken++);
      const own = (high % 2 ** 21) * 2 ** 32 + low; // 53 bits, what a number holds exactly
      return initial(shape, { backend, seed: own, dtype }).keep();
    },
  };
}

/**
 * A source of given tensors. The module uses them as they are, without a copy, and frees them when it is disposed of.
 *
 * @param state tensors by name
 * @param prefix put before each name that a module asks for, as `"model."`
 * @returns a source that throws a ShapeError, naming the parameter, where one is missing or has another shape
 * @throws {ShapeError} when the state is no map
 */
export function fromStateDict(state: ReadonlyMap<string, Tensor>, prefix = ""): ParameterSource {
  checkIsState(state);
  return {
    take(name, shape) {
      const found = state.get(prefix + name);
      if (found !== undefined && sameShape(found.shape, shape)) return found;
      throw new ShapeError(
        `Cannot take parameter "${prefix}${name}" ${showShape(shape)} from the state dict: it is ` +
          (found === undefined ? "missing" : `${showShape(found.shape)} there`),
      );
    },
  };
}

/** @throws {ShapeError} when there is no source: from JavaScript anything may come */
export function checkSource(what: string, source: ParameterSource): void {
  if (typeof source?.take === "function") return;
  throw new ShapeError(
    `Cannot ${what} from ${
      showValue(source)
    }: pass initialized({ backend }), fromStateDict(state) or a checkpoint as ` +
      `the last argument`,
  );
}

/**
 * The part of a source whose names begin with `name` and a dot: what a module hands to its parts.
 *
 * @throws {ShapeError} when there is no source
 */
export function within(source: ParameterSource, name: string): ParameterSource {
  checkSource(`take parameters "${name}"`, source);
  return { take: (part, shape, initial) => source.take(`${name}.${part}`, shape, initial) };
}
