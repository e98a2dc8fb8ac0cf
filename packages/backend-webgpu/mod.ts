/**
 * The WebGPU backend: kernels in WGSL, for GPUs, in browsers and in Deno.
 *
 * @module
 */
export { type CreatedOnDevice, createWebGpuBackend, WebGpuBackend } from "./src/backend.ts";
export type { DeviceMemory, WebGpuBuffer } from "./src/buffer.ts";
export type { AcquiredDevice } from "./src/device.ts";
export { OPTIONAL_FEATURES, type WebGpuBackendOptions } from "./src/options.ts";
export { chromeTrace, type ProfiledKernel } from "./src/profiler.ts";
