/** Requests as they stand on the wire, for what `fetch` would put right or refuse to send. */

/** One answer to bytes sent over a connection of its own, read to the connection's end. */
export async function exchange(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(connection, new TextEncoder().encode(text));
  return await readAll(connection);
}

/** Writes all bytes, or as many as the other side takes before it closes. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** What comes until the other side closes the connection. */
export async function readAll(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1 << 14);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer).catch(() => null); // a reset is an end too
    if (count === null) return text;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

/** A request's bytes, which ask for the connection's end. */
export function requestText(line: string, headers: Readonly<Record<string, string>>, body = ""): string {
  const all = { connection: "close", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** The status of an answer's first line. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}
