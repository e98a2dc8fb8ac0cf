/** A stream's pieces, for engines whose streams cannot be iterated (Safari's). Leaving the loop cancels the stream. */
export async function* pieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.cancel().catch(() => {}); // one that has ended, or failed, needs none
  }
}
