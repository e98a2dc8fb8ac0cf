import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ByteSource } from "../src/byte_source.ts";
import { FormatError } from "../src/format_error.ts";
import { urlSource, type UrlSourceOptions } from "../src/url_source.ts";

const FILE = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

/** Serves a request whose range starts at `start`. */
type Answer = (start: number, request: Request) => Response;

const ranged: Answer = (start) => partial(start, FILE.slice(start));

function partial(start: number, body: BodyInit, headers: Record<string, string> = {}): Response {
  const range = `bytes ${start}-${FILE.length - 1}/${FILE.length}`;
  return new Response(body, { status: 206, headers: { "content-range": range, ...headers } });
}

/** Runs `use` on a server on loopback; gives the starts of the ranges that it was asked for. */
async function serving(answer: Answer, use: (url: string) => Promise<void>): Promise<number[]> {
  const starts: number[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1]);
    starts.push(start);
    return answer(start, request);
  });
  try {
    await use(`http://127.0.0.1:${server.addr.port}/models/a.bin?token=secret`);
  } finally {
    await server.shutdown();
  }
  return starts;
}

async function withSource(
  answer: Answer,
  use: (source: ByteSource) => Promise<void>,
  options?: UrlSourceOptions,
): Promise<number[]> {
  return await serving(answer, async (url) => {
    const source = await urlSource(url, options);
    try {
      await use(source);
    } finally {
      source.close?.();
    }
  });
}

Deno.test("a URL read in order, over small gaps, keeps its connection", async () => {
  const starts = await withSource(ranged, async (source) => {
    assertEquals(source.byteLength, FILE.length);
    assert(source.name.endsWith("/models/a.bin"), "the query may hold a secret");
    assertEquals(await source.read(0, 10), FILE.slice(0, 10));
    assertEquals(
      await source.read(100_000, 1 << 20, new Uint8Array(1 << 20)),
      FILE.slice(100_000, 100_000 + (1 << 20)),
    );
    assertEquals(await source.read(FILE.length - 5, 5), FILE.slice(-5));
    assertEquals(await source.read(FILE.length, 0), new Uint8Array());
  });
  assertEquals(starts, [0, FILE.length - 5]);
});

Deno.test("a URL read back and forth, at once, gives the right bytes", async () => {
  const starts = await withSource(ranged, async (source) => {
    const pieces = await Promise.all([2_500_000, 5, 2_600_000].map((offset) => source.read(offset, 4)));
    assertEquals(pieces, [2_500_000, 5, 2_600_000].map((offset) => FILE.slice(offset, offset + 4)));
    await assertRejects(() => source.read(FILE.length - 1, 2), FormatError, "it ends too early");
    assertEquals(await source.read(7, 3), FILE.slice(7, 10));
  });
  assertEquals(starts, [0, 2_500_000, 5, 2_600_000, 7]);
});

Deno.test("a server that ignores ranges is read once, as a whole", async () => {
  const starts = await withSource(() => new Response(FILE), async (source) => {
    assertEquals(source.byteLength, FILE.length);
    assertEquals(await source.read(2_500_000, 4), FILE.slice(2_500_000, 2_500_004));
    assertEquals(await source.read(5, 4), FILE.slice(5, 9));
  });
  assertEquals(starts.length, 1);
});

Deno.test("a connection that breaks is taken up where it broke", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const starts: number[] = [];
  const serving = (async () => {
    for await (const connection of listener) { // each promises the rest of the file and breaks after 1,200,000 bytes
      const request = new Uint8Array(4096);
      const text = new TextDecoder().decode(request.subarray(0, await connection.read(request) ?? 0));
      const start = Number(/range: bytes=(\d+)-/i.exec(text)?.[1]);
      starts.push(start);
      const range = `content-range: bytes ${start}-${FILE.length - 1}/${FILE.length}`;
      const head = `HTTP/1.1 206 Partial\r\ncontent-length: ${FILE.length - start}\r\n${range}\r\n\r\n`;
      await new Blob([head, FILE.slice(start, start + 1_200_000)]).stream().pipeTo(connection.writable);
    }
  })();
  const source = await urlSource(`http://127.0.0.1:${listener.addr.port}/a.bin`);
  assertEquals(await source.read(0, FILE.length), FILE);
  source.close?.();
  listener.close();
  await serving;
  assertEquals(starts, [0, 1_200_000, 2_400_000]);
});

Deno.test("a connection that brings nothing is given up", async () => {
  await withSource((start) => partial(start, start === 0 ? FILE.slice(0, 100) : ""), async (source) => {
    await assertRejects(() => source.read(0, 200), FormatError, "the server sends nothing at 100");
  });
});

Deno.test("a URL ends its reads when aborted", async () => {
  const controller = new AbortController();
  await withSource(ranged, async (source) => {
    await source.read(0, 4);
    controller.abort(new Error("enough"));
    await assertRejects(() => source.read(4, 4), Error, "enough");
  }, { signal: controller.signal });
});

const REFUSALS: readonly (readonly [string, Answer])[] = [
  ["the server refuses: expected 200 or 206, found 404 Not Found", () => new Response("", { status: 404 })],
  [
    "the server compresses ranges: expected 200 or 206, found content-encoding gzip",
    (start) => partial(start, "", { "content-encoding": "gzip" }),
  ],
  [
    "the server does not tell its length: expected Content-Range or Content-Length",
    (start) => partial(start, new Blob(["abc"]).stream(), { "content-range": "bytes 0-2/*" }),
  ],
];
for (const [message, answer] of REFUSALS) {
  Deno.test(`urlSource: ${message}`, async () => {
    await serving(answer, async (url) => {
      await assertRejects(() => urlSource(url), FormatError, message);
    });
  });
}

Deno.test("a file that changes on the server while it is read is noticed", async () => {
  const changing: Answer = (start) =>
    start === 0 ? ranged(0, new Request("http://a")) : partial(start, "x", { "content-range": `bytes ${start}-9/10` });
  await withSource(changing, async (source) => {
    const error = await assertRejects(() => source.read(2_000_000, 1), FormatError, "the file changed on the server");
    assertEquals([error.expected, error.found], [`bytes 2000000 and on of ${FILE.length}`, "bytes 2000000-9/10"]);
  });
});

Deno.test("urlSource sends the headers it is given", async () => {
  await serving((start, request) => {
    return request.headers.get("authorization") === "Bearer t"
      ? ranged(start, request)
      : new Response("", { status: 401 });
  }, async (url) => {
    const source = await urlSource(url, { headers: { authorization: "Bearer t" }, name: "mine" });
    assertEquals(source.name, "mine");
    source.close?.();
    assertEquals(await source.read(0, 2), FILE.slice(0, 2)); // opens again
    source.close?.();
  });
});
