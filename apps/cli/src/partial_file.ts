/**
 * A download in progress: `NAME.partial` holds the bytes so far, and `NAME.partial.json` says which URL they are from
 * and by what the server knows that version of the file (its ETag or its date), so that the rest can be asked for with
 * `Range` and `If-Range` (RFC 9110, 13.1.5 and 14.2). Only a whole file is ever renamed to `NAME`.
 */
import { createHash } from "node:crypto";

/** Where a download can go on. */
export interface ResumePoint {
  /** Bytes that are there already. */
  readonly offset: number;
  /** What `If-Range` says; absent where the server gave nothing that identifies the version. */
  readonly validator?: string;
}

/** The unfinished file beside its final name. */
export class PartialFile {
  readonly #finalPath: string;
  readonly #urlHash: string;

  /** @param finalPath the name it gets when whole; @param url where it comes from */
  constructor(finalPath: string, url: URL) {
    this.#finalPath = finalPath;
    this.#urlHash = createHash("sha256").update(url.href).digest("hex"); // a URL may hold a secret: it stays unwritten
  }

  /** Where the bytes so far lie. */
  get path(): string {
    return `${this.#finalPath}.partial`;
  }

  get #recordPath(): string {
    return `${this.path}.json`;
  }

  /** Where to go on: at 0 if nothing is there, or if what is there is from another URL. */
  async resumePoint(): Promise<ResumePoint> {
    const { size } = await Deno.stat(this.path).catch(absent) ?? { size: 0 };
    const text = await Deno.readTextFile(this.#recordPath).catch(absent);
    if (size === 0 || text === undefined) return { offset: 0 };
    const record = parseRecord(text);
    if (record?.urlHash !== this.#urlHash) return { offset: 0 };
    return record.validator === undefined ? { offset: size } : { offset: size, validator: record.validator };
  }

  /** Opens it for what comes after `offset`, and notes which version of the file `headers` speak of. */
  async open(offset: number, headers: Headers): Promise<Deno.FsFile> {
    const file = await Deno.open(this.path, { create: true, write: true });
    await file.truncate(offset); // before the note, which would vouch for bytes of another version
    await file.seek(offset, Deno.SeekMode.Start);
    await Deno.writeTextFile(
      this.#recordPath,
      JSON.stringify({ urlHash: this.#urlHash, validator: strongValidator(headers) }),
    );
    return file;
  }

  /** Deletes it and its note. */
  async discard(): Promise<void> {
    await Deno.remove(this.path).catch(absent);
    await Deno.remove(this.#recordPath).catch(absent);
  }

  /** Gives the file, now whole, its final name. */
  async finish(): Promise<void> {
    await Deno.rename(this.path, this.#finalPath);
    await Deno.remove(this.#recordPath).catch(absent);
  }
}

function parseRecord(text: string): { urlHash: unknown; validator?: string } | undefined {
  try {
    const record: unknown = JSON.parse(text);
    if (typeof record !== "object" || record === null || !("urlHash" in record)) return undefined;
    const { urlHash } = record;
    return "validator" in record && typeof record.validator === "string"
      ? { urlHash, validator: record.validator }
      : { urlHash };
  } catch {
    return undefined; // cut off while it was written: the bytes cannot be placed
  }
}

/** `If-Range` takes no weak ETag. */
function strongValidator(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  return etag !== null && !etag.startsWith("W/") ? etag : headers.get("last-modified") ?? undefined;
}

function absent(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  throw error;
}
