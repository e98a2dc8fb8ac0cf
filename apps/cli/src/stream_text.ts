/**
 * Writes text as it is generated, and measures it. The first token's time is mostly that of the prompt; the others are
 * what a reader waits for, so the two speeds are told apart.
 */
import { formatBytes } from "./format_bytes.ts";

/** A piece of generated text, as the library yields it: one token, or what a token completed. */
export interface Piece {
  /** The text to show; may be empty. */
  readonly text: string;
}

/** How long a generation took. */
export interface Timing {
  /** From the start to the first token. */
  readonly prefillMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  /** Tokens that came. */
  readonly tokens: number;
}

/**
 * Writes every piece as it comes.
 *
 * @param pieces what is generated
 * @param write where text goes
 * @param now a clock, in milliseconds
 */
export async function streamText(
  pieces: AsyncIterable<Piece>,
  write: (text: string) => void,
  now: () => number = () => performance.now(),
): Promise<Timing> {
  const start = now();
  let [first, last, tokens] = [start, start, 0];
  for await (const { text } of pieces) {
    last = now();
    if (tokens === 0) first = last;
    tokens += 1;
    write(text);
  }
  return { prefillMs: first - start, decodeMs: last - first, tokens };
}

/** What a key/value cache takes. */
export interface CacheSize {
  /** All of it. */
  readonly byteLength: number;
  /** For one token more. */
  readonly bytesPerToken: number;
  /** Tokens in it. */
  readonly length: number;
}

/**
 * The lines that end a generation: speeds, and the size of the cache.
 *
 * @param promptTokens tokens of the prompt
 */
export function showTiming(promptTokens: number, timing: Timing, cache: CacheSize): string {
  const { prefillMs, decodeMs, tokens } = timing;
  const decoded = Math.max(0, tokens - 1); // the first came with the prompt
  return [
    `prompt: ${speed(promptTokens, prefillMs)}`,
    `text: ${speed(decoded, decodeMs)}`,
    `key/value cache: ${cache.length} tokens of ${formatBytes(cache.bytesPerToken)}, ` +
    `${formatBytes(cache.byteLength)} with room for more`,
  ].join("\n");
}

function speed(tokens: number, ms: number): string {
  const rate = ms > 0 ? `, ${((tokens / ms) * 1000).toFixed(1)} tokens/s` : "";
  return `${tokens} tokens in ${(ms / 1000).toFixed(2)} s${rate}`;
}
