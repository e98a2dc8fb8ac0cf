/** Every task answers `--help`, and refuses an option that there is none of, before it does anything. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../files.ts";

const TIMEOUT_MS = 60_000; // a task that begins its work is ended

async function runTask(task: string, arg: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", task, arg],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Deno's own commands have a help of their own. */
const programs = Object.entries(config.tasks).filter(([, { command }]) => command.startsWith("deno run "));

for (const [task] of programs) {
  Deno.test(`deno task ${task} says what it takes`, async () => {
    const { code, stdout } = await runTask(task, "--help");
    assertEquals(code, 0);
    assertStringIncludes(stdout, "\n  -h, --help");
    for (const line of stdout.split("\n")) assert(line.length <= 95, line); // terminals are narrow
  });

  Deno.test(`deno task ${task} refuses an option that there is none of`, async () => {
    const { code, stdout, stderr } = await runTask(task, "--nonsense");
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "--nonsense");
    assertStringIncludes(stderr, "Run with --help to see what it takes");
  });
}

Deno.test("a script refuses arguments that it does not take, and values out of range", async () => {
  const refused = async (task: string, arg: string, message: string): Promise<void> => {
    const { code, stderr } = await runTask(task, arg);
    assertEquals(code, 2);
    assertStringIncludes(stderr, message);
  };
  await refused("bundle", "all", 'Cannot take "all": that is an argument too many');
  await refused("conformance", "--filter=x", "Cannot go on without --backend: scalar, wasm or webgpu");
  await refused("conformance", "--backend=wasn", "wasn");
  await refused("test:browser", "--backend=wasn", 'Cannot use --backend "wasn": it must be scalar, wasm, webgpu');
  await refused("test:browser", "--build=fast", 'Cannot use --build "fast": it must be plain or threads');
  await refused("test:browser", "--threads=two", 'Cannot use --threads "two": it must be a whole number of at least 1');
  await refused("bench", "--backend=wasn", "wasn");
  await refused("bench:peers", "--rounds=0", 'Cannot use --rounds "0": it must be a whole number of at least 1');
  await refused("bench:peers", "--in=firefox", 'Cannot use --in "firefox": it must be some of chromium, deno');
  await refused("bench:peers", "--only=nobody", 'Cannot use --only "nobody": it must be some of heed, ');
  await refused("bench:peers", "--backend=scalar", 'Cannot use --backend "scalar": it must be wasm or webgpu');
});
