/** `heed chat` as a program that reads lines: the model knows the alphabet, and its template writes what was said alone. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type SuccessorGguf, successorGguf } from "./successor_model.ts";
import { PLAIN_TEMPLATE } from "./tiny_server.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

function command(args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--allow-read", "--allow-env", MAIN, "chat", ...args],
    env: { HEED_CACHE: "unused", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

async function withModel(options: SuccessorGguf, run: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf({ chatTemplate: PLAIN_TEMPLATE, ...options }));
    await run(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the program writes when it is given these lines, and nothing after them. */
async function chat(
  path: string,
  lines: string,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const child = command(["--model", path, "--backend", "scalar", ...args]).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(lines)).then(() => writer.close()).catch(() => {}); // it may end first
  const { code, stdout, stderr } = await child.output();
  await written;
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("a line is a message, and its answer goes on from all that was said", async () => {
  await withModel({}, async (path) => {
    assertEquals(await answers(path, "abc\n\na\nef"), ["defg", "bcdefg", "g"]);
    assertEquals(await answers(path, "abc\na\n", "--system", "d"), ["defg", "bcdefg"]);
    assertEquals(await answers(path, "abc\na\n", "--max-tokens", "2"), ["de", "bc"]);
    assertEquals(await answers(path, ""), []);
  });
  const counting = "{{ 'abcdefgh'[messages | length] }}"; // b after one message, d after three, f after five
  await withModel({ chatTemplate: counting }, async (path) => {
    assertEquals(await answers(path, "x\ny\nz\n/clear\nx\n", "--max-tokens", "1"), ["c", "e", "g", "c"]);
    assertEquals(await answers(path, "x\ny\n", "--max-tokens", "1", "--system", "s"), ["d", "f"]);
  });
});

async function answers(path: string, lines: string, ...args: string[]): Promise<string[]> {
  const { code, out, err } = await chat(path, lines, ...args);
  assertEquals(code, 0, err);
  assert(out === "" || out.endsWith("\n"), out);
  return out.split("\n").slice(0, -1);
}

Deno.test("commands begin with a slash; what is after /exit is not read", async () => {
  await withModel({}, async (path) => {
    const { code, out, err } = await chat(path, "/help\n/nope\n/nope abc\nabc\n/exit\nabc\n");
    assertEquals([code, out], [0, "defg\n"]);
    assertStringIncludes(err, "/clear  forget what was said");
    assertStringIncludes(err, "There is no /nope; /help shows what there is\n");
    assertStringIncludes(err, "There is no /nope abc; /help shows what there is\n");
  });
});

Deno.test("a context that is full is said, and /clear goes on", async () => {
  await withModel({ contextLength: 10, ends: false }, async (path) => {
    const { code, out, err } = await chat(path, "abcde\na\nabcdefgabcd\n/clear\nab\n", "--max-tokens", "4");
    assertEquals([code, out], [0, "fgha\ncdef\n"]);
    assertStringIncludes(err, "Cut off after 4 tokens: --max-tokens allows more\n");
    assertStringIncludes(
      err,
      "What was said is 10 tokens with this message, and the model's context 10; /clear begins anew\n",
    );
    assertStringIncludes(err, "What was said is 20 tokens with this message, and the model's context 10");
  });
  await withModel({ contextLength: 6, ends: false }, async (path) => {
    const { out, err } = await chat(path, "abc\n");
    assertEquals(out, "defg\n");
    assertStringIncludes(err, "Cut off after 4 tokens: the context of 6 tokens is full; /clear begins anew\n");
  });
});

Deno.test("a message that cannot be read is taken back", async () => {
  await withModel({}, async (path) => {
    const { code, out, err } = await chat(path, "abc\nxyz\na\n");
    assertEquals([code, out], [0, "defg\nbcdefg\n"]);
    assertStringIncludes(err, "Cannot encode ");
  });
});

Deno.test("seeds draw alike, and each turn differently", async () => {
  await withModel({ ends: false, chatTemplate: "abc" }, async (path) => {
    const sampling = ["--temperature", "2", "--max-tokens", "40", "--seed"];
    const [first, again, other] = [
      await answers(path, "x\nx\n", ...sampling, "1"),
      await answers(path, "x\nx\n", ...sampling, "1"),
      await answers(path, "x\n", ...sampling, "2"),
    ];
    assertEquals(again, first);
    assert(first[0] !== first[1], "two turns drew the same 40 tokens");
    assertEquals(other[0], first[1]); // the next turn draws from the next seed
  });
});

Deno.test("an interrupt stops an answer and not the program, and with no answer the program", async () => {
  await withModel({ ends: false, contextLength: 1_000_000 }, async (path) => {
    const child = command(["--model", path, "--backend", "scalar", "--max-tokens", "1000000"]).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let out = "";
    const until = async (found: () => boolean): Promise<void> => {
      while (!found()) {
        const { done, value } = await reader.read();
        assert(!done, `it ended after ${out.length} characters`);
        out += value;
      }
    };
    const writer = child.stdin.getWriter();
    const say = async (line: string): Promise<void> => await writer.write(new TextEncoder().encode(`${line}\n`));
    await say("abc");
    await until(() => out.startsWith("defghabcdefg"));
    child.kill("SIGINT");
    await until(() => out.endsWith("\n"));
    out = "";
    await say("/clear");
    await say("bcd");
    await until(() => out.startsWith("efghabcdefg"));
    child.kill("SIGINT");
    await until(() => out.endsWith("\n"));
    child.kill("SIGINT");
    const stderr = new Response(child.stderr).text();
    const { code, signal } = await child.status;
    assertEquals([code, signal], [130, null]);
    assert(!(await stderr).includes("heed:"), await stderr);
    await writer.close().catch(() => {});
    await reader.cancel();
  });
});

Deno.test("a model without a template is refused before it is loaded", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf());
    const { code, out, err } = await chat(path, "abc\n");
    assertEquals([code, out], [1, ""]);
    assertStringIncludes(err, "heed: Cannot render the chat: the model has no chat template");
    assert(!err.includes("Loading"), err);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a wrong command line is refused", async () => {
  for (const [args, message] of [[["hello"], "chat reads messages from stdin"], [["--seed", "x"], "--seed"]] as const) {
    const { code, err } = await chat("unused", "", ...args);
    assertEquals(code, 2);
    assertStringIncludes(err, message);
  }
});
