/**
 * The explorer where something is missing, too large, lost, hostile or shared, and for people who do not use a mouse or a
 * large screen. As in explorer_test.ts, no test lets an error on the console pass.
 */
/// <reference lib="dom" />
import { assert, assertEquals } from "@std/assert";
import axe from "axe-core";
import { modelFolder } from "../apps/cli/src/cache_folder.ts";
import { DEFAULT_MODEL, PINNED_MODELS } from "../apps/cli/src/pinned_models.ts";
import { Explorer, type Tab } from "./explorer_page.ts";

const explorer = await Explorer.start();
Deno.test.afterAll(() => explorer.stop());

/** A server's answer that claims a length, and has only the bytes that are given. */
function claiming(byteLength: number, asked: string[]) {
  return (request: Request): Response | undefined => {
    if (!request.url.includes("/models/")) return undefined;
    asked.push(request.headers.get("range") ?? "all");
    const headers = { "content-range": `bytes 0-0/${byteLength}`, "content-length": "1" };
    return new Response(new Uint8Array(1), { status: 206, headers });
  };
}

Deno.test("explorer: a model too big for the backend, or for the storage, is told before it is downloaded", async () => {
  const asked: string[] = [];
  await explorer.visit({ first: claiming(6e9, asked) }, async (visit) => {
    const tab = await visit.open();
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await tab.says("#problem", /Cannot load tiny.gguf here: it takes 6.0 GB, and WebAssembly can hold 4.3 GB/);
    assertEquals(asked, ["bytes=0-0"]);
    assertEquals(await tab.page.locator("#model-list li").count(), 1);
  });
  asked.length = 0;
  await explorer.visit({ first: claiming(3e9, asked) }, async (visit) => {
    const tab = await visit.open();
    await (await tab.worker()).evaluate(() => {
      navigator.storage.estimate = () => Promise.resolve({ quota: 2e9, usage: 5e8 });
    });
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await tab.says("#problem", /Cannot keep tiny.gguf here: it takes 3.0 GB more, and the browser lends 1.5 GB/);
    assertEquals(asked, ["bytes=0-0"]);
  });
  asked.length = 0;
  await explorer.visit({ first: claiming(6e9, asked) }, async (visit) => {
    const tab = await visit.open();
    await (await tab.worker()).evaluate(() => {
      Object.defineProperty(navigator, "gpu", { value: undefined });
      navigator.storage.estimate = () => Promise.resolve({ quota: 1e12, usage: 0 });
    });
    await tab.page.selectOption("#backend", "webgpu", { force: true });
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await tab.says("#problem", /^This browser has no WebGPU, .*\. Cannot load tiny.gguf here: it takes 6.0 GB, and/);
    assertEquals(asked, ["bytes=0-0"]); // WebGPU, which could hold it, was missed before
  });
});

Deno.test("explorer: a file by address that is no model that runs here is not downloaded", async () => {
  const asked: string[] = [];
  const first = (request: Request): Response | undefined => {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/elsewhere/")) return undefined;
    asked.push(request.headers.get("range") ?? "all");
    if (pathname.endsWith("nowhere.gguf")) return new Response("no", { status: 404, statusText: "Not Found" });
    const [bytes, one] = [new Uint8Array(100_000), asked.at(-1) === "bytes=0-0"];
    const headers = { "content-range": `bytes 0-${one ? 0 : bytes.length - 1}/${bytes.length}` };
    return new Response(one ? bytes.subarray(0, 1) : bytes, { status: 206, headers });
  };
  await explorer.visit({ first, models: [] }, async (visit) => {
    const tab = await visit.open();
    await tab.page.fill("#url", `${visit.url}elsewhere/zeros.gguf`);
    await tab.page.locator("#url-form button").click();
    await tab.says("#problem", /Cannot read zeros.gguf: it is not GGUF/);
    assertEquals(asked, ["bytes=0-0", "bytes=0-"]);
    await tab.page.fill("#url", `${visit.url}elsewhere/nowhere.gguf`);
    await tab.page.locator("#url-form button").click();
    await tab.says("#problem", /Cannot download nowhere.gguf: the server answers 404 Not Found/);
    await tab.page.fill("#url", "http://127.0.0.1:9/100%.gguf");
    await tab.page.locator("#url-form button").click();
    await tab.says("#problem", /Cannot load 100%.gguf: this page's policy lets it read other sites by https alone/);
    assertEquals(await tab.page.locator("#model-list li:not(.empty)").count(), 0);
    visit.errors.splice(0, Infinity, ...visit.errors.filter((error) => !/status of 404/.test(error))); // the browser's own line
  });
});

Deno.test("explorer: without WebGPU the choice says why, and what ran goes on running", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await (await tab.worker()).evaluate(() => Object.defineProperty(navigator, "gpu", { value: undefined }));
    await tab.load();
    await tab.generate("no gpu", 3);
    await tab.switchTo("webgpu");
    await tab.says("#problem", /^This browser has no WebGPU, .*\. The model stays on the backend that it was on\./);
    assertEquals(await tab.page.locator("#backend").inputValue(), "wasm");
    await tab.page.click("#close-problem");
    await tab.generate("goes on", 3);
    await tab.page.reload();
    await tab.page.selectOption("#backend", "webgpu", { force: true });
    await (await tab.worker()).evaluate(() => Object.defineProperty(navigator, "gpu", { value: undefined }));
    await tab.row("tiny.gguf").getByRole("button", { name: "Open" }).click();
    await tab.says("#problem", /^This browser has no WebGPU, .*\. The model runs on WebAssembly instead\./);
    await tab.says("#model-name", /^tiny.gguf/);
    assert(await tab.page.locator("#problem").isVisible()); // though the dialog that it was told in has closed
    assertEquals(await tab.page.locator("#backend").inputValue(), "wasm");
    await tab.generate("instead", 3);
  });
});

