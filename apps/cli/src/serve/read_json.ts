/**
 * The JSON body of a request, within bounds: so many bytes each, so many read at a time. How long one may take is the
 * listener's affair.
 */
import { ApiError } from "./api_error.ts";

const DRAINED = 4; // times the limit: a body a little too long is read to its end, so that its sender reads the answer

/** Reads bodies. */
export class JsonReader {
  readonly #maxBytes: number;
  readonly #maxAtOnce: number;
  #reading = 0;

  /**
   * @param maxBytes of one body
   * @param maxAtOnce bodies that are being read
   */
  constructor(maxBytes: number, maxAtOnce: number) {
    this.#maxBytes = maxBytes;
    this.#maxAtOnce = maxAtOnce;
  }

  /**
   * Reads a body.
   *
   * @returns the object in it
   * @throws {ApiError} when it is none, too long, or too many are being read
   */
  async read(request: Request): Promise<Readonly<Record<string, unknown>>> {
    if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) {
      throw new ApiError(415, "The body must come as Content-Type: application/json");
    }
    if (this.#reading === this.#maxAtOnce) {
      throw new ApiError(503, "Too many requests are being read; try again later", { headers: { "retry-after": "5" } });
    }
    this.#reading += 1;
    try {
      return parse(await this.#bytes(request));
    } finally {
      this.#reading -= 1;
    }
  }

  async #bytes({ body, headers, signal }: Request): Promise<Uint8Array<ArrayBuffer>> {
    const announced = Number(headers.get("content-length") ?? 0);
    if (announced > this.#maxBytes * DRAINED) throw this.#tooLong();
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    try {
      for await (const piece of body ?? []) {
        length += piece.byteLength;
        if (length <= this.#maxBytes) pieces.push(piece);
        else if (length > this.#maxBytes * DRAINED) break;
        else pieces.length = 0;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
    if (length > this.#maxBytes) throw this.#tooLong();
    return new Uint8Array(await new Blob(pieces).arrayBuffer());
  }

  #tooLong(): ApiError {
    return new ApiError(413, `The body is longer than this server's limit of ${this.#maxBytes} bytes`);
  }
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const value = parseOrUndefined(bytes);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new ApiError(400, "The body is not a JSON object");
}

function parseOrUndefined(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
