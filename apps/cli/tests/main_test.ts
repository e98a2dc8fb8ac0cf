import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isSystemError } from "../src/errors.ts";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./loopback_server.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const VECTORS = fileURLToPath(new URL("../../../packages/conformance/vectors/", import.meta.url));

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function command(args: readonly string[], cache: string): Deno.Command {
  const allow = ["--allow-read", `--allow-write=${join(cache, "models")}`, "--allow-net", "--allow-env"];
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", ...allow, MAIN, ...args],
    env: { HEED_CACHE: cache, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
}

async function heed(args: readonly string[], cache = "unused"): Promise<Ended> {
  const { code, stdout, stderr } = await command(args, cache).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("help and version go to stdout", async () => {
  for (const args of [[], ["--help"], ["-h"]]) {
    const { code, stdout, stderr } = await heed(args);
    assertEquals([code, stderr], [0, ""]);
    for (const name of ["generate PROMPT", "chat", "serve", "inspect MODEL", "convert IN OUT"]) {
      assertStringIncludes(stdout, `\n  ${name} `);
    }
  }
  assertMatch((await heed(["--version"])).stdout, /^heed \d+\.\d+\.\d+ \(deno \d+\.\d+\.\d+\)\n$/);
  for (
    const [name, option] of [["inspect", "--json"], ["chat", "--system TEXT"], ["serve", "--api-key KEY"]] as const
  ) {
    const { code, stdout } = await heed([name, "--help"]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, option);
    for (const line of stdout.split("\n")) assert(line.length <= 95, line); // terminals are narrow
  }
});

Deno.test("a wrong command line ends with code 2, and says on stderr what is wrong", async () => {
  const rejects = async (args: string[], message: string): Promise<void> => {
    const { code, stdout, stderr } = await heed(args);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, message);
    assertStringIncludes(stderr, "Run with --help to see what it takes");
  };
  await rejects(["inspct"], 'heed: Unknown command "inspct"; the commands are ');
  await rejects(["--modle"], 'heed: Unknown option "--modle"');
  await rejects(["inspect", "--jsn", "m"], "heed: Unknown option '--jsn'");
  await rejects(["inspect"], "heed: Cannot go on without one model");
});

Deno.test("what cannot be done ends with code 1, without a stack", async () => {
  const { code, stdout, stderr } = await heed(["inspect", "no/such/model"]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^heed: Cannot find model "no\/such\/model": [^\n]*\n$/);
  const notGguf = await heed(["inspect", join(VECTORS, "README.md")]);
  assertMatch(notGguf.stderr, /^heed: Cannot read README.md: it is not GGUF[^\n]*\n$/);
});

Deno.test("what the system refuses is no fault of the program", async () => {
  const withCode = (code: string): Error => Object.assign(new Error(code), { code });
  for (const code of ["EROFS", "ENOSPC", "EDQUOT", "EIO"]) assert(isSystemError(withCode(code)), code);
  assert(isSystemError(new Deno.errors.PermissionDenied("no")));
  for (const error of [new Error("no"), withCode("ERR_INVALID_ARG_TYPE"), withCode("EBADF"), "ENOSPC"]) {
    assert(!isSystemError(error), String(error));
  }
  const long = "m".repeat(5000); // ENAMETOOLONG: Deno has no class for it either
  const { code, stdout, stderr } = await heed(["inspect", long]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^heed: [^\n]*mmm[^\n]*\n$/);
  assert(!stderr.includes("fault"), stderr);
});

Deno.test("a cache folder that cannot be written to is named, with what to set", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    const refuses = async (cache: string, remedy: string): Promise<void> => {
      const { code, stderr } = await heed(["inspect", "https://example.invalid/m.gguf"], cache);
      assertEquals(code, 1, stderr);
      const start = `heed: Cannot write to the cache folder ${join(cache, "models")}: `;
      assert(stderr.startsWith(start) && stderr.endsWith(`; set HEED_CACHE to ${remedy}\n`), stderr);
    };
    await refuses(file, "a folder that can be written to");
    await refuses(
      join(folder, "a,b"),
      "another folder, without a comma: Deno's list of folders that may be written to ends at one",
    );
    await Deno.mkdir(join(folder, "models"));
    const lock = join(folder, "models", `${await hashOf("https://example.invalid/m.gguf")}-m.gguf.lock`);
    await Deno.mkdir(lock); // what is written first cannot be
    await refuses(folder, "a folder that can be written to");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex().slice(0, 16);
}

Deno.test("inspect prints JSON to stdout, with permissions to read only", async () => {
  const { code, stdout, stderr } = await heed(["inspect", "--json", "--check-weights", join(VECTORS, "hf_tiny")]);
  assertEquals(code, 0);
  const description: Record<string, unknown> = JSON.parse(stdout);
  assertEquals([description["name"], description["groupSize"]], ["hf_tiny", 4]);
  assertStringIncludes(stderr, "Checking weights: 100% of 559.9 kB\n");
  assertStringIncludes(stderr, "All weights are finite\n");
});

Deno.test("an interrupted download leaves its part, and no file under the final name", async () => {
  const cache = await Deno.makeTempDir();
  await using server = serve({ body: new Uint8Array(10_000_000), etag: '"v1"', ranges: true, stallAfter: 5_000_000 });
  const child = command(["inspect", server.url.href], cache).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let log = ""; !log.includes("40% of 10.0 MB");) {
    const { value } = await reader.read();
    assert(value !== undefined, `it ended early: ${log}`);
    log += value;
  }
  child.kill("SIGINT");
  await reader.cancel();
  await child.stdout.cancel();
  assertEquals((await child.status).signal, "SIGINT");
  const names = [...Deno.readDirSync(join(cache, "models"))].map(({ name }) => name.replace(/^[0-9a-f]{16}-/, ""))
    .sort();
  assertEquals(names, ["tiny.gguf.lock", "tiny.gguf.partial", "tiny.gguf.partial.json"]);
  await Deno.remove(cache, { recursive: true });
});
