/**
 * The conformance suite in headless Chromium, as `deno task test:browser --help` says.
 *
 * A page without isolation is served without the headers that threads need, and has one. A failure, other threads than there
 * should be, an error on the console or one that no one caught fails the run. The last line is
 * `N passed, N failed, N skipped`.
 */
import type { CommandLine } from "../apps/cli/src/command_line.ts";
import { UsageError } from "../apps/cli/src/errors.ts";
import { BACKEND_OPTIONS } from "../apps/conformance/backend_options.ts";
import type { Report } from "../apps/conformance/report.ts";
import { launchChromium } from "./chromium.ts";
import { runScript } from "./command_line.ts";
import { servePage } from "./conformance_page.ts";
import { backendOptions } from "./make_backend.ts";

const HELP = `deno task test:browser

Runs the conformance suite and the golden vectors in headless Chromium.

  --backend NAME    scalar (default), wasm or webgpu
  --filter TEXT     only cases whose names have it
  --build NAME      of the wasm backend: plain or threads
  --threads N       of the wasm backend
  --features NAMES  optional ones of webgpu: all (default), none, or names with commas between
  --no-isolation    serve the page without the headers that threads need
  --serve           only serve the page, for a browser of one's own
  -h, --help        show this
`;

const OPTIONS = {
  backend: { type: "string", default: "scalar" },
  filter: { type: "string", default: "" },
  ...BACKEND_OPTIONS,
  "no-isolation": { type: "boolean", default: false },
  serve: { type: "boolean", default: false },
} as const;

const BACKENDS: readonly string[] = ["scalar", "wasm", "webgpu"];

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

async function run({ values }: CommandLine<typeof OPTIONS>): Promise<void> {
  const { serve, "no-isolation": bare, ...query } = values;
  backendOptions(query); // the page reads them too: what is wrong is better said here
  const asked = query.threads === undefined ? undefined : Number(query.threads);
  if (!BACKENDS.includes(query.backend)) {
    throw new UsageError(`Cannot use --backend "${query.backend}": it must be ${BACKENDS.join(", ")}`);
  }
  const { url, server } = await servePage({ isolated: !bare });
  const address = `${url}?${new URLSearchParams({ ...query })}`;
  if (serve) {
    console.log(`Open ${address}`);
    return await server.finished;
  }
  const threads = asked !== undefined && bare ? 1 : asked;
  const { passed, failed, skipped, failures } = await runPage(address, threads).finally(() => server.shutdown());
  for (const failure of failures) console.error(failure);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0 || passed === 0) Deno.exit(1);
}

if (import.meta.main) await runScript({ help: HELP, options: OPTIONS }, run);
