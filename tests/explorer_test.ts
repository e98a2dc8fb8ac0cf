/**
 * The explorer as people use it, in headless Chromium, under the policy it is served with. No test lets an error on the
 * console pass. The model is a small random one; SmolLM2 is tried besides where it is in the cache folder.
 */
/// <reference lib="dom" />
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { sendFile } from "../apps/cli/src/serve/send_file.ts";
import { writeSuccessorFolder } from "../apps/cli/tests/successor_model.ts";
import { randomGguf, writeShardedFolder } from "./explorer_model.ts";
import { Explorer, type Tab } from "./explorer_page.ts";

const explorer = await Explorer.start();
Deno.test.afterAll(() => explorer.stop());

const SHA256 = createHash("sha256").update(explorer.bytes).digest("hex");
const PROMPT = "a <b>bold</b> claim";

Deno.test("explorer: a model from the server is loaded, and writes a prompt on", async () => {
  await explorer.visit({ models: [explorer.listed({ sha256: SHA256 })] }, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    assertEquals(await tab.text("#model-name"), "tiny.gguf");
    await tab.generate(PROMPT, 12);
    assertEquals(await tab.count(), PROMPT.length + 12);
    assertEquals(await tab.page.locator("#tokens .written").count(), 12);
    assertEquals(await tab.page.locator("#heads .group").count(), 4);
    assertEquals(await tab.page.locator("#heads .head").count(), 8);
    for (
      const [place, chart] of [
        ["#heatmap", ".axes svg"],
        ...["#scores", "#rope", "#cache", "#legend"].map((id) => [id, "svg"]),
      ]
    ) {
      await tab.page.locator(place!).scrollIntoViewIfNeeded(); // what is out of sight is not drawn
      await tab.page.locator(`${place} ${chart}`).first().waitFor();
    }
    assert(Number(await tab.text("#speed")) > 0);
    const bytes = (PROMPT.length + 12) * 3 * 4 * 8 * 2 * 4; // layers, key/value heads, head size, keys and values, f32
    assert((await tab.text("#cache-says")).includes(`${(bytes / 1000).toFixed(1)} kB`), await tab.text("#cache-says"));
  });
});

Deno.test("explorer: the same seed writes the same, another seed does not, and stopping stops", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    const write = async (seed: string): Promise<string> => {
      await tab.page.fill("#seed", seed);
      await tab.generate("seed", 24, 1);
      return await tab.text("#tokens");
    };
    const first = await write("1");
    assertEquals(await write("1"), first);
    assertNotEquals(await write("2"), first);
    await tab.slowDown();
    await tab.begin("stop", 200, 1);
    await tab.page.click("#generate");
    await tab.written();
    const count = await tab.count();
    assert(count < 204, `${count}`);
    const longer = "s".repeat(count + 1); // begins as the text before does, and goes beyond it
    await tab.generate(longer, 1);
    assert((await tab.text("#tokens")).startsWith(longer), await tab.text("#tokens"));
  });
});

Deno.test("explorer: a token that is pointed at shades what it looks at, and arrow keys move", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    await tab.generate("pointing", 6);
    const chips = tab.page.locator("#tokens .token");
    const weights = async (): Promise<number[]> =>
      await chips.evaluateAll((all) =>
        all.map((chip) => Number((chip as HTMLElement).style.getPropertyValue("--weight")) ** 2)
      );
    await chips.nth(5).hover();
    await tab.says("#token-says", /^Token 5, “i”, looks at/);
    const row = await weights();
    assert(Math.abs(row.reduce((sum, w) => sum + w, 0) - 1) < 0.03, `${row}`); // six shades, 0.005 off at most
    assertEquals(row.slice(6), row.slice(6).map(() => 0)); // later tokens
    await chips.nth(5).click();
    await chips.nth(5).press("ArrowLeft");
    await tab.says("#token-says", /^Token 4, “t”/);
    assertEquals(await tab.page.locator(":focus").getAttribute("data-index"), "4");
    assertEquals(await chips.nth(4).getAttribute("aria-selected"), "true");
    await tab.page.keyboard.press("End");
    await tab.says("#token-says", /^Token 13,/);
    await tab.page.keyboard.press("Home");
    await tab.says("#token-says", /^Token 0, “p”, looks at “p” \(0\) 1$/);
    const box = (await tab.page.locator("#heatmap canvas").boundingBox())!;
    await tab.page.mouse.move(box.x + box.width * 2.5 / 14, box.y + box.height * 7.5 / 14);
    await tab.says("#cell-says", /^“g” to “i”: weight 0/);
    await tab.says("#token-says", /^Token 7, “g”/);
    await tab.page.mouse.move(0, 0);
    await tab.page.locator("#heatmap canvas").press("ArrowLeft");
    await tab.says("#cell-says", /^“g” to “n”: weight 0/);
    await tab.page.locator("#heatmap canvas").press("ArrowUp");
    await tab.says("#cell-says", /^“n” to “n”: weight 0/);
    await tab.page.locator("#heatmap canvas").press("End");
    await tab.says("#cell-says", /hidden: it comes later$/);
    await tab.page.locator("#cache").scrollIntoViewIfNeeded();
    const width = async (): Promise<string | null> => await tab.page.locator("#cache svg").getAttribute("width");
    const before = await width();
    await tab.page.setViewportSize({ width: 900, height: 900 });
    await tab.page.waitForFunction((before) => {
      const now = document.querySelector("#cache svg")?.getAttribute("width");
      return now !== before && Number(now) === document.querySelector("#cache")?.clientWidth;
    }, before);
  });
});

