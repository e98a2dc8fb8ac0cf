/**
 * Backends by name. Each factory imports its package only when it is asked for, by a literal that bundlers can follow.
 */
import type { Backend } from "../../core/src/backend.ts";
import { BackendError } from "../../core/src/errors.ts";
import { BackendRegistry, type SkippedBackend } from "../../core/src/registry.ts";

/** Settings of {@linkcode createBackend}. */
export interface CreateBackendOptions {
  /** Bytes that tensors may take at once; without end when left out. */
  readonly memoryBudgetBytes?: number;
  /** Told of each backend that was named before the one returned, and why it is not there. */
  readonly onSkip?: (skipped: SkippedBackend) => void;
}

function absent(what: string): () => never {
  return () => {
    throw new BackendError(`${what} is not part of this version; use "scalar"`);
  };
}

/** The backends that Heed brings. */
export const backends: BackendRegistry = new BackendRegistry()
  .register("webgpu", absent("the WebGPU backend"))
  .register("wasm", absent("the WebAssembly backend"))
  .register("scalar", async (options) => {
    const { createScalarBackend } = await import("../../backend-scalar/mod.ts");
    return createScalarBackend(options as CreateBackendOptions); // the registry hands on what createBackend was given
  });

/**
 * The first of the named backends that is really there; never one that was not named.
 *
 * @param names one name, or several in order of preference: `["webgpu", "wasm", "scalar"]`
 * @throws {BackendError} when a name is unknown, or none is there, with the reason of each
 */
export async function createBackend(
  names: string | readonly string[] = "scalar",
  options: CreateBackendOptions = {},
): Promise<Backend> {
  const { backend, skipped } = await backends.create(names, options);
  for (const entry of skipped) options.onSkip?.(entry);
  return backend;
}
