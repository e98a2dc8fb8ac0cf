/**
 * Where fetched models lie: `HEED_CACHE`, else `XDG_CACHE_HOME/heed`, else the system's own place for caches
 * (Linux `~/.cache/heed`, macOS `~/Library/Caches/heed`, Windows `%LOCALAPPDATA%\heed`).
 */
import { isAbsolute, join } from "node:path";
import { isSystemError, ModelError } from "./errors.ts";

/** Reads one environment variable, as `Deno.env.get` does. */
export type Environment = (name: string) => string | undefined;

/**
 * The folder that fetched models lie in; it need not exist yet.
 *
 * @param environment where variables are read
 * @param os the system's name, as `Deno.build.os` gives it
 * @returns an absolute path, or `HEED_CACHE` as it is written plus `models`
 * @throws {ModelError} when no variable says where the home folder is
 */
export function modelFolder(environment: Environment, os: typeof Deno.build.os): string {
  return join(environment("HEED_CACHE") || defaultCache(environment, os), "models");
}

function defaultCache(environment: Environment, os: typeof Deno.build.os): string {
  const xdg = environment("XDG_CACHE_HOME");
  if (xdg && isAbsolute(xdg)) return join(xdg, "heed"); // the XDG specification has relative paths ignored
  if (os === "windows") return join(required(environment, "LOCALAPPDATA"), "heed");
  const home = required(environment, "HOME");
  return os === "darwin" ? join(home, "Library", "Caches", "heed") : join(home, ".cache", "heed");
}

/**
 * What to throw where the cache folder could not be written to.
 *
 * @param folder the folder, as {@linkcode modelFolder} gives it
 * @param error why not
 * @returns a {@linkcode ModelError} with the remedy; other errors than the system's as they are
 */
export function cannotWriteCache(folder: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const other = folder.includes(",")
    ? "another folder, without a comma: Deno's list of folders that may be written to ends at one"
    : "a folder that can be written to";
  return new ModelError(`Cannot write to the cache folder ${folder}: ${error.message}; set HEED_CACHE to ${other}`);
}

function required(environment: Environment, name: string): string {
  const value = environment(name);
  if (value) return value;
  throw new ModelError(`Cannot choose a cache folder: ${name} is not set; set HEED_CACHE to a folder for models`);
}