Deno.test("explorer: a character of two tokens is whole in texts, and the first of them stands for none", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    await tab.generate("née", 1);
    assertEquals((await tab.page.locator("#tokens .token").allInnerTexts()).slice(0, 4), ["n", "◌", "é", "e"]);
    await tab.says("#original-text", /^née/);
    await tab.press("#kv-heads", "End");
    await tab.says("#regrouped-text", /^née/);
  });
});

Deno.test("explorer: layers, heads and stages show other scores, all by keyboard", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    await tab.generate("stages", 4);
    const seen = new Set([await tab.pixels("#heatmap canvas")]);
    const changes = async (act: () => Promise<void>, what: string): Promise<void> => {
      const before = await tab.pixels("#heatmap canvas");
      await act();
      await tab.page.waitForFunction(
        (before) => document.querySelector<HTMLCanvasElement>("#heatmap canvas")!.toDataURL() !== before,
        before,
      );
      const after = await tab.pixels("#heatmap canvas");
      assert(!seen.has(after), what);
      seen.add(after);
    };
    await changes(async () => await tab.page.locator("#layer").press("ArrowRight"), "layer");
    await tab.says("#layer-value", /^3 of 3$/);
    await changes(async () => await tab.page.locator("#heads input").first().press("ArrowRight"), "head");
    await tab.says("#attention-title", /^Layer 3, head 2$/);
    await tab.says("#attention-group", /head 1$/);
    await changes(async () => await tab.page.locator('#stages input[value="weights"]').press("ArrowLeft"), "masked");
    await changes(async () => await tab.page.locator('#stages input[value="masked"]').press("ArrowLeft"), "scaled");
    await tab.page.locator('#stages input[value="scaled"]').press("ArrowLeft");
    await tab.says("#legend", /query · key/);
  });
});

Deno.test("explorer: fewer key/value heads change text and attention, and the original stays", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    await tab.generate("regroup me", 16);
    const original = await tab.text("#original-text");
    const drawn = async (map: string, before = ""): Promise<string> => {
      await tab.page.locator(map).scrollIntoViewIfNeeded(); // what is out of sight is not drawn
      await tab.page.waitForFunction(([map, before]) => {
        const canvas = document.querySelector<HTMLCanvasElement>(map)!;
        return canvas.width > 1 && canvas.toDataURL() !== before;
      }, [map, before] as const);
      return await tab.pixels(map);
    };
    const map = await drawn("#original-map");
    let regrouped = "";
    for (const [key, heads] of [["ArrowRight", "2 key/value heads"], ["End", "1 key/value head"]] as const) {
      await tab.press("#kv-heads", key);
      await tab.says("#regrouped-title", new RegExp(`, ${heads}$`));
      await tab.says("#regroup-says", /% of the weight/);
      assertNotEquals(await tab.text("#regrouped-text"), original);
      assert((await tab.text("#regrouped-text")).startsWith("regroup me"));
      regrouped = await drawn("#regrouped-map", regrouped);
      assertNotEquals(regrouped, map);
    }
    assertEquals(await tab.text("#original-text"), original);
    assertEquals(await drawn("#original-map"), map);
    await tab.slowDown();
    await tab.begin("another text", 20);
    await tab.page.waitForFunction(() => document.querySelector("#regrouped-text")!.textContent === "");
    await tab.says("#regrouped-text", /^another text/);
    await tab.press("#kv-heads", "Home");
    await tab.says("#regrouped-title", /^Regrouped$/);
  });
});

