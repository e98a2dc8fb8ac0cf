/**
 * Downloads into the library, so that they can be gone on with: what has come stays on file, and only the rest is asked for
 * (`Range`), in this visit or a later one. At the end the SHA-256 is compared where it is known; what is not the file that was
 * meant is removed.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { formatBytes } from "../format.ts";
import type { BackendChoice, Progress, RemoteModel } from "../protocol.ts";
import type { About, Library } from "./library.ts";
import { alone } from "./locks.ts";
import type { WritableFile } from "./origin_files.ts";
import { pieces } from "./pieces.ts";
import { askAbout, checkHeader, type RemoteFile, request } from "./remote.ts";
import { checkMemory, checkStorage } from "./room.ts";
import { nextTask } from "./turns.ts";

/** What a download is told besides what to fetch. */
export interface DownloadOptions {
  readonly library: Library;
  /** What the model is to run on. */
  readonly backend: BackendChoice;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** Attempts in a row that bring nothing new, before a broken connection is given up. */
const MOST_FAILURES = 3;
const CHUNK_BYTES = 4 << 20;

/** What the library calls the model of a URL, or anything else that identifies one. */
export async function keyOf(identity: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity));
  return bytesToHex(new Uint8Array(digest)).slice(0, 16);
}

/**
 * Fetches a model into the library, unless it is there.
 *
 * @returns its key
 * @throws Error when it cannot be had, is too large, or is not what was meant; {FormatError} when it does not run here
 */
export async function download(model: RemoteModel, options: DownloadOptions): Promise<string> {
  const { library, signal } = options;
  const key = await keyOf(model.url);
  const remote = await askAbout(model, signal);
  const kept = await library.about(key);
  if (kept?.complete === true && isSame(kept, model, remote)) return key;
  const otherwise = kept?.complete === true
    ? `Cannot replace ${model.name} by the server's: it is in use, here or in another tab; close it there, or reload`
    : `Cannot download ${model.name}: another tab is at it; wait for it, or cancel it there`;
  await alone(key, otherwise, async () => {
    const { byteLength, etag } = remote;
    checkMemory(model.name, byteLength, options.backend);
    const { goesOn, storedBytes } = await stored(library, key, model, remote);
    await checkStorage(model.name, byteLength - storedBytes); // what is replaced makes room too
    if (!goesOn && remote.inParts) await checkHeader(model, signal);
    if (!goesOn) await library.drop(key);
    const about = { name: model.name, files: [{ name: model.name, byteLength }], remote: model, etag };
    await library.note(key, { ...about, complete: false });
    const file = await library.write(key, model.name);
    let whole = false;
    try {
      await fill(file, model, remote, options);
      whole = model.sha256 === undefined || await hashOf(file, options) === model.sha256;
    } finally {
      file.close();
    }
    if (!whole) {
      await library.drop(key);
      throw new Error(
        `Cannot use ${model.name}: its SHA-256 is not the one it should have, so it was removed; load it again`,
      );
    }
    await library.note(key, { ...about, complete: true });
  });
  return key;
}

/** Whether what is kept, or a part of it, is of the file that the server has now; the hash says it best. */
function isSame(kept: About, { sha256 }: RemoteModel, { byteLength, etag }: RemoteFile): boolean {
  const before = kept.remote?.sha256;
  const sameContent = before !== undefined && sha256 !== undefined ? before === sha256 : kept.etag === etag;
  return kept.files[0]?.byteLength === byteLength && sameContent;
}

/** Bytes that are here, and whether they are an earlier attempt that can be gone on with. */
async function stored(
  library: Library,
  key: string,
  model: RemoteModel,
  remote: RemoteFile,
): Promise<{ goesOn: boolean; storedBytes: number }> {
  const about = await library.about(key);
  const { storedBytes = 0 } = (await library.list()).find((kept) => kept.key === key) ?? {};
  const goesOn = storedBytes > 0 && remote.inParts && about !== undefined && isSame(about, model, remote);
  return { goesOn, storedBytes };
}

/** Appends until all is there. */
async function fill(
  file: WritableFile,
  model: RemoteModel,
  remote: RemoteFile,
  { signal, onProgress }: DownloadOptions,
): Promise<void> {
  const { byteLength: totalBytes } = remote;
  let mostBytes = file.getSize(); // of any attempt: one that begins anew may bring less
  for (let failures = 0; file.getSize() < totalBytes;) {
    const start = remote.inParts ? file.getSize() : 0;
    let cause: unknown;
    try {
      for await (const bytes of pieces(await bytesFrom(file, model, start, signal))) {
        file.write(bytes, { at: file.getSize() });
        onProgress({ phase: "downloading", doneBytes: file.getSize(), totalBytes });
      }
    } catch (error) {
      signal.throwIfAborted();
      cause = error;
    } finally {
      file.flush();
    }
    failures = file.getSize() > mostBytes ? 0 : failures + 1;
    mostBytes = Math.max(mostBytes, file.getSize());
    if (failures < MOST_FAILURES) continue;
    const done = `${formatBytes(mostBytes)} of ${formatBytes(totalBytes)}`;
    const message = `Cannot download ${model.name}: the connection breaks after ${done}; load it again to ${
      remote.inParts ? "go on" : "begin anew"
    }`;
    throw new Error(message, { cause });
  }
}

/** What a server sends from `start` on; where it sends something else, the file begins anew. */
async function bytesFrom(
  file: WritableFile,
  { name, url }: RemoteModel,
  start: number,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const response = await request(name, url, { headers: start === 0 ? {} : { range: `bytes=${start}-` }, signal });
  const goesOn = start === 0 || response.status === 206;
  file.truncate(goesOn ? start : 0);
  return response.body!; // a 200 or 206 has one
}

/** The SHA-256 of a whole file in lower-case hex. */
async function hashOf(file: WritableFile, { signal, onProgress }: DownloadOptions): Promise<string> {
  const [hash, piece, totalBytes] = [sha256.create(), new Uint8Array(CHUNK_BYTES), file.getSize()];
  for (let at = 0; at < totalBytes;) {
    signal.throwIfAborted();
    const count = file.read(piece, { at });
    hash.update(piece.subarray(0, count));
    at += count;
    onProgress({ phase: "checking", doneBytes: at, totalBytes });
    await nextTask();
  }
  return bytesToHex(hash.digest());
}
