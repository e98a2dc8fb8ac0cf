/**
 * A file as an answer to GET or HEAD, whole or the one range that is asked for, read as the client takes it (RFC 9110,
 * sections 13 and 14). What is asked on condition is judged by an entity tag of length and time, as nginx makes them.
 */
import { extname } from "node:path";
import { contentType, ifNoneMatch } from "./std_http.ts";

const CHUNK_BYTES = 1 << 16;

/** Bytes of a file, both ends included. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * Answers with a file.
 *
 * @param request a GET or a HEAD
 * @param path where the file lies; it must be one
 */
export async function sendFile(request: Request, path: string): Promise<Response> {
  const { size, mtime } = await Deno.stat(path);
  const etag = `"${size.toString(16)}-${(mtime?.getTime() ?? 0).toString(16)}"`;
  const headers = new Headers({
    etag,
    "accept-ranges": "bytes",
    "content-type": contentType(extname(path)) ?? "application/octet-stream",
  });
  if (!ifNoneMatch(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  const range = rangeOf(request.headers, size, etag);
  if (range === "none") {
    headers.set("content-range", `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  if (range !== undefined) headers.set("content-range", `bytes ${first}-${last}/${size}`);
  headers.set("content-length", `${last + 1 - first}`);
  const body = request.method === "HEAD" ? null : await bytesOf(path, first, last + 1 - first);
  return new Response(body, { status: range === undefined ? 200 : 206, headers });
}

/** The range asked for; undefined for all, "none" where the file has no such bytes. Other forms count as all. */
function rangeOf(asked: Headers, size: number, etag: string): Range | "none" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(asked.get("range") ?? "");
  const meant = asked.get("if-range");
  if (match === null || (meant !== null && meant !== etag)) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "" && to === "") return undefined;
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return first <= last ? { first, last } : from !== "" && to !== "" && Number(to) < first ? undefined : "none";
}

async function bytesOf(path: string, first: number, length: number): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const file = await Deno.open(path);
  await file.seek(first, Deno.SeekMode.Start);
  let left = length;
  return new ReadableStream({
    async pull(controller): Promise<void> {
      const piece = new Uint8Array(Math.min(CHUNK_BYTES, left));
      const count = left === 0 ? null : await file.read(piece);
      if (count !== null) controller.enqueue(piece.subarray(0, count));
      left -= count ?? left;
      if (left > 0) return;
      file.close();
      controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}
