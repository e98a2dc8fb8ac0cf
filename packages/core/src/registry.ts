/**
 * Which backends there are. A registry knows names and factories; nothing registers itself by being imported, and
 * nothing is created that was not asked for. `create` takes the first backend that is really there and tells why each
 * one before it was not; it never falls back to one that was not named.
 */
import type { Backend } from "./backend.ts";
import { BackendError, showValue } from "./errors.ts";

/** Makes a backend, or throws a {@linkcode BackendError} that says why there is none here. */
export type BackendFactory = (options?: unknown) => Backend | Promise<Backend>;

/** A backend that was asked for and passed over. */
export interface SkippedBackend {
  /** Its name. */
  readonly name: string;
  /** Why it is not there. */
  readonly reason: string;
}

/** What `create` found. */
export interface CreatedBackend {
  /** The first backend that is there. */
  readonly backend: Backend;
  /** Those named before it. */
  readonly skipped: readonly SkippedBackend[];
}

/** Names of backends and how to make them. */
export class BackendRegistry {
  readonly #factories = new Map<string, BackendFactory>();

  /** Adds a backend. @throws {BackendError} when the name is taken */
  register(name: string, factory: BackendFactory): this {
    if (this.#factories.has(name)) throw new BackendError(`Cannot register backend "${name}": the name is taken`);
    this.#factories.set(name, factory);
    return this;
  }

  /** The names known, in the order of registration. */
  get names(): string[] {
    return [...this.#factories.keys()];
  }

  /**
   * The first of the named backends that is there.
   *
   * @param names one name, or several in order of preference
   * @param options passed to the factory as they are
   * @throws {BackendError} when a name is unknown, or none is there, with the reason of each
   */
  async create(names: string | readonly string[], options?: unknown): Promise<CreatedBackend> {
    if (typeof names !== "string" && !Array.isArray(names)) { // from JavaScript anything may come
      throw new BackendError(
        `Cannot create a backend by ${showValue(names)}: names come first, of ${this.names.join(", ")}, then options`,
      );
    }
    const wanted = typeof names === "string" ? [names] : names;
    if (wanted.length === 0) {
      throw new BackendError(`Cannot create a backend: no name was given; known are ${this.names.join(", ")}`);
    }
    const factories = wanted.map((name) => {
      const factory = this.#factories.get(name);
      if (factory !== undefined) return { name, factory };
      throw new BackendError(`Cannot create backend "${name}": it is unknown; known are ${this.names.join(", ")}`);
    });
    const skipped: SkippedBackend[] = [];
    for (const { name, factory } of factories) {
      try {
        return { backend: await factory(options), skipped };
      } catch (error) {
        if (!(error instanceof BackendError)) throw error;
        skipped.push({ name, reason: error.message });
      }
    }
    throw new BackendError(
      `Cannot create a backend: none of those named is there.\n${
        skipped.map((s) => `  ${s.name}: ${s.reason}`).join("\n")
      }`,
    );
  }
}
