/** Files on a server: fetched, or asked about before they are downloaded, how long they are and whether in parts. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { type FileIdentity, isSafetensors, tagOf } from "../file_on_server.ts";
import { pieces } from "./pieces.ts";

/** A file on a server, as it is there now. */
export interface RemoteFile extends FileIdentity {
  readonly url: string;
  /** Whether a part can be asked for. */
  readonly inParts: boolean;
  /** All of it, where it is small and is here already. */
  readonly bytes?: Uint8Array;
}

/**
 * Asks for one byte of a model's weights. Where the server sends all of them instead, it looks at the first ones, and takes
 * no more.
 *
 * @throws Error when the server refuses, cannot be reached, does not tell the length, or sends what is no model
 */
export async function askAbout(name: string, url: string, signal: AbortSignal): Promise<RemoteFile> {
  const response = await request(name, url, { headers: { range: "bytes=0-0" }, signal });
  const inParts = response.status === 206;
  if (inParts) await response.body?.cancel();
  else await checkBeginning(name, response);
  const told = inParts
    ? /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]
    : response.headers.get("content-length") ?? undefined;
  if (told === undefined) throw new Error(`Cannot download ${name}: the server does not tell how long it is`);
  return { name, url, byteLength: Number(told), tag: tagOf(response.headers), inParts };
}

/** Checks that a response begins as its format does; the rest of it is not read. */
async function checkBeginning(name: string, response: Response): Promise<void> {
  const [format, magic, at] = isSafetensors(name) ? ["safetensors", "{", 8] as const : ["GGUF", "GGUF", 0] as const;
  const length = at + magic.length;
  let beginning = "";
  for await (const bytes of pieces(response.body!)) { // a response that is not empty has one
    beginning += String.fromCharCode(...bytes.subarray(0, length));
    if (beginning.length >= length) break;
  }
  if (!beginning.startsWith(magic, at)) {
    throw new Error(`Cannot download ${name}: what the server sends is not ${format}`);
  }
}

/** A small file, fetched whole. @throws Error when the server refuses, or cannot be reached */
export async function fetchSmall(name: string, url: string, signal: AbortSignal): Promise<RemoteFile> {
  const response = await request(name, url, { signal });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { name, url, byteLength: bytes.length, sha256: bytesToHex(sha256(bytes)), inParts: false, bytes };
}

/** What a server answers that does not give the file. */
export class Refusal extends Error {
  /** Whether the file is not there: what is not, or no longer, is 404 or 410 to some servers, and 403 to others. */
  readonly isMissing: boolean;

  constructor(name: string, { status, statusText }: Response) {
    super(`Cannot download ${name}: the server answers ${status} ${statusText}`.trim());
    this.isMissing = [403, 404, 410].includes(status);
  }
}

/** Fetches, with an error that says which file. @throws {Refusal} @throws Error when the server cannot be reached */
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
  throw new Refusal(name, response);
}
