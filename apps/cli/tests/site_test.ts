import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Site, siteHandler } from "../src/serve/site.ts";

const ORIGIN = "http://127.0.0.1:1";

/** A folder with a page, a hidden file, a link that stays and one that leads out. */
async function withSite(run: (get: Get, folder: string) => Promise<void>, site: Partial<Site> = {}): Promise<void> {
  const above = await Deno.makeTempDir();
  const folder = `${above}/dist`;
  try {
    await Deno.mkdir(`${folder}/assets`, { recursive: true });
    await Deno.mkdir(`${above}/dist-other`);
    await Deno.writeTextFile(`${above}/secret.txt`, "secret");
    await Deno.writeTextFile(`${above}/dist-other/secret.txt`, "secret");
    await Deno.writeTextFile(`${above}/model.gguf`, "0123456789");
    await Deno.writeTextFile(`${folder}/index.html`, "<title>page</title>");
    await Deno.writeTextFile(`${folder}/assets/page.js`, "export {};");
    await Deno.writeTextFile(`${folder}/.env`, "secret");
    await Deno.symlink("../secret.txt", `${folder}/out.txt`);
    await Deno.symlink("../dist-other", `${folder}/other`);
    await Deno.symlink("assets/page.js", `${folder}/in.js`);
    const model = { name: "tiny model.gguf", path: `${above}/model.gguf`, byteLength: 10, sha256: "ab" };
    const handler = siteHandler({ folder, models: [model], ...site });
    await run((path, init) => handler(new Request(`${ORIGIN}${path}`, init)), folder);
  } finally {
    await Deno.remove(above, { recursive: true });
  }
}

type Get = (path: string, init?: RequestInit) => Promise<Response>;

Deno.test("files are sent with their types, and a folder's index for the folder", async () => {
  await withSite(async (get) => {
    const page = await get("/");
    assertEquals([page.status, page.headers.get("content-type"), await page.text()], [
      200,
      "text/html; charset=UTF-8",
      "<title>page</title>",
    ]);
    const script = await get("/assets/page.js?v=1");
    assertMatch(script.headers.get("content-type") ?? "", /^text\/javascript/);
    assertEquals(await script.text(), "export {};");
    assertEquals(await (await get("/in.js")).text(), "export {};");
    const head = await get("/", { method: "HEAD" });
    assertEquals([head.headers.get("content-length"), await head.text()], ["19", ""]);
    const again = await get("/", { headers: { "if-none-match": page.headers.get("etag")! } });
    assertEquals(again.status, 304);
  });
});

Deno.test("nothing outside the folder is sent, however its path is written, and nothing hidden", async () => {
  await withSite(async (get, folder) => {
    const paths = [
      ...["/.env", "/%2eenv", "/assets/../.env", "/out.txt", "/other/secret.txt", "/none.html", "/assets", "/assets/"],
      ...["/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/..%5csecret.txt"],
      ...[`/${encodeURIComponent(`${folder}/../secret.txt`)}`, "/%00", "/%", "/%ff", "/index.html%00.js", "/C:%2f"],
      ...["/..%2fdist-other%2fsecret.txt", `/${"x".repeat(5000)}`, "/models/..%2fsecret.txt", "/models/", "/models/x"],
    ];
    for (const path of paths) {
      const response = await get(path);
      assertEquals([path, response.status, await response.text()], [path, 404, "Not found\n"]);
    }
    const posted = await get("/", { method: "POST", body: "x" });
    assertEquals([posted.status, posted.headers.get("allow")], [405, "GET, HEAD"]);
    await posted.body?.cancel();
  });
});

Deno.test("every answer carries a policy that lets nothing in from elsewhere, and isolation where it is wanted", async () => {
  await withSite(async (get) => {
    for (const path of ["/", "/none", "/models.json"]) {
      const { headers, body } = await get(path);
      await body?.cancel();
      const policy = headers.get("content-security-policy")!.split("; ");
      assertEquals(policy[0], "default-src 'none'");
      for (const part of policy) assert(!/'unsafe-(inline|eval)'|\*|http:/.test(part), part);
      assert(policy.includes("script-src 'self' 'wasm-unsafe-eval'"));
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("cross-origin-opener-policy"), "same-origin");
      assertEquals(headers.get("cross-origin-embedder-policy"), "require-corp");
    }
  });
  await withSite(async (get) => {
    const { headers, body } = await get("/");
    await body?.cancel();
    assertEquals([headers.get("cross-origin-opener-policy"), headers.get("cross-origin-embedder-policy")], [
      null,
      null,
    ]);
    assert(headers.has("content-security-policy"));
  }, { isolated: false });
});

Deno.test("a model is listed, and sent whole or in ranges, which hold only for the file that was meant", async () => {
  await withSite(async (get) => {
    const [entry] = await (await get("/models.json")).json();
    assertEquals(entry, { name: "tiny model.gguf", url: "/models/tiny%20model.gguf", byteLength: 10, sha256: "ab" });
    const whole = await get(entry.url);
    assertEquals([whole.headers.get("content-type"), await whole.text()], ["application/octet-stream", "0123456789"]);
    const range = async (value: string, ifRange?: string): Promise<unknown[]> => {
      const headers = { range: value, ...(ifRange === undefined ? {} : { "if-range": ifRange }) };
      const response = await get(entry.url, { headers });
      return [response.status, response.headers.get("content-range"), await response.text()];
    };
    assertEquals(await range("bytes=4-6"), [206, "bytes 4-6/10", "456"]);
    assertEquals(await range("bytes=7-"), [206, "bytes 7-9/10", "789"]);
    assertEquals((await range("bytes=10-"))[0], 416);
    assertEquals(await range("bytes=7-", whole.headers.get("etag")!), [206, "bytes 7-9/10", "789"]);
    assertEquals(await range("bytes=7-", '"another"'), [200, null, "0123456789"]);
  });
});

Deno.test("without a folder, the page says how to build it", async () => {
  await withSite(async (get) => {
    assertMatch(await (await get("/")).text(), /deno task bundle/);
    assertEquals((await get("/index.html")).status, 404);
  }, { folder: undefined });
});
