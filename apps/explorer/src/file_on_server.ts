/** What addresses and answers of servers say of a file; page and worker read them alike. */

/** What tells one file from another of its name. */
export interface FileIdentity {
  readonly name: string;
  readonly byteLength: number;
  /** Lower-case hex, where it is known. */
  readonly sha256?: string | undefined;
  /** What {@linkcode tagOf} said. */
  readonly tag?: string | undefined;
}

/** Whether two are the same file, as far as is known; the hash says it best. */
export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  if (a.name !== b.name || a.byteLength !== b.byteLength) return false;
  if (a.sha256 !== undefined && b.sha256 !== undefined) return a.sha256 === b.sha256;
  return a.tag === undefined || b.tag === undefined || a.tag === b.tag;
}

/**
 * What a server says that changes with the file: its entity tag, or else its time.
 *
 * @returns undefined where it gives neither, or does not let other sites see it
 */
export function tagOf(headers: Headers): string | undefined {
  const tag = headers.get("etag") ?? headers.get("last-modified") ?? undefined;
  return tag?.replace(/^W\//, ""); // a proxy that compresses weakens tags, and the file is the same
}

/** The file's name in an address; empty for a folder's. */
export function fileNameOf({ pathname }: URL): string {
  return decoded(pathname.slice(pathname.lastIndexOf("/") + 1));
}

/** A part of a path as people read it; as it stands where its escapes are none. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whether a file's name is that of safetensors weights, or of the index of several such files. */
export function isSafetensors(fileName: string): boolean {
  return /\.safetensors$/i.test(fileName) || isSafetensorsIndex(fileName);
}

/** Whether a file's name is that of the index of safetensors in several files. */
export function isSafetensorsIndex(fileName: string): boolean {
  return /\.safetensors\.index\.json$/i.test(fileName);
}
