/**
 * A file behind a URL, by HTTP range requests.
 *
 * One response is kept open and read on as long as reads go forward, so that a file read in order costs one request and
 * is never in memory as a whole; a read elsewhere opens a new one (`Range: bytes=N-`, RFC 9110 section 14). A
 * connection that breaks is taken up where it broke, as long as each attempt brings something.
 *
 * A server that ignores `Range` sends everything: it is then read once, into a Blob (which a browser may keep on disk).
 */
import { blobSource } from "./blob_source.ts";
import { type ByteSource, checkRange } from "./byte_source.ts";
import { formatError } from "./format_error.ts";

/** Settings of {@linkcode urlSource}. */
export interface UrlSourceOptions {
  /** Ends the download; reads then reject with its reason. */
  readonly signal?: AbortSignal;
  /** Further request headers, for instance an authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What messages call it; the URL without its query (which may hold a secret) when left out. */
  readonly name?: string;
}

/** Bytes that are cheaper to read and drop than a new request is: about 100 ms at 10 MB/s. */
const SKIP_BYTES = 1 << 20;

/**
 * Opens a file behind a URL. It holds a connection until it is read to its end or closed.
 *
 * @param url its address
 * @param options an AbortSignal, headers, a name
 * @returns a source whose length the server has told
 * @throws {FormatError} when the server answers with an error, or says nothing of the length
 */
export async function urlSource(url: string | URL, options: UrlSourceOptions = {}): Promise<ByteSource> {
  const address = new URL(url);
  const name = options.name ?? address.origin + address.pathname;
  const response = await request(address, name, 0, options);
  if (response.status === 200) return blobSource(await response.blob(), name);
  return new UrlSource(address, name, options, response);
}

/** Asks for the bytes from `offset` on. */
async function request(url: URL, name: string, offset: number, options: UrlSourceOptions): Promise<Response> {
  const { signal, headers } = options;
  const response = await fetch(url, {
    headers: { ...headers, range: `bytes=${offset}-` },
    ...(signal === undefined ? {} : { signal }),
  });
  const { status, statusText } = response;
  // A range of a compressed body counts compressed bytes, which fetch has already unpacked.
  const packed = status === 206 && response.headers.has("content-encoding");
  if ((status === 200 || status === 206) && !packed) return response;
  await response.body?.cancel();
  throw formatError(name, packed ? "the server compresses ranges" : "the server refuses", {
    expected: "200 or 206",
    found: packed ? `content-encoding ${response.headers.get("content-encoding")}` : `${status} ${statusText}`.trim(),
  });
}

/** The length of the whole file, told by a response that starts at `offset`. */
function totalLength(response: Response, offset: number): number {
  // A browser shows Content-Range across origins only where the server allows it, Content-Length always.
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  if (range !== null) return Number(range[1]) === offset ? Number(range[2]) : NaN;
  const rest = response.headers.get("content-length");
  return rest === null ? NaN : offset + Number(rest);
}

/** A source whose server honours ranges. */
class UrlSource implements ByteSource {
  readonly name: string;
  readonly byteLength: number;
  readonly #url: URL;
  readonly #options: UrlSourceOptions;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #position = 0;
  #pending: Uint8Array = new Uint8Array();
  #fresh = true;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(url: URL, name: string, options: UrlSourceOptions, first: Response) {
    this.name = name;
    this.#url = url;
    this.#options = options;
    this.byteLength = totalLength(first, 0);
    this.#reader = first.body?.getReader();
    if (Number.isSafeInteger(this.byteLength)) return;
    this.close();
    throw formatError(name, "the server does not tell its length", { expected: "Content-Range or Content-Length" });
  }

  /** Reads wait for one another: there is one connection. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const result = this.#queue.then(() => this.#read(offset, length, into));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    this.#options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    const target = into === undefined ? new Uint8Array(length) : into.subarray(0, length);
    if (length === 0) return target;
    if (offset < this.#position || offset > this.#position + SKIP_BYTES) await this.#open(offset);
    while (this.#position < offset) await this.#take(offset - this.#position);
    let filled = 0;
    while (filled < length) {
      const piece = await this.#take(length - filled);
      target.set(piece, filled);
      filled += piece.length;
    }
    return target;
  }

  /** The next bytes in order: at least one, at most `most`. */
  async #take(most: number): Promise<Uint8Array> {
    while (this.#pending.length === 0) await this.#receive();
    const piece = this.#pending.subarray(0, most);
    this.#pending = this.#pending.subarray(piece.length);
    this.#position += piece.length;
    return piece;
  }

  /** Waits for the open response, or takes a broken one up again. */
  async #receive(): Promise<void> {
    if (this.#reader === undefined) return await this.#open(this.#position);
    let value: Uint8Array | undefined;
    try {
      ({ value } = await this.#reader.read());
    } catch (error) {
      if (this.#fresh || this.#options.signal?.aborted) throw error;
    }
    if (value === undefined && this.#fresh) {
      throw formatError(this.name, `the server sends nothing at ${this.#position}`);
    }
    if (value === undefined) return await this.#open(this.#position);
    this.#pending = value;
    this.#fresh = false;
  }

  /** Leaves the open response for one that starts at `offset`. */
  async #open(offset: number): Promise<void> {
    this.close();
    const response = await request(this.#url, this.name, offset, this.#options);
    const total = totalLength(response, offset);
    if (response.status !== 206 || total !== this.byteLength) {
      await response.body?.cancel();
      throw formatError(this.name, "the file changed on the server while it was read", {
        expected: `bytes ${offset} and on of ${this.byteLength}`,
        found: response.status === 206 ? response.headers.get("content-range") ?? `${total}` : `${response.status}`,
      });
    }
    if (response.body === null) throw formatError(this.name, `the server sends nothing at ${offset}`);
    this.#reader = response.body.getReader();
    this.#position = offset;
    this.#fresh = true;
  }

  /** Drops the connection; a later read opens another. */
  close(): void {
    // Cancelling a response that already failed rejects with that failure, which was reported where it was read.
    this.#reader?.cancel().catch(() => undefined);
    this.#reader = undefined;
    this.#pending = new Uint8Array();
  }
}
