/** What a case works with: a backend, numbers from a seed, and operands that the oracle has as well. */
import { type Backend, fromBytes, type Tensor } from "../../../core/mod.ts";
import { type Dense, generate, position } from "../oracle/dense.ts";
import { encode, type PlainDType, roundTo } from "../oracle/elements.ts";
import { type LayoutCase, PLAIN_LAYOUT } from "./layouts.ts";
import { RandomSource } from "./random_source.ts";

/** A tensor, and the same elements for the oracle. */
export interface Operand {
  /** On the backend, lying as asked. */
  readonly tensor: Tensor;
  /** Rounded to the tensor's dtype. */
  readonly dense: Dense;
}

/** How an operand is made. */
export interface OperandOptions {
  /** f32 when left out. */
  readonly dtype?: PlainDType;
  /** Contiguous when left out. */
  readonly layout?: LayoutCase;
  /** Least value; -2 when left out. */
  readonly low?: number;
  /** Values are below it; 2 when left out. */
  readonly high?: number;
  /** Elements in row-major order, instead of random ones; with layouts that repeat none. */
  readonly values?: ArrayLike<number>;
}

/** A backend and a stream of numbers. */
export class SuiteContext {
  /** The backend, its fresh memory poisoned. */
  readonly backend: Backend;
  /** The case's numbers. */
  readonly random: RandomSource;

  /** @param name the case's name, from which its numbers come */
  constructor(backend: Backend, name: string) {
    this.backend = backend;
    this.random = new RandomSource(name);
  }

  /** An operand of a shape, of random or given elements. */
  operand(shape: readonly number[], options: OperandOptions = {}): Operand {
    const { dtype = "f32", layout = PLAIN_LAYOUT, values } = options;
    const baseShape = layout.base(shape);
    const base = generate(baseShape, () => roundTo(dtype, this.#draw(dtype, options)));
    const placeOf = (index: readonly number[]): number => position(baseShape, layout.place(index));
    if (values !== undefined) {
      let i = 0;
      generate(shape, (index) => base.data[placeOf(index)] = roundTo(dtype, values[i++]!));
    }
    const dense = generate(shape, (index) => base.data[placeOf(index)]!);
    const whole = fromBytes(encode(dtype, base.data), baseShape, dtype, { backend: this.backend });
    return { tensor: layout.view(whole, shape), dense };
  }

  /** A tensor of the oracle's elements. */
  tensorOf(dense: Dense, dtype: PlainDType): Tensor {
    return fromBytes(encode(dtype, dense.data), dense.shape, dtype, { backend: this.backend });
  }

  #draw(dtype: PlainDType, { low = -2, high = 2 }: OperandOptions): number {
    if (dtype === "bool") return this.random.integer(0, 2);
    if (dtype === "u8") return this.random.integer(0, 100);
    return dtype === "i32" ? this.random.integer(low * 10, high * 10) : this.random.between(low, high);
  }
}
