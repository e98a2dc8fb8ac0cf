/**
 * The conformance suite in headless Chromium: `test_browser.ts [--backend NAME] [--filter TEXT] [--build plain|threads]
 * [--threads N] [--features all|none|NAMES] [--no-isolation]`, build and threads for the wasm backend, features for webgpu; with
 * `--serve` it only serves the page, for a browser of one's own.
 *
 * A page without isolation is served without the headers that threads need, and has one. A failure, other threads than there
 * should be, an error on the console or one that no one caught fails the run. The last line is
 * `N passed, N failed, N skipped`.
 */
import { parseArgs } from "node:util";
import { BACKEND_OPTIONS } from "../apps/conformance/backend_options.ts";
import type { Report } from "../apps/conformance/report.ts";
import { launchChromium } from "./chromium.ts";
import { servePage } from "./conformance_page.ts";

/** Longer than the suite takes on two slow cores; a page that hangs does not hang the run. */
const TIMEOUT_MS = 15 * 60_000;

/** What is asked of a report here. */
type Outcome = Pick<Report, "passed" | "failed" | "skipped" | "failures">;

const NOTHING: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };

/** Runs the page and returns its report, with the page's own errors added as failures. */
async function runPage(url: string, threads: number | undefined): Promise<Outcome> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => errors.push(`page: ${error.stack ?? error.message}`));
    await page.goto(url);
    const report = await Promise.race([page.evaluate(readReport), timeout()]).catch((error: Error) => {
      errors.push(error.message);
      return undefined;
    });
    const had = report?.description.details["threads"];
    if (report !== undefined && threads !== undefined && had !== threads) {
      errors.push(`it ran on ${had} threads and not on ${threads}`);
    }
    const { passed, failed, skipped, failures } = report ?? NOTHING;
    return { passed, failed: failed + errors.length, skipped, failures: [...failures, ...errors] };
  } finally {
    await browser.close();
  }
}

/** Runs in the page: its report, after a turn in which errors that were thrown meanwhile arrive. */
async function readReport(): Promise<Report> {
  const report = await globalThis.report;
  if (report === undefined) throw new Error("the page was not asked to run anything");
  await new Promise((resolve) => setTimeout(resolve));
  return report;
}

function timeout(): Promise<never> {
  return new Promise((_, reject) => {
    const id = setTimeout(() => reject(new Error(`the page ran for ${TIMEOUT_MS / 60_000} minutes`)), TIMEOUT_MS);
    Deno.unrefTimer(id);
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      backend: { type: "string", default: "scalar" },
      filter: { type: "string", default: "" },
      ...BACKEND_OPTIONS,
      "no-isolation": { type: "boolean", default: false },
      serve: { type: "boolean", default: false },
    },
  });
  const { serve, "no-isolation": bare, ...query } = values;
  const { url, server } = await servePage({ isolated: !bare });
  const threads = query.threads === undefined ? undefined : bare ? 1 : Number(query.threads);
  const address = `${url}?${new URLSearchParams({ ...query })}`;
  if (serve) {
    console.log(`Open ${address}`);
    await server.finished;
  } else {
    const { passed, failed, skipped, failures } = await runPage(address, threads).finally(() => server.shutdown());
    for (const failure of failures) console.error(failure);
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    if (failed > 0) Deno.exit(1);
  }
}
