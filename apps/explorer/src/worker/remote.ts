/**
 * A file on a server, asked about before it is downloaded: how long it is, whether it can be had in parts, and, where it can,
 * whether its header says that it is a model that runs here.
 */
import { urlSource } from "../../../../packages/heed/mod.ts";
import type { RemoteModel } from "../protocol.ts";
import { openModel } from "./open_model.ts";
import { pieces } from "./pieces.ts";

const MAGIC = "GGUF";

/** What a server tells of a file. */
export interface RemoteFile {
  readonly byteLength: number;
  /** Changes with the file, where the server gives it to us. */
  readonly etag: string | undefined;
  /** Whether a part can be asked for. */
  readonly inParts: boolean;
}

/**
 * Asks for one byte. Where the server sends all of them instead, it looks at the first ones, and takes no more.
 *
 * @throws Error when the server refuses, cannot be reached, does not tell the length, or sends what is no GGUF
 */
export async function askAbout({ name, url }: RemoteModel, signal: AbortSignal): Promise<RemoteFile> {
  const response = await request(name, url, { headers: { range: "bytes=0-0" }, signal });
  const inParts = response.status === 206;
  if (inParts) await response.body?.cancel();
  else if (!await isGguf(response)) throw new Error(`Cannot download ${name}: what the server sends is not GGUF`);
  const told = inParts
    ? /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]
    : response.headers.get("content-length") ?? undefined;
  if (told === undefined) throw new Error(`Cannot download ${name}: the server does not tell how long it is`);
  return { byteLength: Number(told), etag: response.headers.get("etag") ?? undefined, inParts };
}

/** Whether a response begins as GGUF files do; the rest of it is not read. */
async function isGguf(response: Response): Promise<boolean> {
  let magic = "";
  for await (const bytes of pieces(response.body!)) { // a response that is not empty has one
    magic += String.fromCharCode(...bytes.subarray(0, MAGIC.length));
    if (magic.length >= MAGIC.length) break;
  }
  return magic.startsWith(MAGIC);
}

/** Fetches, with an error that says which file. @throws Error when the server refuses, or cannot be reached */
export async function request(name: string, url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, cache: "no-store" }); // it is kept here already, and need not be there too
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new Error(`Cannot reach the server of ${name}: it is off, or does not let other sites read it`, {
      cause: error,
    });
  }
  if (response.ok) return response;
  await response.body?.cancel();
  throw new Error(`Cannot download ${name}: the server answers ${response.status} ${response.statusText}`.trim());
}

/**
 * Reads a GGUF file's header where it lies, so that what cannot run is not downloaded.
 *
 * @throws {FormatError} when it is no GGUF, or none that runs here
 */
export async function checkHeader({ name, url }: RemoteModel, signal: AbortSignal): Promise<void> {
  const source = await urlSource(url, { name, signal });
  try {
    await openModel(new Map([[name, source]]));
  } finally {
    source.close?.();
  }
}
