/** Paths, and walking the repository: for the scripts that look at every file of some kind. */
import { fileURLToPath, pathToFileURL } from "node:url";

/** The path a file URL names. */
export function fromFileUrl(url: string | URL): string {
  return fileURLToPath(url).replaceAll("\\", "/");
}

/** The URL of an absolute path, as text. */
export function toFileUrl(path: string): string {
  return pathToFileURL(path).href;
}

/** The repository's root, with a slash at its end. */
export const ROOT: string = fromFileUrl(new URL("../", import.meta.url));

/** Folders that hold nothing of ours: version control, caches, what builds leave behind. */
const SKIPPED = new Set([".git", ".cache", "dist", "node_modules", "target", "coverage"]);

/**
 * Files below `folder`, sorted, with forward slashes; none if the folder does not exist.
 *
 * @param folder The folder to walk.
 * @param prefix What each path starts with in place of `folder`.
 */
export function* walk(folder: string, prefix = ""): Generator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isFile) yield prefix + entry.name;
    else if (entry.isDirectory && !SKIPPED.has(entry.name)) {
      yield* walk(`${folder}/${entry.name}`, `${prefix}${entry.name}/`);
    }
  }
}
