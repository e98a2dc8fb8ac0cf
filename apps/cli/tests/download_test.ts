import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { download, type DownloadOptions } from "../src/download.ts";
import { DownloadError } from "../src/errors.ts";
import type { ExpectedFile } from "../src/pinned_models.ts";
import { type Behaviour, type LoopbackServer, serve } from "./loopback_server.ts";

const BODY = Uint8Array.from({ length: 10_500 }, (_, index) => (index * 7 + (index >> 8)) % 251);
const EXPECTED = expectedOf(BODY);

interface Place {
  server: LoopbackServer;
  folder: string;
  path: string;
  notices: string[];
  get(options?: DownloadOptions): Promise<void>;
}

function expectedOf(bytes: Uint8Array): ExpectedFile {
  return { byteLength: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

async function withPlace(behaviour: Partial<Behaviour>, body: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await using server = serve({ body: BODY, etag: '"v1"', ranges: true, ...behaviour });
    const path = join(folder, "model.gguf");
    const notices: string[] = [];
    const get = (options: DownloadOptions = {}): Promise<void> =>
      download(server.url, path, { expected: EXPECTED, onNotice: (message) => notices.push(message), ...options });
    await body({ server, folder, path, notices, get });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  return names.sort();
}

/** Leaves a partial file of 4000 bytes, as an interrupted run does. */
async function breakOnce({ server, get }: Place): Promise<DownloadError> {
  server.behaviour.breakAfter = 4000;
  const error = await assertRejects(() => get(), DownloadError);
  delete server.behaviour.breakAfter;
  return error;
}

Deno.test("a fresh download leaves the file alone, whole", () =>
  withPlace({}, async (place) => {
    const seen: [number, number | undefined][] = [];
    await place.get({ onProgress: (done, total) => seen.push([done, total]) });
    assertEquals(await Deno.readFile(place.path), BODY);
    assertEquals(await filesIn(place.folder), ["model.gguf"]);
    assertEquals(seen.at(-1), [BODY.length, BODY.length]);
    assertEquals(place.server.asked, [{ path: "/folder/tiny.gguf", range: null, ifRange: null }]);
  }));

Deno.test("a download that breaks keeps its part, and the next one goes on there", () =>
  withPlace({}, async (place) => {
    const error = await breakOnce(place);
    assertEquals(error.fault, "broken");
    assertMatch(error.message, /broke off after \d+ of 10500 bytes: .*; run again to go on$/);
    assertEquals(await filesIn(place.folder), ["model.gguf.partial", "model.gguf.partial.json"]);
    const { size } = await Deno.stat(`${place.path}.partial`);
    assert(size > 0 && size <= 4000);
    await place.get();
    assertEquals(place.server.asked[1], { path: "/folder/tiny.gguf", range: `bytes=${size}-`, ifRange: '"v1"' });
    assertEquals(place.notices, [`Going on after the ${size} bytes from an earlier try`]);
    assertEquals(await Deno.readFile(place.path), BODY);
    assertEquals(await filesIn(place.folder), ["model.gguf"]);
  }));

Deno.test("a server without ranges sends the file from the start again", () =>
  withPlace({ ranges: false }, async (place) => {
    await breakOnce(place);
    await place.get();
    assertEquals(await Deno.readFile(place.path), BODY);
    assertEquals(place.notices, []);
  }));

Deno.test("another version on the server is fetched from the start", () =>
  withPlace({}, async (place) => {
    await breakOnce(place);
    const newer = BODY.map((byte) => byte ^ 1);
    place.server.behaviour = { ...place.server.behaviour, body: newer, etag: '"v2"' };
    await place.get({ expected: expectedOf(newer) });
    assertEquals(await Deno.readFile(place.path), newer);
  }));

Deno.test("without an ETag the part is used only where a checksum will tell", () =>
  withPlace({}, async (place) => {
    delete place.server.behaviour.etag;
    await breakOnce(place);
    const { size } = await Deno.stat(`${place.path}.partial`);
    await place.get();
    assertEquals(place.server.asked[1]?.range, `bytes=${size}-`);
    await Deno.remove(place.path);
    await breakOnce(place);
    await download(place.server.url, place.path);
    assertEquals(place.server.asked[3]?.range, null);
    assertEquals(await Deno.readFile(place.path), BODY);
  }));

Deno.test("a part whose note is damaged is not built upon", () =>
  withPlace({}, async (place) => {
    await breakOnce(place);
    await Deno.writeTextFile(`${place.path}.partial.json`, '{"urlHa');
    await place.get();
    assertEquals(place.server.asked[1]?.range, null);
    assertEquals(await Deno.readFile(place.path), BODY);
  }));

Deno.test("a corrupt part is deleted, said, and fetched anew", () =>
  withPlace({}, async (place) => {
    await breakOnce(place);
    const partial = await Deno.readFile(`${place.path}.partial`);
    partial[5] = 255;
    await Deno.writeFile(`${place.path}.partial`, partial);
    await place.get();
    assertStringIncludes(place.notices[1] ?? "", "its SHA-256 is ");
    assertStringIncludes(place.notices[1] ?? "", "it was deleted. The part from an earlier try may be to blame");
    assertEquals(place.server.asked[2]?.range, null);
    assertEquals(await Deno.readFile(place.path), BODY);
  }));

Deno.test("a part longer than the file is deleted and fetched anew", () =>
  withPlace({}, async (place) => {
    await breakOnce(place);
    await Deno.writeFile(`${place.path}.partial`, new Uint8Array(20_000));
    await place.get();
    assertStringIncludes(place.notices[0] ?? "", "it has no bytes after those of an earlier try");
    assertEquals(await Deno.readFile(place.path), BODY);
  }));

Deno.test("a whole part, interrupted before its check, is not asked for again", () =>
  withPlace({}, async (place) => {
    await breakOnce(place);
    await Deno.writeFile(`${place.path}.partial`, BODY);
    await place.get();
    assertEquals(place.server.asked.length, 1);
    assertEquals(await Deno.readFile(place.path), BODY);
  }));

Deno.test("a wrong checksum leaves nothing", () =>
  withPlace({}, async (place) => {
    const sha256 = "0".repeat(64);
    const error = await assertRejects(() => place.get({ expected: { ...EXPECTED, sha256 } }), DownloadError);
    assertEquals(error.fault, "wrong file");
    const found = `its SHA-256 is ${EXPECTED.sha256} where ${sha256} was expected; it was deleted`;
    assertEquals(error.message, `Cannot use what came from ${place.server.url}: ${found}`);
    assertEquals(await filesIn(place.folder), []);
  }));

Deno.test("a wrong length is refused before a byte is written", () =>
  withPlace({}, async (place) => {
    const expected = { ...EXPECTED, byteLength: 99 };
    const error = await assertRejects(() => place.get({ expected }), DownloadError);
    assertEquals(error.fault, "wrong file");
    assertStringIncludes(error.message, "it has 10500 bytes there where 99 were expected");
    assertEquals(await filesIn(place.folder), []);
  }));

Deno.test("a status other than success is said", () =>
  withPlace({ status: 404 }, async (place) => {
    const error = await assertRejects(() => place.get(), DownloadError);
    assertEquals(error.fault, "refused");
    assertEquals(error.message, `Cannot download ${place.server.url}: the server answered 404 Not Found`);
    assertEquals(await filesIn(place.folder), []);
  }));

Deno.test("a redirect is followed, also when going on", () =>
  withPlace({ redirectTo: "/moved/elsewhere" }, async (place) => {
    await breakOnce(place);
    await place.get();
    assertEquals(place.server.asked.map(({ path }) => path), [
      "/folder/tiny.gguf",
      "/moved/elsewhere",
      "/folder/tiny.gguf",
      "/moved/elsewhere",
    ]);
    assertEquals(place.server.asked[3]?.ifRange, '"v1"');
    assertEquals(await Deno.readFile(place.path), BODY);
  }));

Deno.test("plain http is taken on this machine only", async () => {
  const error = await assertRejects(() => download(new URL("http://example.com/m.gguf?key=1"), "m"), DownloadError);
  assertEquals(error.fault, "refused");
  const rule = "only https is taken, and http on this machine";
  assertEquals(error.message, `Cannot download http://example.com/m.gguf: ${rule}`);
});

Deno.test("a server that is not there is unreachable", () =>
  withPlace({}, async (place) => {
    const { url } = place.server;
    await place.server[Symbol.asyncDispose]();
    const error = await assertRejects(() => place.get(), DownloadError);
    assertEquals(error.fault, "unreachable");
    assertStringIncludes(error.message, `Cannot reach ${url.host}: `);
    assertEquals(await filesIn(place.folder), []);
  }));

Deno.test("an abort keeps the part and throws the caller's reason", () =>
  withPlace({ stallAfter: 3000 }, async (place) => {
    const controller = new AbortController();
    const why = new Error("the person left");
    const onProgress = (done: number): void => {
      if (done === 3000) controller.abort(why);
    };
    const thrown = await assertRejects(() => place.get({ signal: controller.signal, onProgress }));
    assertEquals(thrown, why);
    assertEquals(await filesIn(place.folder), ["model.gguf.partial", "model.gguf.partial.json"]);
    assertEquals((await Deno.stat(`${place.path}.partial`)).size, 3000);
  }));

Deno.test("a server that falls silent is given up", () =>
  withPlace({ stallAfter: 3000 }, async (place) => {
    const error = await assertRejects(() => place.get({ stallTimeoutMs: 100 }), DownloadError);
    assertEquals(error.fault, "broken");
    assertStringIncludes(error.message, "of 10500 bytes: no more bytes within 0.1 s; run again to go on");
  }));
