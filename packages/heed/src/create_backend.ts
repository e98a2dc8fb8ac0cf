/**
 * Backends by name. Each factory imports its package only when it is asked for, by a literal that bundlers can follow.
 */
import type { WebGpuBackendOptions } from "../../backend-webgpu/mod.ts";
import type { ScalarBackendOptions } from "../../backend-scalar/mod.ts";
import type { WasmBackendOptions } from "../../backend-wasm/mod.ts";
import { FOREIGN_BACKEND_OPTIONS, WASM_OPTIONS } from "../../backend-wasm/src/option_names.ts";
import { WEBGPU_OPTIONS } from "../../backend-webgpu/src/option_names.ts";
import type { Backend, MatmulActivations } from "../../core/src/backend.ts";
import { checkNames } from "../../core/src/errors.ts";
import { checkMemoryBudget } from "../../core/src/memory.ts";
import { BackendRegistry, type SkippedBackend } from "../../core/src/registry.ts";

/** Settings of {@linkcode createBackend}: those of each backend it may come to, which takes what concerns it. */
export interface CreateBackendOptions extends WasmBackendOptions, WebGpuBackendOptions {
  /**
   * What matmul does with activations that meet block-quantised weights: `"int8"` rounds them to int8, in blocks, `"f32"`
   * leaves them. When left out it is `"int8"` on wasm and `"f32"` on webgpu, which rounds in products of more than four
   * rows alone; scalar never rounds. `describe()` of the backend says which it is.
   */
  readonly matmulActivations?: MatmulActivations;
  /** Bytes that tensors may take at once; without end when left out. */
  readonly memoryBudgetBytes?: number;
  /** Told of each backend that was named before the one returned, and why it is not there. */
  readonly onSkip?: (skipped: SkippedBackend) => void;
}

const SHARED_OPTIONS = { memoryBudgetBytes: true } as const satisfies Record<keyof ScalarBackendOptions, true>;

const OPTIONS = {
  ...WASM_OPTIONS,
  ...WEBGPU_OPTIONS,
  onSkip: true,
} as const satisfies Record<keyof CreateBackendOptions, true>;

/** Of the settings those that one backend knows. */
function pick<T>(options: unknown, names: Readonly<Record<keyof T, true>>): T {
  const picked = Object.entries(options ?? {}).filter(([name]) => Object.hasOwn(names, name));
  return Object.fromEntries(picked) as T; // the registry hands on what createBackend was given
}

/** The backends that Heed brings. */
export const backends: BackendRegistry = new BackendRegistry()
  .register("webgpu", async (options) => {
    const { createWebGpuBackend } = await import("../../backend-webgpu/mod.ts");
    return createWebGpuBackend(pick<WebGpuBackendOptions>(options, WEBGPU_OPTIONS));
  })
  .register("wasm", async (options) => {
    const { createWasmBackend } = await import("../../backend-wasm/mod.ts");
    return await createWasmBackend(pick<WasmBackendOptions>(options, WASM_OPTIONS));
  })
  .register("scalar", async (options) => {
    const { createScalarBackend } = await import("../../backend-scalar/mod.ts");
    return createScalarBackend(pick<ScalarBackendOptions>(options, SHARED_OPTIONS));
  });

/**
 * The first of the named backends that is really there; never one that was not named.
 *
 * @param names one name, or several in order of preference: `["webgpu", "wasm", "scalar"]`; wasm before scalar when left out
 * @throws {BackendError} when a name is unknown, or none is there, with the reason of each
 * @throws {ShapeError} when an option is unknown or out of its range; no other backend is taken instead
 */
export async function createBackend(
  names: string | readonly string[] = ["wasm", "scalar"],
  options: CreateBackendOptions = {},
): Promise<Backend> {
  checkNames("create a backend", options, OPTIONS, FOREIGN_BACKEND_OPTIONS);
  if (options.memoryBudgetBytes !== undefined) checkMemoryBudget(options.memoryBudgetBytes);
  const { backend, skipped } = await backends.create(names, options);
  for (const entry of skipped) options.onSkip?.(entry);
  return backend;
}
