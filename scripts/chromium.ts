/** Finding a Chromium on this machine, and starting it for tests. */
import { type Browser, chromium } from "playwright-core";

/** Where systems put Chromium or a browser made from it. `CHROMIUM` in the environment goes first. */
const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:/Program Files/Google/Chrome/Application/chrome.exe",
];

/** Headless, without what a test does not want (updates, sync), with WebGPU on the software adapter. */
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

/** The path of a Chromium, or undefined where there is none. */
export function findChromium(): string | undefined {
  const places = [Deno.env.get("CHROMIUM"), ...PLACES];
  return places.find((path) => {
    try {
      return path !== undefined && Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/**
 * Starts a headless Chromium.
 *
 * @throws Error if there is none on this machine.
 */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("Cannot find Chromium: run `deno task setup`, or set CHROMIUM");
  return await chromium.launch({ executablePath, args: FLAGS, ignoreDefaultArgs: ["--headless"] });
}
