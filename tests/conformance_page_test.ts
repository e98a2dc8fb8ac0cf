/**
 * The conformance page as people use it, from static files: choose, run, stop, look into a group, take the results along; on
 * a phone's width, by keyboard, in dark and light, without a serious fault that axe finds or an error on the console.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { launchChromium } from "../scripts/chromium.ts";
import { DIST, ensureDist, serve } from "./dist.ts";

/** Chooses one backend by its label. */
async function chooseOnly(page: Page, title: string): Promise<void> {
  for (const box of await page.locator("#choices input").all()) await box.uncheck();
  await page.getByLabel(title, { exact: true }).check();
}

async function runFiltered(page: Page, filter: string): Promise<string> {
  await page.getByLabel("Only cases whose name holds").fill(filter);
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("#start:not([disabled])").waitFor({ timeout: 120_000 });
  return await page.locator("#status").innerText();
}

async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const run = "axe.run().then(({ violations }) => violations.map(({ id, impact }) => [id, impact]))";
  const violations = await page.evaluate<[string, string][]>(run);
  return violations.filter(([, impact]) => impact === "serious" || impact === "critical").map(([id]) => id);
}

Deno.test("the conformance page", async (t) => {
  await ensureDist();
  await using site = serve(`${DIST}/conformance`, { isolated: true });
  const browser = await launchChromium();
  const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
  const errors: string[] = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(`${error.stack ?? error}`));
  try {
    await page.goto(`${site.origin}/index.html`);

    await t.step("runs a backend in a worker, and says what came of it", async () => {
      await chooseOnly(page, "wasm, as it comes");
      assertMatch(
        await runFiltered(page, "softmax/"),
        /^wasm, as it comes \(WebAssembly .*\): \d+ passed, 0 failed, 0 skipped in/,
      );
    });

    await t.step("opens a group by keyboard", async () => {
      const group = page.getByRole("button", { name: "softmax", exact: true });
      assertEquals(await page.locator("tr.case").count(), 0);
      await group.focus();
      await page.keyboard.press("Enter");
      assertEquals(await group.getAttribute("aria-expanded"), "true");
      assert(await page.locator("tr.case td.passed").count() > 10);
    });

    await t.step("gives the results as JSON", async () => {
      const waiting = page.waitForEvent("download");
      await page.getByRole("button", { name: "Download as JSON" }).click();
      const { device, columns } = JSON.parse(await Deno.readTextFile(await (await waiting).path()));
      assertEquals(device.crossOriginIsolated, true);
      assertEquals(columns[0].report.passed, columns[0].cases.length);
      assert(columns[0].cases.every((it: { milliseconds: number }) => it.milliseconds >= 0));
    });

    await t.step("stops when told to", async () => {
      await chooseOnly(page, "scalar");
      await page.getByLabel("Only cases whose name holds").fill("");
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.locator("#start:not([disabled])").waitFor();
      assertEquals(await page.locator("#status").innerText(), "scalar: stopped.");
    });

    for (const colorScheme of ["light", "dark"] as const) {
      await t.step(`has no serious fault, ${colorScheme}, and fits a phone`, async () => {
        await page.emulateMedia({ colorScheme });
        assertEquals(await seriousFaults(page), []);
        assertEquals(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
      });
    }

    assertEquals(errors, []);
  } finally {
    await browser.close();
  }
});
