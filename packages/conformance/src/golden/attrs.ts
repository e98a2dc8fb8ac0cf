/**
 * A case's settings, read with their types. JSON has no NaN and no infinities, so the vectors write them as words; null and
 * what is absent mean that the op's own default holds.
 */

/** Whether a JSON value is an object with names. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const WORDS: ReadonlyMap<unknown, number> = new Map([["Infinity", Infinity], ["-Infinity", -Infinity], ["NaN", NaN]]);

function asNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : WORDS.get(value);
}

/** Typed access to `attrs`. */
export class Attrs {
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param values the object of a manifest */
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** The value as it is; undefined where null or absent. */
  raw(name: string): unknown {
    return this.#values[name] ?? undefined;
  }

  /** Whether it is there and not null. */
  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  /** A number that must be there. */
  number(name: string): number {
    return this.maybeNumber(name) ?? this.#fail(name, "a number");
  }

  /** A number, or undefined for the op's default. */
  maybeNumber(name: string): number | undefined {
    if (!this.has(name)) return undefined;
    return asNumber(this.raw(name)) ?? this.#fail(name, "a number");
  }

  /** A list of numbers that must be there. */
  numbers(name: string): number[] {
    return this.#list(name) ?? this.#fail(name, "a list of numbers");
  }

  /** One number, a list of them, or undefined: how ops name dims. */
  dims(name: string): number | number[] | undefined {
    if (!this.has(name)) return undefined;
    return this.#list(name) ?? this.number(name);
  }

  /** A truth value, false when absent; ONNX writes 0 and 1. */
  flag(name: string, absent = false): boolean {
    const value = this.raw(name) ?? absent;
    if (value === true || value === 1) return true;
    return value === false || value === 0 ? false : this.#fail(name, "a truth value");
  }

  /** A string, or undefined. */
  text(name: string): string | undefined {
    const value = this.raw(name);
    return value === undefined || typeof value === "string" ? value : this.#fail(name, "a string");
  }

  /** Settings within a setting; none when absent. */
  within(name: string): Attrs {
    const value = this.raw(name) ?? {};
    return isRecord(value) ? new Attrs(value) : this.#fail(name, "an object");
  }

  #list(name: string): number[] | undefined {
    const value = this.raw(name);
    if (!Array.isArray(value)) return undefined;
    return value.map((item) => asNumber(item) ?? this.#fail(name, "a list of numbers"));
  }

  #fail(name: string, expected: string): never {
    throw new Error(`the vector's attrs.${name} should be ${expected}, found ${JSON.stringify(this.#values[name])}`);
  }
}
