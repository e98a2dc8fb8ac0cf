/**
 * An HTTP server for handlers of `Request` and `Response`, within bounds that slow and broken clients cannot pass. It is
 * Node's server, which Deno carries: unlike `Deno.serve` it bounds connections, and how long a request may take to come.
 *
 * What one connection can hold: its header, what its handler keeps of its body, and what one write of the answer and the
 * system's own buffers take. Nobody holds any of it for longer than the limits say.
 *
 * A client that ends its side of the connection waits for its answer, as `nc -N` does, or has left. Which of them shows only
 * where something is sent: that breaks the connection of one that left. Until its answer begins it is sent interim responses
 * (102), which clients pass over. HTTP/1.0 has none, and a client of it that left is found gone as its answer is sent.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ApiError } from "./api_error.ts";
import type { Handler } from "./site.ts";

/** What clients may take. */
export interface Limits {
  /** Connections at once; more are closed as they come. */
  readonly connections: number;
  /** Requests of one connection at once: Node begins with the next before the last is answered. */
  readonly pipelined: number;
  /** Bytes of a header. */
  readonly headerBytes: number;
  /** From a request's beginning to the end of its header. */
  readonly headerTimeoutMs: number;
  /** From a request's beginning to the end of its body. */
  readonly requestTimeoutMs: number;
  /** Between two requests of a connection. */
  readonly idleTimeoutMs: number;
  /** For taking what was written. */
  readonly stallTimeoutMs: number;
  /** Between two times that a client that ended its side is asked whether it is there. */
  readonly interimMs: number;
  /** For ending all answers when the server stops. */
  readonly stopTimeoutMs: number;
}

/** Enough for people and programs on one machine or one network. */
export const LIMITS: Limits = {
  connections: 128,
  pipelined: 8, // browsers and libraries send one at a time
  headerBytes: 16_384,
  headerTimeoutMs: 10_000,
  requestTimeoutMs: 10_000, // few bodies are read at once, and who is slow keeps others waiting
  idleTimeoutMs: 5_000,
  stallTimeoutMs: 30_000,
  interimMs: 500,
  stopTimeoutMs: 3_000,
};

/** Where a server listens. */
export interface Listening {
  /** Its port. */
  readonly port: number;
  /** Takes no more requests, and resolves when all answers have ended or were cut off. */
  stop(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @param address an address or a name of this machine, and a port, or 0 for any
 * @param handler answers requests; their signal is aborted with an {@linkcode ApiError} when the client leaves
 * @throws when the address is taken, or not this machine's
 */
export async function listen(
  address: { readonly hostname: string; readonly port: number },
  handler: Handler,
  limits: Limits = LIMITS,
): Promise<Listening> {
  const answers = new Set<Promise<void>>();
  const connections = new WeakMap<Socket, Set<() => void>>();
  const server: Server & { httpAllowHalfOpen?: boolean } = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, limits.headerTimeoutMs),
  }, (incoming, outgoing) => {
    const { socket } = incoming;
    const onClose = connections.getOrInsertComputed(socket, whenClosed);
    if (onClose.size >= limits.pipelined) return void socket.destroy();
    const answering = answer(incoming, outgoing, onClose, handler, limits).finally(() => answers.delete(answering));
    answers.add(answering);
  });
  server.maxConnections = limits.connections;
  server.httpAllowHalfOpen = true; // Node's types leave it out
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject); // and later on: a connection that cannot be taken is no reason to end
    server.listen(address.port, address.hostname, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("Internal: the server listens on no port");
  return { port: bound.port, stop: () => stop(server, answers, limits) };
}

/** Connections are closed once nothing is being answered: one that is kept for a next request looks busy to Node. */
async function stop(server: Server, answers: ReadonlySet<Promise<void>>, { stopTimeoutMs }: Limits): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const timer = setTimeout(() => server.closeAllConnections(), stopTimeoutMs);
  await Promise.all(answers); // none rejects
  clearTimeout(timer);
  server.closeAllConnections();
  await closed;
}

