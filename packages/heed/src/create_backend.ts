/**
 * Backends by name. Each factory imports its package only when it is asked for, by a literal that bundlers can follow.
 */
import type { WebGpuBackendOptions } from "../../backend-webgpu/mod.ts";
import type { WasmBackendOptions } from "../../backend-wasm/mod.ts";
import type { Backend } from "../../core/src/backend.ts";
import { BackendRegistry, type SkippedBackend } from "../../core/src/registry.ts";

/** Settings of {@linkcode createBackend}: those of each backend it may come to, which takes what concerns it. */
export interface CreateBackendOptions extends WasmBackendOptions, WebGpuBackendOptions {
  /** Bytes that tensors may take at once; without end when left out. */
  readonly memoryBudgetBytes?: number;
  /** Told of each backend that was named before the one returned, and why it is not there. */
  readonly onSkip?: (skipped: SkippedBackend) => void;
}

/** The backends that Heed brings. */
export const backends: BackendRegistry = new BackendRegistry()
  .register("webgpu", async (options) => {
    const { createWebGpuBackend } = await import("../../backend-webgpu/mod.ts");
    return createWebGpuBackend(options as CreateBackendOptions); // the registry hands on what createBackend was given
  })
  .register("wasm", async (options) => {
    const { createWasmBackend } = await import("../../backend-wasm/mod.ts");
    return await createWasmBackend(options as CreateBackendOptions); // as below
  })
  .register("scalar", async (options) => {
    const { createScalarBackend } = await import("../../backend-scalar/mod.ts");
    return createScalarBackend(options as CreateBackendOptions); // the registry hands on what createBackend was given
  });

/**
 * The first of the named backends that is really there; never one that was not named.
 *
 * @param names one name, or several in order of preference: `["webgpu", "wasm", "scalar"]`; wasm before scalar when left out
 * @throws {BackendError} when a name is unknown, or none is there, with the reason of each
 */
export async function createBackend(
  names: string | readonly string[] = ["wasm", "scalar"],
  options: CreateBackendOptions = {},
): Promise<Backend> {
  const { backend, skipped } = await backends.create(names, options);
  for (const entry of skipped) options.onSkip?.(entry);
  return backend;
}
