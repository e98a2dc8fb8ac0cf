/**
 * One writer a file, across processes. The lock is the operating system's own on a file beside the one it guards, so
 * it ends with the process that holds it, however that ends. The empty lock file stays: deleting it would let a third
 * process lock a new one while a second still waits on the old.
 */
import { dirname } from "node:path";
import { cannotWriteCache } from "./cache_folder.ts";

/**
 * Runs `body` while no other process, and no other call here, runs one for the same path.
 *
 * @param path what is guarded; its folder must exist
 * @param onWait called once if another holds the lock
 * @returns what `body` returns
 * @throws {ModelError} when the folder cannot be written to
 */
export async function withLock<T>(path: string, onWait: () => void, body: () => Promise<T>): Promise<T> {
  using file = await openLock(`${path}.lock`);
  if (!(await file.tryLock(true))) {
    onWait();
    await file.lock(true);
  }
  try {
    return await body();
  } finally {
    await file.unlock();
  }
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { create: true, write: true });
  } catch (error) {
    throw cannotWriteCache(dirname(path), error);
  }
}
