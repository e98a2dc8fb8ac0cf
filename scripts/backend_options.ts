/**
 * Options of the conformance scripts that say how a backend is made. Vectors are exact, so matmul leaves activations f32
 * (int8 has tolerances of its own); a software WebGPU adapter will do.
 */
import type { CreateBackendOptions } from "../packages/heed/mod.ts";

/** For `parseArgs`. */
export const BACKEND_OPTIONS = { build: { type: "string" }, threads: { type: "string" } } as const;

/** What was read, as `createBackend` takes it. @throws Error when it is something else */
export function readBackendOptions(
  { build, threads }: { build?: string | undefined; threads?: string | undefined },
): CreateBackendOptions {
  if (build !== undefined && build !== "plain" && build !== "threads") {
    throw new Error(`--build is plain or threads, not ${build}`);
  }
  return {
    matmulActivations: "f32",
    softwareAdapter: true,
    ...(build === undefined ? {} : { build }),
    ...(threads === undefined ? {} : { threads: Number(threads) }),
  };
}
