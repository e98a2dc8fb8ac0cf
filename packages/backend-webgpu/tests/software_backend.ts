/** Backends for tests, on whatever adapter there is. */
import { createWebGpuBackend, type WebGpuBackend, type WebGpuBackendOptions } from "../mod.ts";

/** A backend that is disposed of with `using`. */
export async function softwareBackend(options: WebGpuBackendOptions = {}): Promise<WebGpuBackend & Disposable> {
  const backend = await createWebGpuBackend({ softwareAdapter: true, ...options });
  return Object.assign(backend, { [Symbol.dispose]: () => backend.dispose() });
}

/** The platform's adapter. */
export async function anyAdapter(): Promise<GPUAdapter> {
  const adapter = await navigator.gpu.requestAdapter();
  if (adapter === null) throw new Error("there is no adapter: run `deno task setup`");
  return adapter;
}
