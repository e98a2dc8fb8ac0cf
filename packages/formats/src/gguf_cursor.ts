/**
 * Reads a GGUF header front to back: little-endian numbers and strings, fetched in growing pieces, so that neither the
 * file nor a claim in it decides how much is allocated. Every claim is first held against the bytes that are left.
 */
import type { ByteSource } from "./byte_source.ts";
import { formatError } from "./format_error.ts";
import { MAX_HEADER_BYTES } from "./json_object.ts";

const FIRST_PIECE_BYTES = 1 << 16; // a header without a vocabulary in one read
const LARGEST_PIECE_BYTES = 1 << 20;
/** Below it a call of TextDecoder takes longer than decoding in place. */
const SHORT_BYTES = 24;

/** A place in a file's header. */
export class GgufCursor {
  /** The file. */
  readonly source: ByteSource;
  #bytes: Uint8Array = new Uint8Array();
  #view = new DataView(new ArrayBuffer(0));
  #start = 0; // where #bytes begin in the file
  #at = 0; // within #bytes
  #pieceBytes = FIRST_PIECE_BYTES;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // a token may be a byte-order mark

  /** Starts at the beginning of the file. */
  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Bytes from the beginning of the file. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes that may still belong to the header. */
  get bytesLeft(): number {
    return Math.min(this.source.byteLength, MAX_HEADER_BYTES) - this.position;
  }

  /**
   * Makes sure that `count` items of at least `itemBytes` each can follow.
   *
   * @throws {FormatError} naming what claims too much
   */
  checkClaim(what: string, count: number | bigint, itemBytes: number): void {
    const left = this.bytesLeft;
    if (Number(count) * itemBytes <= left) return;
    throw formatError(this.source.name, `${what} is beyond what can follow (truncated or corrupt)`, {
      expected: `at most ${Math.floor(left / itemBytes)}`,
      found: String(count),
    });
  }

  /** Whether the next `count` bytes are here; where not, `fill` first. This spares an await for most numbers. */
  has(count: number): boolean {
    return this.#at + count <= this.#bytes.length;
  }

  /**
   * Fetches the next `count` bytes, and some after them.
   *
   * @throws {FormatError} when the file ends before
   */
  async fill(count: number): Promise<void> {
    if (this.has(count)) return;
    if (count > this.bytesLeft) {
      throw formatError(this.source.name, "its header ends too early", {
        expected: `${count} bytes at ${this.position}`,
        found: `${this.bytesLeft}`,
      });
    }
    const rest = this.#bytes.subarray(this.#at);
    const bytes = new Uint8Array(Math.min(Math.max(count, this.#pieceBytes), this.bytesLeft));
    bytes.set(rest);
    const offset = this.position + rest.length;
    bytes.set(await this.source.read(offset, bytes.length - rest.length), rest.length);
    this.#start = this.position;
    this.#at = 0;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#pieceBytes = Math.min(this.#pieceBytes * 2, LARGEST_PIECE_BYTES);
  }

  /** The next `byteLength` bytes as a number, by `get`; they must be here (`has`, `fill`). */
  take<T>(byteLength: number, get: (view: DataView, offset: number) => T): T {
    const value = get(this.#view, this.#at);
    this.#at += byteLength;
    return value;
  }

  /** An unsigned 32-bit number. */
  async u32(): Promise<number> {
    await this.fill(4);
    return this.take(4, (view, at) => view.getUint32(at, true));
  }

  /** An unsigned 64-bit number: bigint where a number would not be exact. */
  async u64(): Promise<number | bigint> {
    await this.fill(8);
    return this.take(8, getU64);
  }

  /**
   * A string: u64 length, then UTF-8.
   *
   * @param what what it is, for messages
   * @throws {FormatError} when it would reach beyond the file, or is not UTF-8
   */
  async string(what: string): Promise<string> {
    if (!this.has(8)) await this.fill(8);
    const claimed = this.take(8, getU64);
    if (!this.has(Number(claimed))) {
      this.checkClaim(`the length of ${what}`, claimed, 1);
      await this.fill(Number(claimed));
    }
    return this.#decode(Number(claimed), what);
  }

  /** The same where all of it is here already, without an await: a vocabulary has 100,000. Undefined elsewhere. */
  stringHere(what: string): string | undefined {
    if (!this.has(8)) return undefined;
    const length = Number(getU64(this.#view, this.#at));
    if (!this.has(8 + length)) return undefined;
    this.#at += 8;
    return this.#decode(length, what);
  }

  #decode(length: number, what: string): string {
    const [start, end] = [this.#at, this.#at += length];
    const short = length <= SHORT_BYTES ? decodeShort(this.#bytes, start, end) : undefined;
    if (short !== undefined) return short;
    try {
      return this.#decoder.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw formatError(this.source.name, `${what} at byte ${this.position - length} is not UTF-8`, { cause });
    }
  }
}

/** Where `decodeShort` gathers; all at once they become a string that need not be flattened later. */
const codes: number[] = [];

/** UTF-8 of characters up to U+07FF, which most tokens are of; undefined where there is another. */
function decodeShort(bytes: Uint8Array, start: number, end: number): string | undefined {
  codes.length = 0;
  for (let at = start; at < end; at++) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      codes.push(lead);
      continue;
    }
    const next = bytes[++at]!;
    if (lead < 0xc2 || lead > 0xdf || at === end || (next & 0xc0) !== 0x80) return undefined;
    codes.push((lead & 0x1f) << 6 | next & 0x3f);
  }
  return String.fromCharCode.apply(null, codes);
}

/** A u64 at an offset: bigint where a number would not be exact. */
export function getU64(view: DataView, offset: number): number | bigint {
  const high = view.getUint32(offset + 4, true);
  if (high < 0x20_0000) return high * 2 ** 32 + view.getUint32(offset, true);
  return view.getBigUint64(offset, true);
}

/** An i64 at an offset: bigint where a number would not be exact. */
export function getI64(view: DataView, offset: number): number | bigint {
  const value = view.getBigInt64(offset, true);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
