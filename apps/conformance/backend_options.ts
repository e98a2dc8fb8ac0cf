/**
 * How a command line, or a page's address, says how a backend is made: `build` and `threads` for wasm, `features` (`all`,
 * `none`, or names with commas) for webgpu. Vectors are exact, so matmul leaves activations f32 (int8 has tolerances of its
 * own); a software WebGPU adapter will do.
 */
import type { CreateBackendOptions } from "../../packages/heed/mod.ts";

/** For `parseArgs`. */
export const BACKEND_OPTIONS = {
  build: { type: "string" },
  threads: { type: "string" },
  features: { type: "string" },
} as const;

/** What was written, by name. */
export type BackendWords = { readonly [name in keyof typeof BACKEND_OPTIONS]?: string | undefined };

/** What was written, as `createBackend` takes it. @throws Error when it is something else */
export function readBackendOptions({ build, threads, features }: BackendWords): CreateBackendOptions {
  if (build !== undefined && build !== "plain" && build !== "threads") {
    throw new Error(`Cannot use --build "${build}": it must be plain or threads`);
  }
  if (threads !== undefined && !/^[1-9][0-9]*$/.test(threads)) {
    throw new Error(`Cannot use --threads "${threads}": it must be a whole number of at least 1`);
  }
  return {
    matmulActivations: "f32",
    softwareAdapter: true,
    ...(build === undefined ? {} : { build }),
    ...(threads === undefined ? {} : { threads: Number(threads) }),
    ...(features === undefined || features === "all" ? {} : { features: namesIn(features) }),
  };
}

function namesIn(list: string): string[] {
  return list === "none" ? [] : list.split(",");
}