Deno.test("explorer: the backend is switched while it writes, and the text goes on", async () => {
  await explorer.visit({}, async (visit) => {
    const tab = await visit.open();
    await tab.load();
    await tab.generate("switching", 60);
    const whole = await tab.text("#tokens");
    await tab.slowDown();
    await tab.begin("switching", 60);
    for (const choice of ["scalar", "webgpu-software", "wasm-f32"]) {
      const before = await tab.count();
      await tab.switchTo(choice);
      await tab.says("#difference-says", /logits differ by .* at most .*the same token is most likely/);
      assert(await tab.count() >= before);
      assert(Number((await tab.text("#difference")).replace("e−", "e-")) < 1e-3, await tab.text("#difference"));
    }
    await tab.written();
    assertEquals(await tab.text("#tokens"), whole);
    const rows = await tab.page.locator("#speeds tr").allInnerTexts();
    assert(rows.length >= 2, rows.join("; "));
  });
});

/** Sends the beginning of a model, then nothing, until it is let go. */
function stalling(bytes: Uint8Array<ArrayBuffer>, after: number) {
  const ranges: (string | null)[] = [];
  return {
    ranges,
    first: (request: Request): Response | undefined => {
      if (!request.url.endsWith("/models/tiny.gguf")) return undefined;
      const range = request.headers.get("range");
      if (range === "bytes=0-0" || range === "bytes=0-") return undefined; // asking, and reading the header
      ranges.push(range);
      if (ranges.length > 1) return undefined;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(bytes.subarray(0, after)),
      });
      return new Response(body, { headers: { "content-length": `${bytes.length}`, "accept-ranges": "bytes" } });
    },
  };
}

Deno.test("explorer: a download is cancelled, resumed in another visit, checked, and kept", async () => {
  const half = explorer.bytes.length >> 1;
  const { ranges, first } = stalling(explorer.bytes, half);
  await explorer.visit({ first, models: [explorer.listed({ sha256: SHA256 })] }, async (visit) => {
    const tab = await visit.open();
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await tab.says("#progress-says", new RegExp(`Downloading tiny.gguf ${(half / 1000).toFixed(1)}`));
    await tab.page.click("#cancel");
    await tab.row("tiny.gguf").getByRole("button", { name: "Resume" }).waitFor();
    assert(
      (await tab.row("tiny.gguf").innerText()).replace("\u00a0", " ").includes(`${(half / 1000).toFixed(1)} kB of`),
    );
    await tab.page.close();
    const again = await visit.open();
    await again.load();
    assertEquals(ranges, [null, `bytes=${half}-`]);
    await again.generate("resumed", 4);
    await again.page.close();
    const third = await visit.open();
    await third.load(); // without asking the server for anything
    assertEquals(ranges.length, 2);
  });
});

Deno.test("explorer: a download that is not the file it should be is told, and not kept", async () => {
  await explorer.visit({ models: [explorer.listed({ sha256: "0".repeat(64) })] }, async (visit) => {
    const tab = await visit.open();
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await tab.says("#problem", /Cannot use tiny.gguf: its SHA-256 is not the one it should have/);
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).waitFor();
    assertEquals(await tab.page.locator("#model-list li").count(), 1);
  });
});

Deno.test("explorer: chosen files open at once, and corrupt ones are told and not kept", async () => {
  await explorer.visit({ models: [] }, async (visit) => {
    const tab = await visit.open();
    const choose = async (name: string, bytes: Uint8Array): Promise<void> => {
      await tab.page.setInputFiles("#files", {
        name,
        mimeType: "application/octet-stream",
        buffer: Buffer.from(bytes),
      });
    };
    await choose("cut.gguf", explorer.bytes.subarray(0, explorer.bytes.length - 100));
    await tab.says("#problem", /Cannot read cut.gguf: tensor .* truncated or corrupt/);
    await choose("noise.gguf", new Uint8Array(1000));
    await tab.says("#problem", /Cannot read noise.gguf: it is not GGUF/);
    await choose("model.safetensors", new Uint8Array(1000));
    await tab.says("#problem", /config.json is missing/);
    assertEquals(await tab.page.locator("#model-list li:not(.empty)").count(), 0);
    await choose("whole.gguf", explorer.bytes);
    await tab.loaded();
    await tab.generate("from a file", 3);
    await tab.page.close();
    const again = await visit.open();
    await again.load("whole.gguf");
    assertEquals(await again.text("#model-name"), "whole.gguf");
  });
});

