/** Names of the WebGPU backend's settings, apart from it, for those who have not loaded it yet. */
import type { WebGpuBackendOptions } from "./options.ts";

/** Names of {@linkcode WebGpuBackendOptions}. */
export const WEBGPU_OPTIONS = {
  adapter: true,
  device: true,
  powerPreference: true,
  features: true,
  softwareAdapter: true,
  tuneMatmul: true,
  matmulActivations: true,
  memoryBudgetBytes: true,
} as const satisfies Record<keyof WebGpuBackendOptions, true>;
