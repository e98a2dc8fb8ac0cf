/** Heed on pages with a Content-Security-Policy: what each directive takes away is told, with the directive to add. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Browser } from "playwright-core";
import { launchChromium } from "../scripts/chromium.ts";
import { DIST, ensureDist, serve } from "./dist.ts";

/** A browser is not the tests' to clean up after each step. */
const options = { sanitizeOps: false, sanitizeResources: false };

/** What a page found. */
interface Found {
  /** The error of asking for wasm alone, or how many threads it has and why not more. */
  readonly alone: string;
  /** Which of wasm and scalar was taken, what it computed, and why the others were not. */
  readonly taken: readonly string[];
}

const SCRIPT = `
import { createBackend, tensor } from "./heed.js";
const alone = await createBackend("wasm", { threads: 2 }).then((backend) => {
  const { threads, whyNotMoreThreads } = backend.describe().details;
  return threads + " threads: " + whyNotMoreThreads;
}, String);
const skipped = [];
const onSkip = ({ name, reason }) => skipped.push(name + ": " + reason);
const backend = await createBackend(["wasm", "scalar"], { onSkip });
const sum = await tensor([1, 2], { backend }).sum().item();
const found = { alone, taken: [backend.name + " " + sum, ...skipped] };
document.body.append(Object.assign(document.createElement("pre"), { textContent: JSON.stringify(found) }));
`;

async function find(browser: Browser, policy: string, isolated: boolean): Promise<Found> {
  const head = `<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="${policy}">`;
  const files = { "page.html": `${head}<script type="module" src="page.js"></script>`, "page.js": SCRIPT };
  await using site = serve(DIST, { isolated, files });
  const page = await browser.newPage();
  try {
    await page.goto(`${site.origin}/page.html`);
    return JSON.parse((await page.textContent("pre", { timeout: 60_000 }))!); // no waitForFunction(): it needs 'unsafe-eval'
  } finally {
    await page.close();
  }
}

Deno.test("a page's policy", options, async (t) => {
  await ensureDist();
  const browser = await launchChromium();
  try {
    await t.step("without 'wasm-unsafe-eval' is a BackendError, and scalar is taken", async () => {
      for (const isolated of [false, true]) {
        const { alone, taken } = await find(browser, "script-src 'self'; worker-src blob:", isolated);
        const why = "Cannot create the wasm backend: this page's Content-Security-Policy forbids WebAssembly; " +
          "add 'wasm-unsafe-eval' to its script-src";
        assertEquals(alone, `BackendError: Cannot create a backend: none of those named is there.\n  wasm: ${why}`);
        assertEquals(taken, ["scalar 3", `wasm: ${why}`]);
      }
    });

    await t.step("without worker-src blob: leaves one thread, and is named", async () => {
      const { alone, taken } = await find(browser, "script-src 'self' 'wasm-unsafe-eval'", true);
      assertMatch(
        alone,
        /^1 threads: a worker cannot be started: .*Content-Security-Policy; add blob: to its worker-src$/,
      );
      assertEquals(taken, ["wasm 3"]);
    });

    await t.step("with both has threads", async () => {
      const both = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:";
      assertEquals(await find(browser, both, true), { alone: "2 threads: 2 were asked for", taken: ["wasm 3"] });
    });
  } finally {
    await browser.close();
  }
});
