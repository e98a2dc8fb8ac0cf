/**
 * The WebGPU backend: kernels in WGSL, for GPUs, in browsers and in Deno.
 *
 * @module
 */
export { type CreatedOnDevice, createWebGpuBackend, WebGpuBackend } from "./src/backend.ts";
export type { DeviceMemory, WebGpuBuffer } from "./src/buffer.ts";
export { type AcquiredDevice, OPTIONAL_FEATURES, type WebGpuBackendOptions } from "./src/device.ts";
export { chromeTrace, type ProfiledKernel } from "./src/profiler.ts";
