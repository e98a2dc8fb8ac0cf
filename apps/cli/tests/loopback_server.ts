/**
 * A server on this machine that serves one file the way a test asks for: with or without ranges, cut off in the
 * middle, redirected, or not at all. Every request is recorded.
 */

/** How the server behaves; change it between requests. */
export interface Behaviour {
  /** What it serves. */
  body: Uint8Array<ArrayBuffer>;
  /** The version it states. */
  etag?: string;
  /** Whether it honours `Range`. */
  ranges: boolean;
  /** Ends the connection after so many bytes of a body. */
  breakAfter?: number;
  /** Stops sending after so many bytes of a body, and keeps the connection. */
  stallAfter?: number;
  /** Answers with this status and no file. */
  status?: number;
  /** Sends the client elsewhere. */
  redirectTo?: string;
}

/** What a client asked for. */
export interface Asked {
  /** The path. */
  path: string;
  /** The `Range` header, if any. */
  range: string | null;
  /** The `If-Range` header, if any. */
  ifRange: string | null;
}

/** A running server. */
export interface LoopbackServer extends AsyncDisposable {
  /** The file's URL. */
  url: URL;
  /** How it behaves from the next request on. */
  behaviour: Behaviour;
  /** All requests so far. */
  asked: Asked[];
}

/** Starts a server; it ends with `await using`. */
export function serve(behaviour: Behaviour): LoopbackServer {
  const asked: Asked[] = [];
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { headers, url } = request;
    asked.push({ path: new URL(url).pathname, range: headers.get("range"), ifRange: headers.get("if-range") });
    return answer(server.behaviour, headers, new URL(url));
  });
  const server: LoopbackServer = {
    url: new URL(`http://127.0.0.1:${http.addr.port}/folder/tiny.gguf`),
    behaviour,
    asked,
    [Symbol.asyncDispose]: () => http.shutdown(),
  };
  return server;
}

function answer(behaviour: Behaviour, asked: Headers, url: URL): Response {
  const { body, etag, redirectTo, status } = behaviour;
  if (redirectTo !== undefined && !url.pathname.startsWith("/moved")) {
    return new Response(null, { status: 302, headers: { location: redirectTo } });
  }
  if (status !== undefined) return new Response("no", { status });
  const headers = new Headers(etag === undefined ? {} : { etag });
  const start = firstByte(behaviour, asked);
  if (start >= body.length && start > 0) {
    headers.set("content-range", `bytes */${body.length}`);
    return new Response(null, { status: 416, headers });
  }
  if (start > 0) headers.set("content-range", `bytes ${start}-${body.length - 1}/${body.length}`);
  headers.set("content-length", String(body.length - start));
  return new Response(stream(body.subarray(start), behaviour), { status: start > 0 ? 206 : 200, headers });
}

function firstByte({ ranges, etag }: Behaviour, asked: Headers): number {
  const range = asked.get("range")?.match(/^bytes=(\d+)-$/);
  const ifRange = asked.get("if-range");
  return ranges && range && (ifRange === null || ifRange === etag) ? Number(range[1]) : 0;
}

/** Pieces of 1000 bytes, so that a body can end between two of them. */
function stream(bytes: Uint8Array<ArrayBuffer>, behaviour: Behaviour): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { breakAfter = Infinity, stallAfter = Infinity } = behaviour;
  let sent = 0;
  return new ReadableStream({
    pull(controller): void | Promise<void> {
      if (sent >= breakAfter) return controller.close(); // before the stated length: the connection is cut
      if (sent >= stallAfter) return new Promise(() => {}); // ended by the client, who closes the connection
      if (sent >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(sent, sent + 1000));
      sent += 1000;
    },
  }, { highWaterMark: 0 });
}
