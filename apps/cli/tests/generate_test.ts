import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { successorGguf, writeSuccessorFolder } from "./successor_model.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

function command(args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--allow-read", "--allow-env", MAIN, "generate", ...args],
    env: { HEED_CACHE: "unused", NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
}

async function generate(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await command(args).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("text goes to stdout up to the end token, speeds and the cache's size to stderr", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf());
    const { code, stdout, stderr } = await generate(["--model", path, "--backend", "scalar", "--check-weights", "abc"]);
    assertEquals([code, stdout], [0, "defg\n"], stderr);
    assertStringIncludes(stderr, "Checking weights: 100% of ");
    assertStringIncludes(stderr, "Loading: 100% of ");
    assertMatch(stderr, /\nprompt: 3 tokens in \d/);
    assertMatch(stderr, /\ntext: 3 tokens in \d/);
    // 3 + 4 tokens of one layer's 4 keys and 4 values in f32; buffers begin with room for 64 tokens
    assertMatch(stderr, /\nkey\/value cache: 7 tokens of 32 bytes, 2.0 kB with room for more\n$/);
  });
});

Deno.test("a Hugging Face folder has its tokenizer beside the weights", async () => {
  await withFolder(async (folder) => {
    await writeSuccessorFolder(folder);
    const { code, stdout, stderr } = await generate(["--model", folder, "--max-tokens", "2", "abc"]);
    assertEquals([code, stdout], [0, "de\n"], stderr);
    await Deno.writeTextFile(join(folder, "tokenizer_config.json"), "{");
    const notJson = await generate(["--model", folder, "abc"]);
    assertEquals([notJson.code, notJson.stdout], [1, ""]);
    assertMatch(notJson.stderr, /heed: Cannot read .*tokenizer_config.json: it is not JSON \(.*\)\n$/);
    await Deno.remove(join(folder, "tokenizer.json"));
    const without = await generate(["--model", folder, "abc"]);
    assertEquals([without.code, without.stdout], [1, ""]);
    assertMatch(without.stderr, /heed: Cannot write text with .*: it has no tokenizer.json\n$/);
  });
});

Deno.test("a seed draws the same text again, and another seed another", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf({ ends: false }));
    const draw = async (seed: number): Promise<string> => {
      const sampling = ["--temperature", "2", "--seed", `${seed}`, "--max-tokens", "40"];
      return (await generate(["--model", path, ...sampling, "abc"])).stdout;
    };
    const [first, again, other] = await Promise.all([draw(1), draw(1), draw(2)]);
    assertEquals(first.length, 41);
    assertEquals(again, first);
    assert(other !== first, "seeds 1 and 2 drew the same 40 tokens");
  });
});

Deno.test("what cannot be done is one line on stderr and code 1", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf({ norm: NaN, contextLength: 4 }));
    const fails = async (args: string[], message: string): Promise<void> => {
      const { code, stdout, stderr } = await generate(["--model", path, ...args]);
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, message);
      assert(!stderr.includes("    at "), stderr);
    };
    await fails(["--check-weights", "abc"], 'heed: Cannot use model.gguf: tensor "output_norm.weight" is NaN at [0]\n');
    const tooLong = "heed: Cannot go on from a prompt of 5 tokens: the model's context holds 4; shorten the prompt\n";
    await fails(["abcde"], tooLong);
    await fails(["xyz"], "heed: ");
    assertEquals((await generate(["--model", path, "abcde"])).stderr, tooLong); // and nothing was loaded
    await writeSuccessorFolder(folder);
    assertStringIncludes((await generate(["--model", folder, "abc".repeat(100)])).stderr, "a prompt of 300 tokens");
  });
});

Deno.test("a backend that there is none of is refused before the model is looked for", async () => {
  const { code, stdout, stderr } = await generate(["--model", "no/such/model", "--backend", "wsam", "abc"]);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^heed: Cannot use --backend "wsam": it must be auto, or some of webgpu, wasm, scalar /);
});

Deno.test("a software adapter is taken where that is asked for, and the option named where it is not", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  assert(adapter !== null, "there is no adapter: run `deno task setup`");
  await withFolder(async (folder) => {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf());
    const onWebGpu = ["--model", path, "--backend", "webgpu"];
    assertEquals((await generate([...onWebGpu, "--software-adapter", "abc"])).stdout, "defg\n");
    if (!adapter.info.isFallbackAdapter) return;
    const without = await generate([...onWebGpu, "abc"]);
    assertEquals([without.code, without.stdout], [1, ""]);
    assertStringIncludes(without.stderr, "; give --software-adapter to use it all the same\n");
    const next = await generate(["--model", path, "--backend", "webgpu,scalar", "abc"]);
    assertEquals([next.code, next.stdout], [0, "defg\n"]);
    assertStringIncludes(next.stderr, "; give --software-adapter to use it all the same\n");
  });
});

Deno.test("an interrupt, a request to terminate and a reader that leaves end the text with a code, and nothing said", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.gguf");
    await Deno.writeFile(path, successorGguf({ ends: false, contextLength: 1_000_000 }));
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], [undefined, 0]] as const) {
      const child = command(["--model", path, "--max-tokens", "1000000", "abc"]).spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      assert("defgh".startsWith(((await reader.read()).value ?? "none").slice(0, 5)));
      if (signal === undefined) await reader.cancel();
      else child.kill(signal);
      const [status, stderr] = await Promise.all([
        child.status,
        new Response(child.stderr).text(),
        (async () => {
          while (!(await reader.read()).done);
        })(),
      ]);
      assertEquals([status.code, status.signal], [code, null], stderr);
      assert(!stderr.includes("heed:"), stderr);
    }
  });
});