/** What is called when a connection closes: one for each request of it that is being answered. */
function whenClosed(socket: Socket): Set<() => void> {
  const listeners = new Set<() => void>();
  socket.on("close", () => listeners.forEach((listener) => listener()));
  return listeners;
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  onClose: Set<() => void>,
  handler: Handler,
  limits: Limits,
): Promise<void> {
  const gone = new AbortController();
  const closed = (): void => {
    if (!outgoing.writableFinished) gone.abort(new ApiError(499, "The client has gone"));
  };
  outgoing.on("close", closed);
  onClose.add(closed); // an answer that waits behind another is not told
  outgoing.on("error", () => {}); // it is closed then, which is all there is to know
  incoming.on("error", closed); // before the connection closes, and before who reads the body is told
  const asking = setInterval(() => askHalfOpen(incoming, outgoing), limits.interimMs);
  try {
    const request = requestOf(incoming, gone.signal);
    const response = request === undefined ? new Response("Bad request\n", { status: 400 }) : await handler(request);
    await send(response, incoming, outgoing, gone.signal, limits);
  } catch {
    outgoing.destroy(); // what a handler throws, it has told of; here the answer broke off
  } finally {
    clearInterval(asking);
    onClose.delete(closed);
  }
}

/** Asks a client that ended its side whether it is there, where no answer is under way; in the middle of a body it is not. */
function askHalfOpen({ complete, httpVersion, socket }: IncomingMessage, outgoing: ServerResponse): void {
  if (!socket.readableEnded) return;
  if (!complete) return void socket.destroy();
  const isNext = outgoing.socket !== null && !outgoing.headersSent;
  if (isNext && httpVersion !== "1.0") outgoing.writeProcessing();
}

/** The request as handlers take it; undefined where its target or its headers are none of a server's. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "", url = "", rawHeaders } = incoming;
  try {
    const headers = new Headers();
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
    const host = headers.get("host") ?? ""; // two of them have a comma between
    const path = pathOf(url, host);
    if (path === undefined || !/^[\w.:[\]-]+$/.test(host)) return undefined; // a name and a port, and nothing more
    const body = method === "GET" || method === "HEAD" ? null : bodyOf(incoming);
    return new Request(`http://${host}${path}`, { method, headers, body, signal });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** The path and query of a target, which proxies send with the host before it. */
function pathOf(target: string, host: string): string | undefined {
  if (target.startsWith("/")) return target;
  const origin = `http://${host}`;
  return target.toLowerCase().startsWith(`${origin}/`.toLowerCase()) ? target.slice(origin.length) : undefined;
}

/** A body that is read as it is asked for, and whose end early does not end the connection before the answer. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(incoming.iterator({ destroyOnReturn: false }));
}

async function send(
  { body, headers, status }: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  gone: AbortSignal,
  { stallTimeoutMs }: Limits,
): Promise<void> {
  if (gone.aborted) return await body?.cancel();
  const fields: Record<string, string> = Object.fromEntries(headers);
  if (!incoming.complete) fields["connection"] = "close"; // nobody will read the rest of its body
  outgoing.writeHead(status, fields);
  for await (const piece of body ?? []) {
    if (!outgoing.write(piece)) await taken(outgoing, "drain", gone, stallTimeoutMs);
    if (gone.aborted) return;
  }
  outgoing.end();
  if (!outgoing.writableFinished) await taken(outgoing, "finish", gone, stallTimeoutMs);
}

/** Waits until the client has taken what was written, or is gone; a client that does not take it loses its connection. */
function taken(
  outgoing: ServerResponse,
  event: "drain" | "finish",
  gone: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => outgoing.req.socket.destroy(), timeoutMs);
    const done = (): void => {
      clearTimeout(timer);
      outgoing.off(event, done);
      gone.removeEventListener("abort", done);
      resolve();
    };
    outgoing.on(event, done);
    gone.addEventListener("abort", done);
    if (gone.aborted) done();
  });
}
