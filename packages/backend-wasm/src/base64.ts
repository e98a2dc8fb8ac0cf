/** Bytes in an ES module: deflated, then base64, which every loader, CDN and bundler carries as it is. */

/** Base64 of some bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000)); // as many arguments as every engine takes
  }
  return btoa(binary);
}

/** The bytes whose deflated form (raw, without a header) this is the base64 of. */
export async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const binary = atob(base64);
  const deflated = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
