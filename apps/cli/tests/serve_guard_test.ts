/** What the server refuses before it looks at what is asked. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exchange, requestText, statusOf, writeAll } from "./raw_client.ts";
import { type TinyServer, withServer } from "./tiny_server.ts";

const BODY = JSON.stringify({ model: "tiny", prompt: "abc", temperature: 0 });
const HOST = { host: "localhost" };
const JSON_TYPE = { "content-type": "application/json" };

function post({ url }: TinyServer, headers: Record<string, string>, body: BodyInit = BODY): Promise<Response> {
  return fetch(`${url}/v1/completions`, { method: "POST", headers, body });
}

async function statusAndError(response: Response): Promise<unknown[]> {
  const { error } = await response.json();
  assertEquals(Object.keys(error).sort(), ["code", "message", "param", "type"]);
  return [response.status, error.type, error.code];
}

Deno.test("names that may be rebound are refused, on every path", async () => {
  await withServer({ guard: { hosts: ["box.local"] } }, async ({ port }) => {
    const ask = async (host: string, path = "/v1/models"): Promise<number> => {
      return statusOf(await exchange(port, requestText(`GET ${path}`, { host })));
    };
    for (const host of ["localhost", `localhost:${port}`, "127.0.0.1:9000", "[::1]:80", "192.168.1.5", "BOX.local"]) {
      assertEquals([host, await ask(host)], [host, 200]);
    }
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.local"]) {
      for (const path of ["/", "/health", "/v1/models", "/models.json", "/models/tiny.gguf"]) {
        assertEquals([host, path, await ask(host, path)], [host, path, 403]);
      }
    }
    for (const host of ["", "a@localhost", "localhost/x", "evil.example#localhost", "localhost:x"]) {
      assertEquals([host, await ask(host)], [host, 400]);
    }
    const without = await exchange(port, "GET /v1/models HTTP/1.0\r\nconnection: close\r\n\r\n");
    assertEquals(statusOf(without), 400);
    assertEquals(
      statusOf(await exchange(port, requestText("GET http://LOCALHOST/v1/models", HOST))),
      200,
    );
    for (
      const target of ["http://evil.example/v1/models", "http://localhost.evil.example/", "https://localhost/", "*"]
    ) {
      assertEquals([target, statusOf(await exchange(port, requestText(`GET ${target}`, HOST)))], [target, 400]);
    }
    for (const second of ["localhost", "evil.example"]) {
      const twice = await exchange(port, requestText("GET /v1/models", { ...HOST, Host: second }));
      assertEquals([second, statusOf(twice)], [second, 400]);
    }
    assertEquals(statusOf(await exchange(port, requestText("GET //evil.example/", HOST))), 404);
  });
});

Deno.test("pages of other sites are refused, unless they may", async () => {
  const guard = { origins: ["https://app.example"] };
  await withServer({ guard }, async (server) => {
    const ask = (headers: Record<string, string>): Promise<Response> => post(server, { ...JSON_TYPE, ...headers });
    for (
      const headers of [
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: "https://app.example.evil.example" },
        { origin: "http://app.example" },
        { origin: `http://127.0.0.1:${server.port + 1}` },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { origin: server.url, "sec-fetch-site": "cross-site" },
      ]
    ) {
      const response = await ask(headers);
      assertEquals(response.headers.get("access-control-allow-origin"), null);
      assertEquals(
        await statusAndError(response),
        [403, "permission_error", "origin_not_allowed"],
        JSON.stringify(headers),
      );
    }
    for (const headers of [{}, { origin: server.url }, { origin: server.url, "sec-fetch-site": "same-origin" }]) {
      const response = await ask(headers);
      assertEquals([response.status, (await response.json()).choices[0].text], [200, "defg"]);
    }
    const allowed = await ask({ origin: "https://app.example", "sec-fetch-site": "cross-site" });
    assertEquals([allowed.status, allowed.headers.get("access-control-allow-origin")], [200, "https://app.example"]);
    assertEquals(allowed.headers.get("vary"), "origin");
    await allowed.body?.cancel();
  });
});

Deno.test("a browser that asks first is told who may", async () => {
  await withServer({ guard: { origins: ["https://app.example"], apiKey: "key" } }, async ({ url }) => {
    const ask = async (origin: string): Promise<Response> => {
      const response = await fetch(`${url}/v1/chat/completions`, { method: "OPTIONS", headers: { origin } });
      await response.body?.cancel();
      return response;
    };
    const { status, headers } = await ask("https://app.example");
    assertEquals([status, headers.get("access-control-allow-origin")], [204, "https://app.example"]);
    assertStringIncludes(headers.get("access-control-allow-headers")!, "authorization");
    assertEquals((await ask("https://evil.example")).status, 403);
    // what is refused later can be read by the page that may ask
    const refused = await fetch(`${url}/v1/models`, { headers: { origin: "https://app.example" } });
    assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, "https://app.example"]);
    await refused.body?.cancel();
  });
});

Deno.test("a body must be JSON, say so, and keep within the limit", async () => {
  await withServer({ maxBodyBytes: 1000 }, async (server) => {
    const refuses = async (status: number, headers: Record<string, string>, body: BodyInit): Promise<void> => {
      const response = await post(server, headers, body);
      assertEquals((await statusAndError(response)).slice(0, 2), [status, "invalid_request_error"]);
    };
    for (
      const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"]
    ) {
      await refuses(415, { "content-type": type }, BODY);
    }
    for (const body of ["", "{", "[]", "null", '"x"', new Uint8Array([0x7b, 0xff, 0x7d])]) {
      await refuses(400, JSON_TYPE, body);
    }
    const padded = (length: number): string => BODY.slice(0, -1) + `,"user":"${"x".repeat(length)}"}`;
    await refuses(413, JSON_TYPE, padded(1000));
    await refuses(413, JSON_TYPE, new Blob([padded(2000)]).stream()); // in chunks, of no announced length
    await refuses(413, JSON_TYPE, padded(1_000_000));
    const response = await post(server, { "content-type": "application/json; charset=utf-8" }, padded(500));
    assertEquals((await response.json()).choices[0].text, "defg");
  });
});

Deno.test("paths and methods that are not there are said not to be", async () => {
  await withServer({}, async ({ port, url }) => {
    const get = async (path: string, method = "GET"): Promise<Response> => await fetch(`${url}${path}`, { method });
    assertEquals(await statusAndError(await get("/v1/embeddings", "POST")), [
      404,
      "invalid_request_error",
      "unknown_url",
    ]);
    const wrong = await get("/v1/completions");
    assertEquals([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
    await wrong.body?.cancel();
    for (const path of ["/v1/models", "/v1/models/tiny", "/health"]) {
      const head = await get(path, "HEAD");
      assertEquals([path, head.status, await head.text()], [path, 200, ""]);
      const put = await get(path, "PUT");
      assertEquals([path, put.headers.get("allow")], [path, "GET, HEAD"]);
      assertEquals((await statusAndError(put))[0], 405);
    }
    for (const path of ["/../../../../etc/passwd", "/models/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]) {
      const answer = await exchange(port, requestText(`GET ${path}`, { host: "localhost" }));
      assertEquals(statusOf(answer), 404);
      assert(!answer.includes("root:"));
    }
  });
});

Deno.test("two ways to say where a body ends are refused", async () => {
  await withServer({}, async ({ port }) => {
    const headers = { host: "localhost", ...JSON_TYPE, "content-length": "4", "transfer-encoding": "chunked" };
    const answer = await exchange(port, requestText("POST /v1/completions", headers, "0\r\n\r\n"));
    assertEquals(statusOf(answer), 400);
  });
});

Deno.test("a client that leaves in the middle of its body is no fault", async () => {
  await withServer({}, async (server) => {
    for (let i = 0; i < 10; i++) {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      const headers = { ...HOST, ...JSON_TYPE, "content-length": "1000" };
      await writeAll(connection, new TextEncoder().encode(requestText("POST /v1/completions", headers, "{")));
      await (await post(server, JSON_TYPE)).body?.cancel(); // by now the one before is being read
    }
    assertEquals((await (await post(server, JSON_TYPE)).json()).choices[0].text, "defg");
  });
});
