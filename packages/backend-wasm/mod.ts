/**
 * The WebAssembly backend: SIMD kernels from Rust, on as many threads as the page or the process may have.
 *
 * @module
 */
export type { MatmulActivations } from "../core/src/backend.ts";
export type { WasmBuffer } from "./src/buffer.ts";
export { createWasmBackend, type WasmBackendOptions } from "./src/create.ts";
export { type WasmBuild, wasmBytes, type WasmSource } from "./src/instance.ts";