Deno.test("explorer: a software adapter is used only when it is asked for", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    await tab.switchTo("webgpu");
    await tab.says("#problem", /WebGPU only in software, .* choose “WebGPU in software”/);
    await tab.switchTo("webgpu-software");
    await tab.says("#backend-says", /software/);
    await tab.generate("in software", 3);
  });
});

Deno.test("explorer: without isolation it runs on one thread, and with it on several", async () => {
  for (const isolated of [false, true]) {
    await explorer.visit({ isolated }, async (visit) => {
      const tab = await visit.open();
      assertEquals(await tab.page.evaluate(() => crossOriginIsolated), isolated);
      await tab.load();
      await tab.generate("isolated", 4);
      const cores = await tab.page.evaluate(() => navigator.hardwareConcurrency);
      await tab.says("#backend-says", isolated && cores > 1 ? /\b[0-9]+ threads/ : /\bone thread/);
    });
  }
});

Deno.test("explorer: after a lost device the page says so, and another backend takes the text over", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    const worker = await tab.worker();
    await worker.evaluate(() => {
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function (descriptor) {
        return Object.assign(globalThis, { lost: await requestDevice.call(this, descriptor) }).lost;
      };
    });
    await tab.load();
    await tab.switchTo("webgpu-software");
    await tab.generate("lost", 4);
    const text = await tab.text("#tokens");
    await worker.evaluate(() => (globalThis as unknown as { lost: GPUDevice }).lost.destroy());
    await tab.page.click("#generate");
    await tab.says("#problem", /the device was lost/);
    await tab.says("#generate", /^Generate$/);
    await tab.switchTo("wasm");
    await tab.generate("lost", 4);
    assertEquals(await tab.text("#tokens"), text);
  });
});

Deno.test("explorer: two tabs share what is kept, and do not take it from each other", async () => {
  const hold = Promise.withResolvers<void>();
  let holds = true;
  const first = async (request: Request): Promise<Response | undefined> => {
    if (holds && request.url.includes("/models/") && request.headers.get("range") === null) await hold.promise;
    return undefined;
  };
  // Without isolation each tab has one thread: four of them would wait for each other on a small machine.
  await explorer.visit({ first, isolated: false }, async (visit) => {
    using _release = { [Symbol.dispose]: hold.resolve }; // else a failure would wait for the server, and it for this
    const [one, two] = [await visit.open(), await visit.open()];
    await one.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await one.page.locator("#model-list").getByRole("button", { name: "Resume" }).or(one.page.locator("#loading"))
      .first().waitFor();
    await one.says("#progress-says", /tiny.gguf/);
    await one.page.waitForFunction(async () =>
      (await navigator.locks.query()).held!.some(({ mode }) => mode === "exclusive")
    );
    await two.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await two.says("#problem", /another tab is at it/);
    await two.page.click("#close-problem");
    holds = false;
    hold.resolve();
    await one.loaded();
    await two.load();
    await Promise.all([one.generate("one", 4), two.generate("two", 4)]);
    await two.page.click("#open-models");
    await two.page.getByRole("button", { name: "Remove tiny.gguf" }).click();
    await two.says("#problem", /in use, here or in another tab/);
    await one.page.close();
    await two.page.close();
    const three = await visit.open();
    await three.page.getByRole("button", { name: "Remove tiny.gguf" }).click();
    await three.row("tiny.gguf").getByRole("button", { name: "Load" }).waitFor();
    assertEquals(await three.page.getByRole("button", { name: "Remove tiny.gguf" }).count(), 0);
  });
});

Deno.test("explorer: names and text are never markup", async () => {
  const name = "<img src=x onerror=document.title='owned'><b>bold</b>.gguf".replaceAll("/", "∕");
  await explorer.visit({ models: [explorer.listed({ name })] }, async (visit) => {
    const tab = await visit.open();
    assertEquals(await tab.page.locator("#model-list .name").innerText(), name);
    await tab.load(name);
    assertEquals(await tab.text("#model-name"), name);
    await tab.generate("<script>document.title='owned'</script><img src=x>", 4);
    assertEquals(await tab.page.locator("#tokens script, #tokens img, #model-name *, .plain-text img").count(), 0);
    await tab.press("#kv-heads", "End");
    await tab.says("#regroup-says", /% of the weight/);
    assertEquals(await tab.page.title(), "Heed explorer");
  });
});

