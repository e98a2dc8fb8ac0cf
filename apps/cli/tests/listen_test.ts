/** The listener's bounds, one by one. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import process from "node:process";
import { LIMITS, type Limits, listen } from "../src/serve/listen.ts";
import type { Handler } from "../src/serve/site.ts";
import { exchange, readAll, requestText, statusOf, writeAll } from "./raw_client.ts";

const HOST = { host: "localhost" };

async function withListener(
  limits: Partial<Limits>,
  handler: Handler,
  run: (port: number) => Promise<void>,
): Promise<void> {
  const listening = await listen({ hostname: "127.0.0.1", port: 0 }, handler, { ...LIMITS, ...limits });
  try {
    await run(listening.port);
  } finally {
    await listening.stop();
  }
}

const ok: Handler = () => Promise.resolve(new Response("ok"));

Deno.test("a header that does not come to its end ends the connection", async () => {
  await withListener({ headerTimeoutMs: 1000 }, ok, async (port) => {
    assertEquals(statusOf(await exchange(port, "GET / HTTP/1.1\r\nhost: local")), 408);
    await exchange(port, ""); // comes back
  });
});

Deno.test("a body that does not come to its end ends the connection, and its reading", async () => {
  const { promise: failed, resolve } = Promise.withResolvers<boolean>();
  let asked = 0;
  const handler: Handler = async ({ body, signal }) => {
    asked++;
    await Array.fromAsync(body!).catch(() => {});
    resolve(signal.aborted);
    return new Response("ok");
  };
  await withListener({ headerTimeoutMs: 2000, requestTimeoutMs: 2000 }, handler, async (port) => {
    await exchange(port, requestText("POST /", { ...HOST, "content-length": "100" }, "half"));
    assertEquals(asked, 1);
    assertEquals(await failed, true);
  });
});

Deno.test("an answer that is not taken ends the connection, and its making", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  let aborted: AbortSignal | undefined;
  const endless = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(100_000)), cancel: () => resolve() });
  const handler: Handler = ({ signal }) => {
    aborted = signal;
    return Promise.resolve(new Response(endless()));
  };
  await withListener({ stallTimeoutMs: 100 }, handler, async (port) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(connection, new TextEncoder().encode(requestText("GET /", HOST)));
    await cancelled;
    assertEquals(aborted?.aborted, true);
  });
});

Deno.test("more connections than there is room for are closed, and room comes back", async () => {
  await withListener({ connections: 1 }, ok, async (port) => {
    const first = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(first, new TextEncoder().encode("GET / HT"));
    assertEquals(await exchange(port, requestText("GET /", HOST)).catch(() => ""), "");
    await writeAll(first, new TextEncoder().encode("TP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    assertEquals(statusOf(await readAll(first)), 200);
    first.close();
    while (statusOf(await exchange(port, requestText("GET /", HOST)).catch(() => "")) !== 200);
  });
});

Deno.test("a connection has few requests answered at once, and is closed for more", async () => {
  let [now, most] = [0, 0];
  const slow: Handler = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 20));
    now -= 1;
    return new Response("ok");
  };
  await withListener({ pipelined: 4 }, slow, async (port) => {
    const request = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    const few = await exchange(port, request.repeat(3) + requestText("GET /", HOST));
    assertEquals([few.match(/^HTTP\/1.1 200/gm)?.length, most], [4, 4]);
    const many = await exchange(port, request.repeat(1000));
    assertEquals([statusOf(many) === 200, most], [false, 4]);
  });
});

Deno.test("answers that wait behind another end with their connection, which may have as many quietly", async () => {
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let count = 0;
  const handler: Handler = async ({ signal }) => {
    if (++count === LIMITS.pipelined) begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (--count === 0) ended.resolve();
    return new Response("ok");
  };
  const warnings: Error[] = [];
  const warn = (warning: Error): unknown => warnings.push(warning);
  process.on("warning", warn);
  await withListener({}, handler, async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const request = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    await writeAll(connection, new TextEncoder().encode(request.repeat(LIMITS.pipelined)));
    await begun.promise;
    connection.close();
    await ended.promise;
  });
  process.off("warning", warn);
  assertEquals(warnings, []);
});

/** Sends bytes, ends this side, and reads the answer. */
async function exchangeHalf(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(connection, new TextEncoder().encode(text));
  await connection.closeWrite();
  return await readAll(connection);
}

