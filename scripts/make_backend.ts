/** A backend as a command line asks for it: what cannot be made is the command line's fault. */
import { type BackendWords, readBackendOptions } from "../apps/conformance/backend_options.ts";
import { UsageError } from "../apps/cli/src/errors.ts";
import { type Backend, BackendError, ShapeError } from "../packages/core/mod.ts";
import { createBackend, type CreateBackendOptions } from "../packages/heed/mod.ts";

/**
 * Makes a backend.
 *
 * @throws {UsageError} when there is none of that name, it does not take the options, or it cannot be made here
 */
export async function makeBackend(name: string, options: CreateBackendOptions = {}): Promise<Backend> {
  try {
    return await createBackend(name, options);
  } catch (error) {
    throw error instanceof BackendError || error instanceof ShapeError ? new UsageError(error.message) : error;
  }
}

/** The options that were written. @throws {UsageError} when one is something else */
export function backendOptions(words: BackendWords): CreateBackendOptions {
  try {
    return readBackendOptions(words);
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error;
  }
}