Deno.test("explorer: the policy lets in neither inline scripts nor eval, and what it forbids stays out", async () => {
  await explorer.visit({}, async (visit) => {
    const { page } = await visit.open();
    const tried = await page.evaluate(async () => {
      const violations: string[] = [];
      document.addEventListener(
        "securitypolicyviolation",
        ({ effectiveDirective }) => violations.push(effectiveDirective),
      );
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return violations;
    });
    assertEquals(tried, ["script-src-elem"]);
    assertEquals(await page.title(), "Heed explorer");
    assert(visit.errors.splice(0).every((error) => error.includes("Content Security Policy")));
  });
});

/** What axe finds that is serious. */
async function faults({ page }: Tab): Promise<string[]> {
  await page.evaluate(axe.source); // from outside, so that the page's policy stays as it is
  return await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
  });
}

for (const colorScheme of ["light", "dark"] as const) {
  for (const [width, height] of [[1280, 900], [375, 720]] as const) {
    Deno.test(`explorer: axe finds no serious fault, ${colorScheme}, ${width} wide; nothing shifts or sticks out`, async () => {
      await explorer.visit({}, async (visit) => {
        const tab = await visit.open();
        await watchShifts(tab);
        assertEquals(await faults(tab), [], "dialog");
        await tab.load();
        assertEquals(await faults(tab), [], "empty");
        await tab.generate("a text\nof two lines", 120);
        await tab.press("#kv-heads", "End");
        await tab.says("#regroup-says", /% of the weight/);
        await tab.switchTo("scalar");
        await tab.says("#difference-says", /logits differ/);
        assertEquals(await faults(tab), [], "text");
        assertEquals(await tab.page.evaluate(() => document.documentElement.scrollWidth), width);
        const shift = await tab.page.evaluate(() => (globalThis as unknown as { shift: number }).shift);
        assert(shift < 0.02, `shifted by ${shift}`);
      }, { colorScheme, viewport: { width, height }, reducedMotion: "reduce" });
    });
  }
}

/** Adds up layout shifts that nobody asked for. */
async function watchShifts({ page }: Tab): Promise<void> {
  await page.evaluate(() => {
    const total = Object.assign(globalThis, { shift: 0 });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) total.shift += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

Deno.test("explorer: without a worker the page says so at each call, and without storage its colours still change", async () => {
  const first = ({ url }: Request): Response | undefined =>
    url.endsWith("/worker.js") ? new Response("no", { status: 404 }) : undefined;
  await explorer.visit({ first }, async (visit) => {
    const tab = await visit.open();
    const { page } = tab;
    await tab.says("#problem", /Cannot start the page's worker/);
    for (let i = 0; i < 2; i++) {
      await page.fill("#url", `${visit.url}a.gguf`);
      await page.locator("#url-form button").click();
      await tab.says("#problem", /Cannot start the page's worker: .*; reload the page/);
      await page.click("#close-problem");
    }
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, "localStorage", {
        get: () => {
          throw new DOMException("refused", "SecurityError");
        },
      });
    });
    await page.reload();
    await page.click("#close-models");
    await page.click("#theme");
    await page.getByRole("button", { name: "Colours: light" }).waitFor();
    visit.errors.splice(0, Infinity, ...visit.errors.filter((error) => !/status of 404/.test(error))); // the browser's own line
  });
});

Deno.test("explorer: colours follow the system until they are chosen, and the choice is remembered", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    const background = () => tab.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await background();
    await tab.page.click("#close-models");
    await tab.page.click("#theme");
    await tab.page.getByRole("button", { name: "Colours: light" }).waitFor();
    const light = await background();
    assert(light !== dark);
    await tab.page.reload();
    await tab.page.locator("#models").waitFor();
    assertEquals(await background(), light);
  }, { colorScheme: "dark" });
});

const SMOLLM2 = PINNED_MODELS.find(({ name }) => name === DEFAULT_MODEL)!;
const kept = `${modelFolder((name) => Deno.env.get(name), Deno.build.os)}/${SMOLLM2.fileName}`;

Deno.test({
  name: "explorer: SmolLM2 knows a capital, and its heads are drawn in their groups",
  ignore: !await isFile(kept),
  async fn() {
    const { fileName: name, byteLength, sha256 } = SMOLLM2;
    await explorer.visit({ models: [{ name, path: kept, byteLength, sha256 }] }, async (visit) => {
      const tab = await visit.open();
      await tab.load(name);
      await tab.generate("The capital of France is Paris. The capital of Japan is", 2);
      assertEquals(await tab.page.locator("#tokens .written").allInnerTexts(), [" Tokyo", "."]);
      assertEquals(await tab.page.locator("#heads .group").count(), 3);
      await tab.page.locator("#tokens .token").nth(12).hover();
      await tab.says("#token-says", /^Token 12, “Tokyo”, looks at/);
    });
  },
});

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
