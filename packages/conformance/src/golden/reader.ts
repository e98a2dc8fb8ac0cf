/**
 * Where vectors come from: a folder, a server, memory. Whoever runs them passes a reader, so that nothing here knows of
 * files or of addresses.
 */

/** Reads the files of a folder of vectors by their names. */
export interface VectorReader {
  /** A parsed JSON file, such as `matmul.json`. */
  json(path: string): Promise<unknown>;
  /** A file's bytes, such as those of `matmul.safetensors`. */
  bytes(path: string): Promise<Uint8Array>;
  /** The names of all files, where they can be listed. */
  list?(): Promise<string[]>;
}

/** The groups that a list of file names makes up: those with both a manifest and tensors. */
export function groupNames(files: readonly string[]): string[] {
  const names = new Set(files);
  return files
    .filter((name) => name.endsWith(".json") && names.has(name.replace(/\.json$/, ".safetensors")))
    .map((name) => name.replace(/\.json$/, ""))
    .sort();
}
