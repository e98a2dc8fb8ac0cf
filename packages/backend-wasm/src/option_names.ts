/** Names of the wasm backend's settings, apart from it, for those who have not loaded it yet. */
import type { WasmBackendOptions } from "./create.ts";

/** Names of {@linkcode WasmBackendOptions}. */
export const WASM_OPTIONS = {
  threads: true,
  wasm: true,
  build: true,
  matmulActivations: true,
  memoryBudgetBytes: true,
  workerTimeoutMs: true,
} as const satisfies Record<keyof WasmBackendOptions, true>;

/** What other libraries, and haste, call settings of a backend. */
export const FOREIGN_BACKEND_OPTIONS: Readonly<Record<string, string>> = {
  thread: "threads",
  numThreads: "threads",
  num_threads: "threads",
  nThreads: "threads",
  n_threads: "threads",
  activations: "matmulActivations",
  wasmPaths: "wasm",
  wasmUrl: "wasm",
  memoryBudget: "memoryBudgetBytes",
  memoryLimit: "memoryBudgetBytes",
  forceFallbackAdapter: "softwareAdapter",
};
