/**
 * Downloads into the library, so that they can be gone on with: what has come stays on file, and only the rest is asked for
 * (`Range`), in this visit or a later one. At the end the SHA-256 is compared where it is known; what is not the file that was
 * meant is removed.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { isSameFile } from "../file_on_server.ts";
import { formatBytes } from "../format.ts";
import type { BackendChoice, Progress, RemoteModel } from "../protocol.ts";
import type { About, Library } from "./library.ts";
import { alone } from "./locks.ts";
import type { WritableFile } from "./origin_files.ts";
import { pieces } from "./pieces.ts";
import { type RemoteFile, request } from "./remote.ts";
import { checkHeaders, filesOf } from "./remote_model.ts";
import { checkMemory, checkStorage, totalBytes } from "./room.ts";
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
  const files = await filesOf(model, signal);
  const kept = await library.about(key);
  if (kept?.complete === true && isSame(kept, files)) return key;
  const otherwise = kept?.complete === true
    ? `Cannot replace ${model.name} by the server's: it is in use, here or in another tab; close it there, or reload`
    : `Cannot download ${model.name}: another tab is at it; wait for it, or cancel it there`;
  await alone(key, otherwise, async () => {
    const byteLength = totalBytes(files);
    checkMemory(model.name, byteLength, options.backend);
    const { goesOn, storedBytes } = await stored(library, key, files);
    await checkStorage(model.name, byteLength - storedBytes); // what is replaced makes room too
    if (!goesOn) {
      await checkHeaders(files, signal);
      await library.drop(key);
    }
    const identities = files.map(({ name, byteLength, sha256, tag }) => ({ name, byteLength, sha256, tag }));
    const about = { name: model.name, files: identities, remote: model };
    await library.note(key, { ...about, complete: false });
    await fetchAll(key, files, options);
    await library.note(key, { ...about, complete: true });
  });
  return key;
}

/** Whether what is kept, or a part of it, is of the files that the server has now. */
function isSame(kept: About, files: readonly RemoteFile[]): boolean {
  return kept.files.length === files.length && files.every((file, i) => isSameFile(kept.files[i]!, file)); // as long
}

/** Bytes that are here, and whether they are an earlier attempt that can be gone on with. */
async function stored(
  library: Library,
  key: string,
  files: readonly RemoteFile[],
): Promise<{ goesOn: boolean; storedBytes: number }> {
  const about = await library.about(key);
  const { storedBytes = 0 } = (await library.list()).find((kept) => kept.key === key) ?? {};
  const canGoOn = files.every(({ inParts, bytes }) => inParts || bytes !== undefined);
  return { goesOn: storedBytes > 0 && canGoOn && about !== undefined && isSame(about, files), storedBytes };
}

/** Fetches a model's files, or what is missing of them; progress is that of all of them together. */
async function fetchAll(key: string, files: readonly RemoteFile[], options: DownloadOptions): Promise<void> {
  const byteLength = totalBytes(files);
  let startBytes = 0;
  for (const file of files) {
    await fetchInto(key, file, options, (phase, doneBytes) => {
      const isOfAll = phase === "downloading"; // else of the file that is checked
      options.onProgress({
        phase,
        doneBytes: isOfAll ? startBytes + doneBytes : doneBytes,
        totalBytes: isOfAll ? byteLength : file.byteLength,
      });
    });
    startBytes += file.byteLength;
  }
}

/** Is told of bytes of a file that came, or were checked. */
type OnBytes = (phase: "downloading" | "checking", doneBytes: number) => void;

/** Fetches one file of a model, or what is missing of it. @throws Error when it is not the one that was meant */
async function fetchInto(key: string, remote: RemoteFile, options: DownloadOptions, onBytes: OnBytes): Promise<void> {
  const { library, signal } = options;
  const { name, sha256, bytes } = remote;
  const file = await library.write(key, name);
  let whole = true;
  try {
    if (bytes === undefined) {
      await fill(file, remote, signal, onBytes);
      whole = sha256 === undefined || await hashOf(file, signal, onBytes) === sha256;
    } else {
      file.truncate(0);
      file.write(bytes, { at: 0 });
    }
  } finally {
    file.close();
  }
  if (whole) return;
  await library.drop(key);
  throw new Error(`Cannot use ${name}: its SHA-256 is not the one it should have, so it was removed; load it again`);
}

/** Appends until all is there. */
async function fill(
  file: WritableFile,
  remote: RemoteFile,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<void> {
  const { name, byteLength } = remote;
  let mostBytes = file.getSize(); // of any attempt: one that begins anew may bring less
  for (let failures = 0; file.getSize() < byteLength;) {
    const start = remote.inParts ? file.getSize() : 0;
    let cause: unknown;
    try {
      for await (const bytes of pieces(await bytesFrom(file, remote, start, signal))) {
        file.write(bytes, { at: file.getSize() });
        onBytes("downloading", file.getSize());
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
    const done = `${formatBytes(mostBytes)} of ${formatBytes(byteLength)}`;
    const message = `Cannot download ${name}: the connection breaks after ${done}; load it again to ${
      remote.inParts ? "go on" : "begin anew"
    }`;
    throw new Error(message, { cause });
  }
}

/** What a server sends from `start` on; where it sends something else, the file begins anew. */
async function bytesFrom(
  file: WritableFile,
  { name, url }: RemoteFile,
  start: number,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const response = await request(name, url, { headers: start === 0 ? {} : { range: `bytes=${start}-` }, signal });
  const goesOn = start === 0 || response.status === 206;
  file.truncate(goesOn ? start : 0);
  return response.body!; // a 200 or 206 has one
}

/** The SHA-256 of a whole file in lower-case hex. */
async function hashOf(file: WritableFile, signal: AbortSignal, onBytes: OnBytes): Promise<string> {
  const [hash, piece, byteLength] = [sha256.create(), new Uint8Array(CHUNK_BYTES), file.getSize()];
  for (let at = 0; at < byteLength;) {
    signal.throwIfAborted();
    const count = file.read(piece, { at });
    hash.update(piece.subarray(0, count));
    at += count;
    onBytes("checking", at);
    await nextTask();
  }
  return bytesToHex(hash.digest());
}
