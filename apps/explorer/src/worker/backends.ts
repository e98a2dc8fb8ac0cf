/** The backends that the page offers, and what each is made with. */
import { type Backend, BackendError, createBackend, type CreateBackendOptions } from "../../../../packages/heed/mod.ts";
import { type BackendChoice, NO_WEBGPU } from "../protocol.ts";

/** A backend's registered name, and settings. */
type Recipe = readonly [name: string, options: CreateBackendOptions];

const RECIPES: Readonly<Record<BackendChoice, Recipe>> = {
  "wasm": ["wasm", {}],
  "wasm-f32": ["wasm", { matmulActivations: "f32" }],
  "webgpu": ["webgpu", {}],
  "webgpu-software": ["webgpu", { softwareAdapter: true }],
  "scalar": ["scalar", {}],
};

/** WebGPU is not there. The page runs models without it. */
class NoWebGpuError extends Error {
  override name = NO_WEBGPU;
}

/**
 * Makes the chosen backend, and no other.
 *
 * @throws {NoWebGpuError} saying why, where that is WebGPU and it is not there
 * @throws {BackendError} where another is not there
 */
export async function makeBackend(choice: BackendChoice): Promise<Backend> {
  const [name, options] = RECIPES[choice];
  try {
    return await createBackend(name, options);
  } catch (error) {
    if (name !== "webgpu" || !(error instanceof BackendError)) throw error;
    throw new NoWebGpuError(await whyNoWebGpu(choice), { cause: error });
  }
}

/**
 * Refuses a choice of WebGPU where it is not there; asked before a model is looked for, as the backend that is taken
 * instead may hold less. The others are not tried: one beside the one at work would take memory.
 *
 * @throws {NoWebGpuError} saying why
 */
export async function checkWebGpu(choice: BackendChoice): Promise<void> {
  if (RECIPES[choice][0] === "webgpu") (await makeBackend(choice)).dispose();
}

/** Why WebGPU is not there, for people who have never heard of adapters. */
async function whyNoWebGpu(choice: BackendChoice): Promise<string> {
  const gpu = navigator.gpu as GPU | undefined; // absent in older browsers, and where the page is not secure
  if (gpu === undefined) {
    return isSecureContext
      ? "This browser has no WebGPU, by which pages compute on the graphics processor"
      : "Browsers let pages use WebGPU only over https, or on this machine's own address, localhost";
  }
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (adapter === null) return "This browser has WebGPU, but found no graphics processor that it can use";
  const info = adapter.info as GPUAdapterInfo | undefined; // engines of 2024 lack it
  return info?.isFallbackAdapter === true && choice !== "webgpu-software"
    ? "This browser has WebGPU only in software, which is slower than WebAssembly; to try it all the same, choose " +
      "“WebGPU in software”"
    : "This browser has WebGPU, but it does not start; other programs may have taken the memory that it needs";
}

/** What a backend is, in words. */
export function describeBackend(backend: Backend): string {
  const { summary, precision } = backend.describe();
  return `${summary}; ${precision}`;
}

/** Bytes that a backend can hold at once; it has no end of its own where this is Infinity. */
export const MOST_BYTES: Readonly<Record<BackendChoice, number>> = {
  "wasm": 2 ** 32, // WebAssembly's 32-bit memory
  "wasm-f32": 2 ** 32,
  "webgpu": Infinity,
  "webgpu-software": Infinity,
  "scalar": Infinity,
};