/** Promises the small model, and breaks off once the tab has some of it. */
function breakingOff(tab: Tab): Response {
  let isSent = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isSent) {
        await tab.downloading();
        return controller.close();
      }
      isSent = true;
      controller.enqueue(explorer.bytes.subarray(0, 200_000));
    },
  });
  return new Response(body, { headers: { "content-length": `${explorer.bytes.length}` } });
}

Deno.test("explorer: a broken connection is taken up where it broke", async () => {
  const ranges: (string | null)[] = [];
  let tab: Tab | undefined;
  const first = (request: Request): Response | undefined => {
    const range = request.headers.get("range");
    if (!request.url.endsWith("/models/tiny.gguf") || /^bytes=0-/.test(range ?? "")) return undefined;
    ranges.push(range);
    if (ranges.length > 1) return undefined;
    return breakingOff(tab!);
  };
  await explorer.visit({ first, models: [explorer.listed({ sha256: SHA256 })] }, async (visit) => {
    tab = await visit.open();
    await tab.load();
    assertEquals(ranges.length, 2);
    assert(/^bytes=[1-9]\d*-$/.test(ranges[1] ?? ""), `${ranges}`);
    const own = visit.errors.filter((error) => !error.includes("net::ERR_")); // the browser notes each broken connection
    visit.errors.splice(0, Infinity, ...own);
  });
});

Deno.test("explorer: a server that sends no parts, and breaks off each time, is given up", async () => {
  let asked = 0;
  let tab: Tab | undefined;
  const first = (request: Request): Response | undefined => {
    if (!request.url.endsWith("/models/tiny.gguf")) return undefined;
    if (request.headers.has("range")) return new Response(explorer.bytes); // asking: all of it, as it knows no parts
    asked++;
    return breakingOff(tab!);
  };
  await explorer.visit({ first }, async (visit) => {
    tab = await visit.open();
    await tab.row("tiny.gguf").getByRole("button", { name: "Load" }).click();
    await tab.says("#problem", /the connection breaks after .* load it again to begin anew/);
    assert(asked >= 3 && asked < 10, `asked ${asked} times`);
    visit.errors.splice(0, Infinity, ...visit.errors.filter((error) => !error.includes("net::ERR_"))); // as above
  });
});

Deno.test("explorer: a model that is another one by now at its old address is offered, and replaces the one kept", async () => {
  const other = await Deno.makeTempFile({ suffix: ".gguf" });
  const bytes = new Uint8Array([...explorer.bytes, ...new Uint8Array(32)]);
  await Deno.writeFile(other, bytes);
  const listed = { ...explorer.listed({ sha256: SHA256 }) };
  try {
    await explorer.visit({ models: [listed] }, async (visit) => {
      const tab = await visit.open();
      await tab.load();
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      Object.assign(listed, { path: other, byteLength: bytes.length, sha256 });
      await tab.page.reload();
      await tab.row("kept here").waitFor();
      await tab.row("as the server has it now").getByRole("button", { name: "Load" }).click();
      await tab.loaded();
      await tab.page.click("#open-models");
      assertEquals(await tab.page.locator("#model-list li").count(), 1);
      assert((await tab.page.locator("#model-list li").innerText()).includes("kept here"));
    });
  } finally {
    await Deno.remove(other);
  }
});

Deno.test("explorer: of a model without a hash a newer one of the same length is seen by the server's tag", async () => {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  await Deno.writeFile(path, explorer.bytes);
  try {
    await explorer.visit({ models: [{ ...explorer.listed(), path }] }, async (visit) => {
      const tab = await visit.open();
      await tab.load();
      await tab.page.reload();
      await tab.row("kept here").waitFor();
      assertEquals(await tab.page.locator("#model-list li").count(), 1);
      await tab.load();
      await tab.generate("the same", 8);
      const before = await tab.text("#tokens");
      await Deno.writeFile(path, randomGguf(2));
      await Deno.utime(path, 1, 1); // a tag that holds a time sees the change, however soon after
      await tab.page.reload();
      await tab.row("as the server has it now").getByRole("button", { name: "Load" }).click();
      await tab.loaded();
      await tab.generate("the same", 8);
      assertNotEquals(await tab.text("#tokens"), before);
      await tab.page.click("#open-models");
      assertEquals(await tab.page.locator("#model-list li").count(), 1);
    });
  } finally {
    await Deno.remove(path);
  }
});

