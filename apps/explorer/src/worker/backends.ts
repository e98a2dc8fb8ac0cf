/** The backends that the page offers, and what each is made with. */
import { type Backend, createBackend, type CreateBackendOptions } from "../../../../packages/heed/mod.ts";
import type { BackendChoice } from "../protocol.ts";

/** A backend's registered name, and settings. */
type Recipe = readonly [name: string, options: CreateBackendOptions];

const RECIPES: Readonly<Record<BackendChoice, Recipe>> = {
  "wasm": ["wasm", {}],
  "wasm-f32": ["wasm", { matmulActivations: "f32" }],
  "webgpu": ["webgpu", {}],
  "webgpu-software": ["webgpu", { softwareAdapter: true }],
  "scalar": ["scalar", {}],
};

/** Makes the chosen backend, and no other. @throws {BackendError} when it is not there */
export async function makeBackend(choice: BackendChoice): Promise<Backend> {
  const [name, options] = RECIPES[choice];
  return await createBackend(name, options);
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
