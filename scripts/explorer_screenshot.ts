/**
 * The README's picture of the explorer, docs/explorer.png: SmolLM2 writes in headless Chromium, and a token of it is pointed
 * at.
 */
import type { Browser, Page } from "playwright-core";
import { locateHere } from "../apps/cli/src/locate_here.ts";
import { DEFAULT_MODEL, PINNED_MODELS } from "../apps/cli/src/pinned_models.ts";
import { launchChromium } from "./chromium.ts";
import { runScript } from "./command_line.ts";
import { explorerFolder, serveExplorer } from "./explorer_site.ts";
import { ROOT } from "./files.ts";

const HELP = `deno task screenshot:explorer [FOLDER]

Makes docs/explorer.png, the README's picture of the explorer. With a folder it also puts there
how the page looks in the dark, on a phone's width, and in full length.

  -h, --help  show this
`;

const PROMPT = "The capital of France is Paris. The capital of Japan is Tokyo. The capital of Italy is";
const [LAYER, HEAD, TOKEN] = [13, 9, 18]; // where the third sentence looks back at the two before it
const TIMEOUT_MS = 120_000;

/** A view of the page, and what its file is called. */
interface View {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly colorScheme?: "light" | "dark";
  readonly fullPage?: boolean;
}

const README: View = { file: "explorer.png", width: 1280, height: 920 };
const OTHERS: readonly View[] = [
  { file: "dark.png", width: 1280, height: 920, colorScheme: "dark", fullPage: true },
  { file: "light.png", width: 1280, height: 920, fullPage: true },
  { file: "phone.png", width: 375, height: 760, fullPage: true },
];

/** Loads the model, writes, and points at a token. */
async function prepare(page: Page, url: string): Promise<void> {
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(url);
  await page.locator("#model-list button").first().click();
  await page.locator("#models").waitFor({ state: "hidden" });
  await page.fill("#prompt", PROMPT);
  await page.fill("#max-tokens", "8");
  await page.selectOption("#backend", "wasm-f32");
  await page.click("#generate");
  await page.locator("#generate").filter({ hasText: "Stop" }).waitFor();
  await page.locator("#generate").filter({ hasText: "Generate" }).waitFor();
  await page.fill("#layer", `${LAYER - 1}`);
  await page.locator("#heads input").nth(HEAD - 1).check();
  await page.selectOption("#backend", "wasm");
  await page.locator("#difference-says").filter({ hasText: "logits differ" }).waitFor();
  await page.click("#generate"); // again, so that both backends have a speed
  await page.locator("#generate").filter({ hasText: "Stop" }).waitFor();
  await page.locator("#generate").filter({ hasText: "Generate" }).waitFor();
  await page.locator("#kv-heads").press("End");
  await page.locator("#regroup-says").filter({ hasText: "of the weight" }).waitFor();
  await page.locator("#tokens .token").nth(TOKEN).hover();
  await page.locator("#token-says").filter({ hasText: `Token ${TOKEN},` }).waitFor();
  await page.waitForTimeout(1000); // charts follow the pointer
}

/** Makes the window as high as the page, which draws what is in sight alone. */
async function showAll(page: Page, width: number): Promise<void> {
  const height = await page.evaluate<number>("document.documentElement.scrollHeight");
  await page.setViewportSize({ width, height });
  await page.waitForTimeout(1000); // charts follow
}

async function shoot(browser: Browser, url: string, path: string, view: View): Promise<void> {
  const { width, height, colorScheme = "light", fullPage = false } = view;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  try {
    const page = await context.newPage();
    await prepare(page, url);
    await page.evaluate("scrollTo(0, 0)");
    if (fullPage) await showAll(page, width);
    await page.screenshot({ path, fullPage });
  } finally {
    await context.close();
  }
}

/** @param elsewhere where the other pictures go, if they are wanted */
async function shootAll(elsewhere: string | undefined): Promise<void> {
  const { fileName: name, byteLength, sha256 } = PINNED_MODELS.find((model) => model.name === DEFAULT_MODEL)!; // it is pinned
  const models = [{ name, path: await locateHere(DEFAULT_MODEL), byteLength, sha256 }];
  const folder = await explorerFolder();
  const { url, server } = serveExplorer(folder, { models });
  const browser = await launchChromium();
  try {
    await shoot(browser, url, `${ROOT}docs/${README.file}`, README);
    for (const view of elsewhere === undefined ? [] : OTHERS) {
      await shoot(browser, url, `${elsewhere}/${view.file}`, view);
    }
  } finally {
    await browser.close();
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  await runScript({ help: HELP, options: {}, maxArguments: 1 }, ({ positionals: [folder] }) => shootAll(folder));
}