/** Serves a folder below `/org/model/resolve/main/`, and keeps what it was asked for. */
function serving(folder: string) {
  const asked: string[] = [];
  const first = async (request: Request): Promise<Response | undefined> => {
    const name = /\/org\/model\/resolve\/main\/([^/]+)$/.exec(new URL(request.url).pathname)?.[1];
    if (name === undefined) return undefined;
    asked.push(`${name} ${request.headers.get("range") ?? "all"}`);
    try {
      return await sendFile(request, `${folder}/${name}`);
    } catch {
      return new Response("no", { status: 404 });
    }
  };
  return { asked, first };
}

Deno.test("explorer: a Hugging Face folder is loaded by the address of its weights, and kept", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeSuccessorFolder(folder);
    const { asked, first } = serving(folder);
    await explorer.visit({ first, models: [] }, async (visit) => {
      const tab = await visit.open();
      await tab.page.fill("#url", `${visit.url}org/model/resolve/main/model.safetensors`);
      await tab.page.locator("#url-form button").click();
      await tab.loaded();
      assertEquals(await tab.text("#model-name"), "model");
      await tab.generate("abc", 9);
      assertEquals(await tab.text("#tokens"), "abcdefg"); // h ends it, as tokenizer_config.json says
      assertEquals(asked.filter((what) => what.endsWith(" all")).sort(), [
        "config.json all",
        "model.safetensors all",
        "tokenizer.json all",
        "tokenizer_config.json all",
      ]);
      asked.length = 0;
      await tab.page.close();
      const again = await visit.open();
      await again.load("model");
      await again.generate("abc", 3);
      assertEquals(await again.text("#tokens"), "abcdef");
      assertEquals(asked, []);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("explorer: a Hugging Face folder in shards is loaded by the address of their index", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeShardedFolder(folder);
    const { asked, first } = serving(folder);
    await explorer.visit({ first, models: [] }, async (visit) => {
      const tab = await visit.open();
      await tab.page.fill("#url", `${visit.url}org/model/resolve/main/model.safetensors.index.json`);
      await tab.page.locator("#url-form button").click();
      await tab.loaded();
      await tab.generate("!!#", 5);
      assertEquals(await tab.count(), 8);
      for (const shard of [1, 2, 3]) assert(asked.includes(`model-0000${shard}-of-00003.safetensors all`), `${asked}`);
      await tab.page.close();
      asked.length = 0;
      await (await visit.open()).load("model");
      assertEquals(asked, []);
      visit.errors.splice(0, Infinity, ...visit.errors.filter((error) => !/status of 404/.test(error))); // of the file that need not be
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("explorer: safetensors by address without a tokenizer beside them are told", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeSuccessorFolder(folder);
    await Deno.remove(`${folder}/tokenizer.json`);
    const { asked, first } = serving(folder);
    await explorer.visit({ first, models: [] }, async (visit) => {
      const tab = await visit.open();
      await tab.page.fill("#url", `${visit.url}org/model/resolve/main/model.safetensors`);
      await tab.page.locator("#url-form button").click();
      await tab.says("#problem", /Cannot download tokenizer.json: the server answers 404 .*must lie in one folder/);
      assert(!asked.includes("model.safetensors all"), `${asked}`);
      visit.errors.splice(0, Infinity, ...visit.errors.filter((error) => !/status of 404/.test(error))); // the browser's own line
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("explorer: a Hugging Face folder is chosen as its files, and writes what its tokenizer spells", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeSuccessorFolder(folder);
    await explorer.visit({ models: [] }, async (visit) => {
      const tab = await visit.open();
      const files = await Array.fromAsync(Deno.readDir(folder), ({ name }) => `${folder}/${name}`);
      await tab.page.setInputFiles("#files", files);
      await tab.loaded();
      await tab.generate("abc", 3);
      assertEquals(await tab.text("#tokens"), "abcdef");
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("explorer: a file is dropped on the page", async () => {
  await explorer.visit({ models: [] }, async (visit) => {
    const { page } = await visit.open();
    await page.evaluate((bytes) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(bytes)], "dropped.gguf"));
      document.querySelector("#drop")!.dispatchEvent(
        new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }),
      );
    }, [...explorer.bytes]);
    await page.locator("#model-name").filter({ hasText: "dropped.gguf" }).waitFor();
  });
});
