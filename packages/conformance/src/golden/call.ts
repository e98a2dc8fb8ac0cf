/**
 * What the mapping of an op is given, and what it gives: inputs by name with their views applied, settings, and the results by
 * the names of the case's outputs. Inputs are leaves of the graph where the case wants their gradients.
 */
import { type Backend, fromBytes, type Tensor } from "../../../core/mod.ts";
import type { Attrs } from "./attrs.ts";
import type { GoldenCase, Keys } from "./manifest.ts";
import type { StoredTensor, VectorGroup } from "./vector_group.ts";
import { applyViews } from "./views.ts";

/** What an op gave, by the names of the case's outputs. */
export type Results = Readonly<Record<string, Tensor | readonly Tensor[]>>;

/** An op on the public API. What it makes on the way is disposed of by the runner. */
export type GoldenOp = (call: Call) => Results;

/** An op whose result's shape depends on data; it disposes of what it makes on the way. */
export interface AsyncGoldenOp {
  /** Runs it. */
  readonly runAsync: (call: Call) => Promise<Results>;
}

/** One or several ways to an op's results; each must give them. */
export type Mapping = GoldenOp | AsyncGoldenOp | readonly (GoldenOp | AsyncGoldenOp)[];

/** Mappings by op. */
export type OpTable = Readonly<Record<string, Mapping>>;

/** One case's inputs on a backend, and its settings. */
export class Call {
  /** Where it runs. */
  readonly backend: Backend;
  /** The case's settings. */
  readonly attrs: Attrs;
  /** The inputs as stored, by name; elements of lists as `operands.0`, of objects as `state_dict.weight`. Whoever made the call disposes of them. */
  readonly leaves: ReadonlyMap<string, Tensor>;
  readonly #case: GoldenCase;
  readonly #group: VectorGroup;

  /**
   * Puts a case's inputs on a backend.
   *
   * @param wantsGrad names of the inputs whose gradients will be asked for
   */
  constructor(backend: Backend, group: VectorGroup, golden: GoldenCase, wantsGrad: ReadonlySet<string>) {
    this.backend = backend;
    this.attrs = golden.attrs;
    this.#case = golden;
    this.#group = group;
    const leaves = new Map<string, Tensor>();
    for (const [name, key] of flattenKeys(golden.inputs)) {
      const { bytes, shape, dtype } = storedTensor(group, key);
      const leaf = fromBytes(bytes, shape, dtype, { backend });
      leaves.set(name, wantsGrad.has(name) ? leaf.requiresGrad_() : leaf);
    }
    this.leaves = leaves;
  }

  /** Whether the case has an input of that name. */
  has(name: string): boolean {
    return this.leaves.has(name);
  }

  /** An input, with its views applied. */
  tensor(name: string): Tensor {
    const leaf = this.leaves.get(name);
    if (leaf === undefined) throw new Error(`the vector has no input ${name}`);
    return applyViews(leaf, this.attrs.within("views").raw(name));
  }

  /** An input that may be left out. */
  maybe(name: string): Tensor | undefined {
    return this.has(name) ? this.tensor(name) : undefined;
  }

  /** All inputs of a list. */
  list(name: string): Tensor[] {
    const keys = this.#case.inputs[name];
    if (!Array.isArray(keys)) throw new Error(`the vector's input ${name} should be a list`);
    return keys.map((_, i) => this.tensor(`${name}.${i}`));
  }

  /** All inputs of an object, by their names in it; none when there is no such input. */
  named(name: string): Map<string, Tensor> {
    const prefix = `${name}.`;
    const parts = [...this.leaves.keys()].filter((leaf) => leaf.startsWith(prefix));
    return new Map(parts.map((leaf) => [leaf.slice(prefix.length), this.tensor(leaf)]));
  }

  /** An input as stored, without a tensor. */
  stored(name: string): StoredTensor {
    const keys = this.#case.inputs[name];
    if (typeof keys !== "string") throw new Error(`the vector has no input ${name}`);
    return storedTensor(this.#group, keys);
  }
}

/** Keys by flat name: lists and objects give `name.0`, `name.part`. */
export function flattenKeys(keys: Readonly<Record<string, Keys>>): Map<string, string> {
  const flat = new Map<string, string>();
  const add = (name: string, value: Keys): void => {
    if (typeof value === "string") flat.set(name, value);
    else for (const [part, inner] of Object.entries(value)) add(`${name}.${part}`, inner);
  };
  for (const [name, value] of Object.entries(keys)) add(name, value);
  return flat;
}

/** A tensor of the group. @throws {Error} when it has no such key */
export function storedTensor(group: VectorGroup, key: string): StoredTensor {
  const stored = group.tensors.get(key);
  if (stored === undefined) throw new Error(`the vectors lack the tensor ${key}`);
  return stored;
}