Deno.test("a client that ends its side after the request gets its answer, at once or later", async () => {
  await withListener({}, ok, async (port) => {
    assertMatch(await exchangeHalf(port, requestText("GET /", HOST)), /^HTTP\/1\.1 200 [^]*\r\nok\r\n/);
    assertEquals(statusOf(await exchangeHalf(port, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")), 200);
    assertEquals(await exchangeHalf(port, ""), "");
    await exchangeHalf(port, "GET / HTTP/1.1\r\nhost: local"); // comes back
  });
});

Deno.test("until its answer begins it is sent interim responses, where its HTTP has them", async () => {
  const asked = Promise.withResolvers<void>();
  const slow: Handler = async ({ method, body }) => {
    for await (const _piece of body ?? []);
    if (method === "POST") await asked.promise;
    return new Response(method);
  };
  await withListener({ interimMs: 20 }, slow, async (port) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(
      connection,
      new TextEncoder().encode(requestText("POST /", { ...HOST, "content-length": "4" }, "body")),
    );
    await connection.closeWrite();
    const first = new Uint8Array(1000);
    const interim = new TextDecoder().decode(first.subarray(0, await connection.read(first) ?? 0));
    assertMatch(interim, /^HTTP\/1\.1 102 Processing\r\n\r\n/);
    asked.resolve();
    assertMatch(await readAll(connection), /HTTP\/1\.1 200 [^]*POST/);
    const old = await exchangeHalf(port, "GET / HTTP/1.0\r\nhost: localhost\r\n\r\n");
    assertMatch(old, /^HTTP\/1\.\d 200 [^]*GET$/);
    const both = await exchangeHalf(port, `GET / HTTP/1.1\r\nhost: localhost\r\n\r\n${requestText("PUT /", HOST)}`);
    assertMatch(both, /^(HTTP\/1\.1 102 [^]*)?HTTP\/1\.1 200 [^]*GET[^]*HTTP\/1\.1 200 [^]*PUT/);
  });
});

Deno.test("a client that ends its side in the middle of its body has left", async () => {
  const { promise: aborted, resolve } = Promise.withResolvers<boolean>();
  const handler: Handler = async ({ body, signal }) => {
    await Array.fromAsync(body!).catch(() => {});
    resolve(signal.aborted);
    return new Response("nobody's");
  };
  await withListener({ interimMs: 20 }, handler, async (port) => {
    assertEquals(await exchangeHalf(port, requestText("POST /", { ...HOST, "content-length": "100" }, "half")), "");
    assertEquals(await aborted, true);
  });
});

Deno.test("a client that leaves while its answer is made is found gone", async () => {
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const handler: Handler = async ({ signal }) => {
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended.resolve();
    return new Response("nobody's");
  };
  await withListener({ interimMs: 20 }, handler, async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(connection, new TextEncoder().encode(requestText("GET /", HOST)));
    await begun.promise;
    connection.close();
    await ended.promise; // or the test never ends
  });
});

Deno.test("an answer whose making fails is cut off, not ended as if it were whole", async () => {
  const failing = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller): void {
      controller.enqueue(new Uint8Array([65]));
      controller.error(new Error("no more"));
    },
  });
  await withListener({}, () => Promise.resolve(new Response(failing)), async (port) => {
    const response = await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()).catch(() => "broken");
    assertEquals(response, "broken");
  });
});

Deno.test("a taken port is refused", async () => {
  await withListener({}, ok, async (port) => {
    await assertRejects(() => listen({ hostname: "127.0.0.1", port }, ok), Error);
  });
});
