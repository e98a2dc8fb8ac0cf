/** The explorer in headless Chromium, driven as people do it, with every error on the console kept. */
/// <reference lib="dom" />
import { assertEquals } from "@std/assert";
import type { Browser, BrowserContext, Page, Worker } from "playwright-core";
import { launchChromium } from "../scripts/chromium.ts";
import { explorerFolder, type ExplorerSite, serveExplorer } from "../scripts/explorer_site.ts";
import { randomGguf } from "./explorer_model.ts";

/** Longer than anything here takes on two busy cores; what hangs fails. */
const TIMEOUT_MS = 60_000;

/** What a browser needs: one of each for all tests. */
export class Explorer {
  readonly #folder: string;
  readonly #browser: Browser;
  /** Where the small model lies. */
  readonly model: string;
  /** Its bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  private constructor(folder: string, browser: Browser, model: string, bytes: Uint8Array<ArrayBuffer>) {
    [this.#folder, this.#browser, this.model, this.bytes] = [folder, browser, model, bytes];
  }

  /** Bundles the page, writes the model, and starts a browser. */
  static async start(): Promise<Explorer> {
    const folder = await explorerFolder();
    const [model, bytes] = [await Deno.makeTempFile({ suffix: ".gguf" }), randomGguf()];
    await Deno.writeFile(model, bytes);
    return new Explorer(folder, await launchChromium(), model, bytes);
  }

  /** Frees all of it. */
  async stop(): Promise<void> {
    await this.#browser.close();
    await Deno.remove(this.#folder, { recursive: true });
    await Deno.remove(this.model);
  }

  /** The small model, as a site lists it. */
  listed(as: { readonly name?: string; readonly sha256?: string } = {}): NonNullable<ExplorerSite["models"]>[number] {
    return { name: "tiny.gguf", path: this.model, byteLength: this.bytes.length, ...as };
  }

  /**
   * Runs with a site and a fresh browser profile; no page may have had an error then.
   *
   * @param options the site, and what the context is made with
   */
  async visit(
    site: ExplorerSite,
    run: (visit: Visit) => Promise<void>,
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<void> {
    const { url, server } = serveExplorer(this.#folder, { models: [this.listed()], ...site });
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(TIMEOUT_MS);
    const visit = new Visit(context, url);
    try {
      await run(visit);
      assertEquals(visit.errors, []);
    } finally {
      await context.close();
      await server.shutdown();
    }
  }
}

/** One browser profile on one site. */
export class Visit {
  readonly url: string;
  /** Errors that any of its pages had. */
  readonly errors: string[] = [];
  readonly #context: BrowserContext;

  constructor(context: BrowserContext, url: string) {
    [this.#context, this.url] = [context, url];
  }

  /** Opens the page; its dialog of models is open then. */
  async open(): Promise<Tab> {
    const page = await this.#context.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.errors.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.errors.push(`page: ${error.stack ?? error.message}`));
    await page.goto(this.url);
    await page.locator("#models").waitFor();
    return new Tab(page);
  }
}

/** A tab with the page. */
export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** The text of an element; spaces that hold numbers and units together are plain ones here. */
  async text(selector: string): Promise<string> {
    return (await this.page.locator(selector).innerText()).replaceAll("\u00a0", " ");
  }

  /** Waits until an element says something; a space stands for any. */
  async says(selector: string, what: RegExp): Promise<void> {
    const hasText = new RegExp(what.source.replaceAll(" ", "\\s"), what.flags);
    await this.page.locator(selector).filter({ hasText }).first().waitFor({ state: "visible" });
  }

  /** Presses the button of a listed model, and waits until it is there. */
  async load(name = "tiny.gguf"): Promise<void> {
    await this.row(name).getByRole("button", { name: /Load|Open|Resume/ }).click();
    await this.loaded();
  }

  /** Waits until what is being loaded is there. @throws Error with the page's problem, if it has one */
  async loaded(): Promise<void> {
    const problem = this.page.locator("#problem");
    await this.page.locator("#models").filter({ visible: false }).or(problem.filter({ visible: true })).first().waitFor(
      {
        state: "attached",
      },
    );
    if (await problem.isVisible()) throw new Error(await problem.innerText());
  }

  /** A model's line in the dialog. */
  row(name: string): ReturnType<Page["locator"]> {
    return this.page.locator("#model-list li").filter({ hasText: name });
  }

  /** Writes tokens after a prompt, and waits for its end and for the attention that belongs to it. */
  async generate(prompt: string, tokens: number, temperature = 0): Promise<void> {
    await this.begin(prompt, tokens, temperature);
    await this.says("#generate", /^Generate$/);
    await this.settled();
  }

  /** Begins to write, and does not wait. */
  async begin(prompt: string, tokens: number, temperature = 0): Promise<void> {
    await this.page.fill("#prompt", prompt);
    await this.page.fill("#temperature", `${temperature}`);
    await this.page.fill("#max-tokens", `${tokens}`);
    await this.page.click("#generate");
    await this.drawn();
  }

  /** Waits until what was done has been drawn, if only as busy. */
  async drawn(): Promise<void> {
    await this.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  }

  /** From now on the worker waits before each token, so that a test can act while it writes. */
  async slowDown(): Promise<void> {
    await (await this.worker()).evaluate(() => {
      const { postMessage } = MessagePort.prototype;
      MessagePort.prototype.postMessage = function (message: unknown): void {
        setTimeout(() => postMessage.call(this, message), 50);
      };
    });
  }

  /** Waits until the heatmap is as large as the text. */
  async settled(): Promise<void> {
    await this.page.locator("#heatmap").scrollIntoViewIfNeeded(); // what is out of sight is not drawn
    await this.page.waitForFunction(() => {
      const [map, tokens] = [
        document.querySelector<HTMLCanvasElement>("#heatmap canvas"),
        document.querySelector("#tokens"),
      ];
      return map !== null && tokens !== null && map.width === tokens.children.length && map.width > 1;
    });
  }

  /** How many tokens there are. */
  async count(): Promise<number> {
    return await this.page.locator("#tokens .token").count();
  }

  /** A canvas's pixels, as text to compare. */
  async pixels(selector: string): Promise<string> {
    return await this.page.locator(selector).evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
  }

  /** The page's worker of models; those of threads have other names. */
  async worker(): Promise<Worker> {
    const found = this.page.workers().find((worker) => worker.url().endsWith("worker.js"));
    return found ?? await this.page.waitForEvent("worker", (worker) => worker.url().endsWith("worker.js"));
  }

  /** Chooses a backend, and waits for it. */
  async switchTo(choice: string): Promise<void> {
    await this.page.selectOption("#backend", choice);
    await this.drawn();
    await this.page.locator("#backend:not(:disabled)").waitFor();
  }
}
