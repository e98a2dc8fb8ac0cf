/**
 * Writing files of the page's own file system. In a worker that is done in place and at once, by a handle that one holder
 * has at a time (`FileSystemSyncAccessHandle`); the library of types for pages does not know it.
 */

/** A file open for writing. */
export interface WritableFile {
  getSize(): number;
  read(into: Uint8Array, at: { readonly at: number }): number;
  write(bytes: Uint8Array, at: { readonly at: number }): number;
  truncate(byteLength: number): void;
  flush(): void;
  close(): void;
}

/** Opens a file for writing, made if need be. The caller closes it. */
export async function openForWriting(folder: FileSystemDirectoryHandle, name: string): Promise<WritableFile> {
  const file = await folder.getFileHandle(name, { create: true });
  // what types for workers say, and those for pages leave out
  return await (file as unknown as { createSyncAccessHandle(): Promise<WritableFile> }).createSyncAccessHandle();
}

/** Reads a JSON file that this page wrote; undefined where there is none, or writing it was interrupted. */
export async function readJson<T>(folder: FileSystemDirectoryHandle, name: string): Promise<T | undefined> {
  try {
    return JSON.parse(await (await (await folder.getFileHandle(name)).getFile()).text());
  } catch {
    return undefined;
  }
}

/** Writes a JSON file. */
export async function writeJson(folder: FileSystemDirectoryHandle, name: string, value: unknown): Promise<void> {
  const file = await openForWriting(folder, name);
  try {
    file.truncate(0);
    file.write(new TextEncoder().encode(JSON.stringify(value)), { at: 0 });
  } finally {
    file.close();
  }
}
