/** `heed serve` as a program: what it says, what it serves, and how it ends. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type SuccessorGguf, successorGguf } from "./successor_model.ts";
import { PLAIN_TEMPLATE } from "./tiny_server.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

function command(args: readonly string[], env: Record<string, string> = {}): Deno.Command {
  const allow = ["--allow-read", "--allow-env", "--allow-net"];
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", ...allow, MAIN, "serve", ...args],
    env: { HEED_CACHE: "unused", NO_COLOR: "1", HEED_API_KEY: "", ...env },
    stdout: "piped",
    stderr: "piped",
  });
}

/** A program that serves, once it has said where. */
interface Served {
  readonly url: string;
  kill(signal: Deno.Signal): void;
  /** How it ended, and all it said. */
  ended(): Promise<{ code: number; err: string }>;
}

async function served(args: readonly string[], env: Record<string, string> = {}): Promise<Served> {
  const child = command(["--port", "0", "--backend", "scalar", ...args], env).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let err = "";
  const more = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    err += value ?? "";
    return !done;
  };
  while (!/ \(Ctrl-C ends it\)\n/.test(err)) assert(await more(), err);
  return {
    url: /on (http:\S+\/) /.exec(err)![1]!,
    kill: (signal) => child.kill(signal),
    ended: async () => {
      while (await more());
      await child.stdout.cancel();
      return { code: (await child.status).code, err };
    },
  };
}

async function withModel(options: SuccessorGguf, run: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf({ chatTemplate: PLAIN_TEMPLATE, ...options }));
    await run(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const COMPLETION = { model: "model.gguf", prompt: "abc", temperature: 0 };

async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  const all = { "content-type": "application/json", ...headers };
  return await fetch(`${url}v1/completions`, { method: "POST", headers: all, body: JSON.stringify(body) });
}

Deno.test("it serves the API, the model's file and the explorer, and ends at an interrupt with 130", async () => {
  await withModel({}, async (path, folder) => {
    await Deno.mkdir(join(folder, "explorer"));
    await Deno.writeTextFile(join(folder, "explorer", "index.html"), "the explorer");
    const server = await served(["--model", path, "--explorer", join(folder, "explorer")]);
    assertMatch(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assertEquals((await (await post(server.url, COMPLETION)).json()).choices[0].text, "defg");
    const page = await fetch(server.url);
    assertEquals([await page.text(), page.headers.get("cross-origin-embedder-policy")], [
      "the explorer",
      "require-corp",
    ]);
    const [entry] = await (await fetch(`${server.url}models.json`)).json();
    const file = await (await fetch(new URL(entry.url, server.url))).bytes();
    assertEquals([entry.name, entry.byteLength, file], ["model.gguf", file.length, await Deno.readFile(path)]);
    server.kill("SIGINT");
    const { code, err } = await server.ended();
    assertEquals(code, 130);
    assert(!err.includes("heed:"), err);
  });
});

Deno.test("asked to terminate, it ends running answers with an error, and with code 0", async () => {
  await withModel({ ends: false, contextLength: 1_000_000 }, async (path) => {
    const server = await served(["--model", path, "--max-tokens", "1000000"]);
    const response = await post(server.url, { ...COMPLETION, max_tokens: 1_000_000, stream: true });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? "";
    server.kill("SIGTERM");
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) text += value;
    const events = text.trimEnd().split("\n\n");
    assertEquals(JSON.parse(events.at(-1)!.slice("data: ".length)).error.code, "server_stopping");
    const { code, err } = await server.ended();
    assertEquals(code, 0, err);
    assert(!err.includes("heed:"), err);
  });
});

Deno.test("a key comes from the environment too, and pages then do not get the model's file", async () => {
  await withModel({}, async (path) => {
    const server = await served(["--model", path], { HEED_API_KEY: "secret" });
    const without = await post(server.url, COMPLETION);
    assertEquals(without.status, 401);
    await without.body?.cancel();
    const with_ = await post(server.url, COMPLETION, { authorization: "Bearer secret" });
    assertEquals((await with_.json()).choices[0].finish_reason, "stop");
    assertEquals(await (await fetch(`${server.url}models.json`)).json(), []);
    assertEquals(await (await fetch(`${server.url}models/model.gguf`)).text(), "Not found\n");
    server.kill("SIGINT");
    assertEquals((await server.ended()).code, 130);
  });
});

Deno.test("beyond loopback it warns, and says whether a key is asked", async () => {
  await withModel({}, async (path) => {
    for (
      const [key, message] of [[[], "there, and no key is asked of them\n"], [
        ["--api-key", "k"],
        "reach it there\n",
      ]] as const
    ) {
      const server = await served(["--model", path, "--host", "0.0.0.0", ...key]);
      await (await fetch(server.url.replace("0.0.0.0", "127.0.0.1"))).text(); // by now it has said all
      server.kill("SIGINT");
      const { err } = await server.ended();
      assertStringIncludes(err, message);
    }
  });
});

Deno.test("what cannot be served is refused", async () => {
  const refuses = async (args: readonly string[], code: number, message: string): Promise<void> => {
    const ended = await command(args).output();
    const err = new TextDecoder().decode(ended.stderr);
    assertEquals([ended.code, err.includes("    at ")], [code, false], err);
    assertStringIncludes(err, message);
  };
  await refuses(["--port", "65536"], 2, "--port");
  await refuses(["--queue", "-1"], 2, "--queue");
  await refuses(["--api-key", ""], 2, "Cannot use an empty --api-key");
  await refuses(["--api-key", "schlüssel"], 2, "Cannot use this API key");
  await refuses(["--allow-origin", "https://a.example/path"], 2, 'Cannot use --allow-origin "https://a.example/path"');
  await refuses(["--allow-origin", "*"], 2, "Cannot use --allow-origin");
  await refuses(["model.gguf"], 2, 'Cannot take "model.gguf": serve has options only');
  await withModel({}, async (path) => {
    const tiny = ["--model", path, "--backend", "scalar"];
    await refuses([...tiny, "--explorer", "no/such/folder"], 1, "Cannot serve the explorer from no/such/folder");
    const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await refuses(
      [...tiny, "--port", `${taken.addr.port}`],
      1,
      `Cannot listen on 127.0.0.1, port ${taken.addr.port}: `,
    );
    taken.close();
  });
});
