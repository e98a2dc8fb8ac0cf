/** The explorer in headless Chromium, driven as people do it, with every error on the console kept. */
/// <reference lib="dom" />
import { assertEquals } from "@std/assert";
import type { Browser, BrowserContext, Page, Worker } from "playwright-core";
import { launchChromium } from "../scripts/chromium.ts";
import { explorerFolder, type ExplorerSite, serveExplorer } from "../scripts/explorer_site.ts";
import { randomGguf } from "./explorer_model.ts";

/** Longer than anything here takes on two busy cores; what hangs fails. */
const TIMEOUT_MS = 60_000;

/** What the page's worker was asked and has told; the page draws it some frames later. */
interface Heard {
  /** Calls under way, by their numbers. */
  readonly calls: Map<number, string>;
  /** Texts that were begun. */
  texts: number;
  /** Tokens of the last one. */
  tokens: number;
  /** Bytes of a download. */
  bytes: number;
}
type Hearing = typeof globalThis & { heard: Heard };

/** Runs in the page before its own scripts. */
function listen(): void {
  const heard: Heard = (globalThis as Hearing).heard = { calls: new Map(), texts: 0, tokens: 0, bytes: 0 };
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      this.addEventListener("message", ({ data }) => {
        heard.calls.delete(data.id);
        if (data.news === "prompt") [heard.texts, heard.tokens] = [heard.texts + 1, data.tokens.length];
        if (data.news === "token") heard.tokens++;
        if (data.news === "released") heard.tokens = 0;
        if (data.news === "progress") heard.bytes = data.progress.doneBytes;
      });
    }

    override postMessage(message: { id: number; call: string }): void {
      heard.calls.set(message.id, message.call);
      super.postMessage(message);
    }
  };
}

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
    await context.addInitScript(listen);
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
    await this.answered("load");
    if (await this.page.locator("#problem").isVisible()) throw new Error(await this.text("#problem"));
    await this.page.locator("#models").waitFor({ state: "hidden" });
  }

  /** Waits until some of a download is there. */
  async downloading(): Promise<void> {
    await this.page.waitForFunction(() => (globalThis as Hearing).heard.bytes > 0);
  }

  /** A model's line in the dialog. */
  row(name: string): ReturnType<Page["locator"]> {
    return this.page.locator("#model-list li").filter({ hasText: name });
  }

  /** Writes tokens after a prompt, and waits for its end and for the attention that belongs to it. */
  async generate(prompt: string, tokens: number, temperature = 0): Promise<void> {
    await this.begin(prompt, tokens, temperature);
    await this.written();
  }

  /** Begins to write: the prompt has been read then. */
  async begin(prompt: string, tokens: number, temperature = 0): Promise<void> {
    await this.page.fill("#prompt", prompt);
    await this.page.fill("#temperature", `${temperature}`);
    await this.page.fill("#max-tokens", `${tokens}`);
    const texts = await this.page.evaluate(() => (globalThis as Hearing).heard.texts);
    await this.page.click("#generate");
    await this.page.waitForFunction((before) => {
      const { texts, tokens } = (globalThis as Hearing).heard;
      return texts > before && document.querySelector("#tokens")!.children.length <= tokens; // the text before is gone
    }, texts);
  }

  /** Waits for the end of what is being written, and for the attention that belongs to it. */
  async written(): Promise<void> {
    await this.answered("generate");
    await this.says("#generate", /^Generate$/);
    await this.settled();
  }

  /** Waits until the worker has answered a call, if it was asked, and the page says so. */
  async answered(call: string): Promise<void> {
    await this.page.waitForFunction((call) => ![...(globalThis as Hearing).heard.calls.values()].includes(call), call);
    await this.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  }

  /** Presses a key on a control once that is at hand. */
  async press(selector: string, key: string): Promise<void> {
    await this.page.locator(`${selector}:not(:disabled)`).press(key);
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

  /** Waits until the text is drawn, and the heatmap is as large. */
  async settled(): Promise<void> {
    await this.page.waitForFunction(() => {
      const place = document.querySelector("#heatmap");
      place?.scrollIntoView({ block: "nearest" }); // what is out of sight is not drawn
      const width = place?.querySelector("canvas")?.width;
      const { tokens } = (globalThis as Hearing).heard;
      return tokens > 1 && width === tokens && document.querySelector("#tokens")?.children.length === tokens;
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
    await this.answered("backend");
    await this.page.locator("#backend:not(:disabled)").waitFor();
  }
}
