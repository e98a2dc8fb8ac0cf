/**
 * Whole models on WebGPU in headless Chromium: tiny checkpoints and SmolLM2 give the ids that transformers gives, with all
 * optional features and with none, and a page that is hidden and frozen in the middle goes on when it is shown.
 */
/// <reference lib="dom" />
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import * as esbuild from "esbuild";
import type { Page } from "playwright-core";
import { locateHere } from "../apps/cli/src/locate_here.ts";
import { DEFAULT_MODEL } from "../apps/cli/src/pinned_models.ts";
import { settings } from "../scripts/bundle/settings.ts";
import { launchChromium } from "../scripts/chromium.ts";
import { ROOT } from "../scripts/files.ts";
import type { Generated, Wanted } from "./browser_model_page.ts";
import { readGroup, rowsOf, stored, VECTORS } from "./vectors.ts";

/** Longer than SmolLM2 takes on two busy cores. */
const TIMEOUT_MS = 8 * 60_000;

const MODEL = await locateHere(DEFAULT_MODEL);

/** The page's script, with all that it imports. */
async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { outputFiles } = await esbuild.build({
      ...settings(false),
      entryPoints: [`${ROOT}tests/browser_model_page.ts`],
      outdir: "/",
      sourcemap: false,
    });
    return outputFiles[0]!.contents.slice();
  } finally {
    await esbuild.stop();
  }
}

function serve(script: Uint8Array<ArrayBuffer>): Deno.HttpServer<Deno.NetAddr> {
  const files: Readonly<Record<string, string>> = {
    "/smollm2.gguf": MODEL,
    "/hf_tiny/model.safetensors": `${VECTORS}/hf_tiny/model.safetensors`,
    "/hf_tiny/config.json": `${VECTORS}/hf_tiny/config.json`,
  };
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return html('<link rel="icon" href="data:,"><script type="module" src="page.js"></script>');
    if (pathname === "/page.js") return new Response(script, { headers: { "content-type": "text/javascript" } });
    const path = files[pathname];
    if (path === undefined) return new Response("not found", { status: 404 });
    return new Response((await Deno.open(path)).readable);
  });
}

function html(body: string): Response {
  return new Response(`<!DOCTYPE html>${body}`, { headers: { "content-type": "text/html; charset=utf-8" } });
}

/** Runs with a page of a browser of its own, on which no error may have been. */
async function withPage(run: (page: Page) => Promise<void>): Promise<void> {
  const server = serve(await bundle());
  const browser = await launchChromium();
  const errors: string[] = [];
  try {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(`${error}`));
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await page.waitForFunction(() => "generate" in globalThis);
    await run(page);
    assertEquals(errors, []);
  } finally {
    await browser.close();
    await server.shutdown();
  }
}

function generateOn(page: Page, wanted: Wanted): Promise<Generated> {
  return page.evaluate((it) => globalThis.generate(it), wanted);
}

const LLAMA = await readGroup(
  "llama",
  ({ name, op, inputs }) => {
    return name.startsWith("untied_") && op === "generate_greedy" && inputs["attention_mask"] === undefined;
  },
);
/** Prompts, and what follows them: up to the end token, after which the reference pads. */
const TINY = LLAMA.cases.flatMap((golden) => {
  const [prompts, sequences] = ["input_ids", "sequences"].map((name) => rowsOf(stored(LLAMA, golden, name)));
  return prompts!.map((prompt, row) => {
    const ids = sequences![row]!.slice(prompt.length);
    const end = ids.findIndex((id) => id === golden.attrs.raw("eos_token_id"));
    return { prompt, wanted: end < 0 ? ids : ids.slice(0, end + 1) };
  });
});
const LONGEST = Math.max(...TINY.map(({ wanted }) => wanted.length));

for (const features of [undefined, []]) {
  const title = features === undefined ? "all optional features" : "no optional feature";
  Deno.test(`chromium, webgpu, ${title}: hf_tiny gives the ids of transformers`, async () => {
    assert(LONGEST > 1);
    await withPage(async (page) => {
      const prompts = TINY.map(({ prompt }) => prompt);
      const chosen = features === undefined ? {} : { features };
      const got = await generateOn(page, {
        model: "hf_tiny/model.safetensors",
        prompts,
        maxTokens: LONGEST,
        ...chosen,
      });
      assertStringIncludes(got.adapter, "WebGPU on ");
      assertEquals(got.features === "", features !== undefined, got.features);
      const ids = got.ids.map((row, i) => row.slice(0, TINY[i]!.wanted.length));
      assertEquals(ids, TINY.map(({ wanted }) => wanted));
      assertEquals(got.left, 0);
    });
  });
}

Deno.test("chromium, webgpu: SmolLM2 gives the 48 greedy ids of transformers", async () => {
  const group = await readGroup("real_model", ({ op }) => op === "greedy_continuation");
  const golden = group.cases[0]!;
  const prompts = rowsOf(stored(group, golden, "input_ids"));
  const greedy = [...stored(group, golden, "greedy").values];
  await withPage(async (page) => {
    const got = await generateOn(page, { model: "smollm2.gguf", prompts, maxTokens: greedy.length });
    assertEquals(got.ids, [greedy]);
    assertEquals(got.left, 0);
  });
});

Deno.test("chromium, webgpu: a page that is hidden and frozen while it generates goes on when it is shown", async () => {
  await withPage(async (page) => {
    const wanted = { model: "hf_tiny/model.safetensors", prompts: [TINY[0]!.prompt], maxTokens: 40 };
    const { ids: whole } = await generateOn(page, wanted);
    await page.evaluate(() => {
      globalThis.generated = 0;
    });
    const generating = generateOn(page, wanted);
    generating.catch(() => {}); // where something else fails first, that is told
    await page.waitForFunction(() => globalThis.generated > 0);
    const session = await page.context().newCDPSession(page);
    const other = await page.context().newPage();
    await other.bringToFront();
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    await other.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await page.bringToFront();
    const { ids, left } = await generating;
    assertEquals(ids, whole);
    assertEquals(left, 0);
  });
});
