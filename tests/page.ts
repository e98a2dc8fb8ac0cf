/** docs/page.html, what it writes, and what it should compute. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Browser } from "playwright-core";
import { createBackend, randn, scaledDotProductAttention } from "../packages/heed/mod.ts";
import { ROOT } from "../scripts/files.ts";

/** The page's text. */
export const PAGE: string = await Deno.readTextFile(`${ROOT}docs/page.html`);

/** Opens a page and returns the lines it wrote, once there are as many as backends; no error may be on its console. */
export async function linesOf(browser: Browser, address: string, count = 3): Promise<string[]> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(`${error.stack ?? error}`));
  try {
    await page.goto(address);
    const done = `document.querySelector("#out").textContent.split("\\n").length > ${count}`;
    await page.waitForFunction(done, undefined, { timeout: 60_000 }).catch((error) => errors.push(`${error}`));
    assertEquals(errors, []);
    return (await page.textContent("#out"))!.trim().split("\n");
  } finally {
    await page.close();
  }
}

/** The last numbers of what the page computes, from the specification, here. */
async function expected(): Promise<number[]> {
  const backend = await createBackend("scalar");
  const [query, key, value] = [9, 3, 3].map((heads) => randn([1, heads, 4, 64], { seed: heads, backend }));
  const output = scaledDotProductAttention(query!, key!, value!, { causal: "lower-right" });
  return Array.from((await output.data()).slice(-3), Number);
}

/** A line of the page holds the numbers that are expected. */
export async function assertComputes(line: string): Promise<void> {
  const got = line.slice(line.lastIndexOf(": ") + 2).split(" ").map(Number);
  const want = await expected();
  assertEquals(got.length, want.length, line);
  want.forEach((number, i) => assertAlmostEquals(got[i]!, number, 1e-5, line));
}
