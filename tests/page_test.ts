/**
 * Heed on a web page: docs/page.html, which the README shows, with `heed.js` and nothing else, without headers and with those
 * of isolation, on its own server and with Heed on another; and the parts and the split form in its place.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { launchChromium } from "../scripts/chromium.ts";
import { DIST, ensureDist, serve, type Site } from "./dist.ts";
import { assertComputes, linesOf, PAGE } from "./page.ts";

/** A browser is not the tests' to clean up after each step. */
const options = { sanitizeOps: false, sanitizeResources: false };

/** The page, with Heed from elsewhere. */
function pageOn(heed: string): Record<string, string> {
  return { "page.html": PAGE.replace('"./heed.js"', JSON.stringify(heed)) };
}

const cores = navigator.hardwareConcurrency;
const THREADS = cores === 1 ? /^wasm, .*one thread:/ : new RegExp(`^wasm, .*${Math.min(cores, 16)} threads:`);

Deno.test("the README's page", options, async (t) => {
  await ensureDist();
  const browser = await launchChromium();
  const open = (site: Site, query = ""): Promise<string[]> => linesOf(browser, `${site.origin}/page.html${query}`);
  try {
    await t.step("has fifteen lines, as the README shows them", async () => {
      assertEquals(PAGE.trimEnd().split("\n").length, 15);
      assertStringIncludes(await Deno.readTextFile(new URL("../README.md", import.meta.url)), PAGE.trimEnd());
    });

    await t.step("without any header runs every backend, with one file", async () => {
      await using site = serve(DIST, { files: pageOn("./heed.js") });
      const lines = await open(site, "?software");
      for (const line of lines) await assertComputes(line);
      assertEquals(lines.map((line) => line.split(",")[0]), ["scalar", "wasm", "webgpu"]);
      assertMatch(lines[1]!, /one thread/);
      assertEquals(site.asked, ["page.html", "heed.js"]);
    });

    await t.step("is told that a software adapter was not asked for", async () => {
      await using site = serve(DIST, { files: pageOn("./heed.js") });
      const lines = await open(site);
      assertMatch(lines.slice(2).join("\n"), /^BackendError: [^]*webgpu[^]*software/i);
    });

    await t.step("isolated has threads by itself", async () => {
      await using site = serve(DIST, { isolated: true, files: pageOn("./heed.js") });
      const lines = await open(site, "?software");
      for (const line of lines) await assertComputes(line);
      assertMatch(lines[1]!, THREADS);
    });

    for (const isolated of [false, true]) {
      await t.step(`takes Heed from another origin, ${isolated ? "" : "not "}isolated`, async () => {
        await using cdn = serve(DIST, { shared: true });
        for (const file of ["heed.js", "split/heed.js"]) {
          await using site = serve(DIST, { isolated, files: pageOn(`${cdn.origin}/${file}`) });
          const lines = await open(site, "?software");
          for (const line of lines) await assertComputes(line);
          assertMatch(lines[1]!, isolated ? THREADS : /one thread/);
          assertEquals(site.asked, ["page.html"]);
        }
      });
    }

    await t.step("split, asks for a backend when it is made", async () => {
      await using site = serve(DIST, {
        files: { "page.html": PAGE.replace("./heed.js", "./split/heed.js").replace(`, "wasm", "webgpu"`, "") },
      });
      await assertComputes((await linesOf(browser, `${site.origin}/page.html`, 1))[0]!);
      assert(site.asked.includes("split/backend-scalar.js"), site.asked.join(" "));
      assertEquals(site.asked.filter((path) => /wasm|webgpu/.test(path)), []);
    });

    await t.step("made of parts, has each class once", async () => {
      await using site = serve(DIST, { files: { "page.html": PARTS } });
      const lines = await linesOf(browser, `${site.origin}/page.html`, 4);
      assertEquals(lines, ["scalar 22", "wasm 22", "webgpu 22", "true true"]);
      assertEquals(site.asked.slice(1).sort(), [
        ...["heed-backend-scalar.js", "heed-backend-wasm.js", "heed-backend-webgpu.js", "heed-core.js", "heed-nn.js"],
      ]);
    });
  } finally {
    await browser.close();
  }
});

/** Core and each backend from a file of their own. */
const PARTS = `<!DOCTYPE html>
<pre id="out"></pre>
<script type="module">
  import { ShapeError, tensor, Tensor } from "./heed-core.js";
  import { createScalarBackend } from "./heed-backend-scalar.js";
  import { createWasmBackend } from "./heed-backend-wasm.js";
  import { createWebGpuBackend } from "./heed-backend-webgpu.js";
  import { initialized, Linear } from "./heed-nn.js";
  const backends = [createScalarBackend(), await createWasmBackend(), await createWebGpuBackend({ softwareAdapter: true })];
  for (const backend of backends) {
    const a = tensor([[1, 2], [3, 4]], { backend });
    out.append(\`\${backend.name} \${(await a.matmul(a).data())[3]}\\n\`);
  }
  const error = await createWasmBackend({ threads: 0 }).catch((error) => error);
  const linear = new Linear({ inFeatures: 2, outFeatures: 3 }, initialized({ backend: backends[0], seed: 1 }));
  out.append(\`\${error instanceof ShapeError} \${linear.weight instanceof Tensor}\\n\`);
</script>
`;
