/** `deno task bench` as a program: what it cannot do is said before anything is measured. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";

const BENCH = fileURLToPath(new URL("../../../scripts/bench.ts", import.meta.url));

async function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", BENCH, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("a model that is none is a wrong command line", async () => {
  const refuses = async (path: string, why: string): Promise<void> => {
    const { code, stdout, stderr } = await bench("--model", path);
    assertEquals([code, stdout], [2, ""], stderr);
    assertStringIncludes(stderr, `Cannot use --model "${path}": ${why}`);
    assertStringIncludes(stderr, "; give a GGUF file of a Llama\nRun with --help to see what it takes\n");
  };
  await refuses("no/such.gguf", "Cannot open no/such.gguf: ");
  await refuses(BENCH, "Cannot read bench.ts: it is not GGUF");
});

Deno.test("a filter that no case has ends with code 1", async () => {
  const { code, stdout, stderr } = await bench("--filter", "nonesuch");
  assertEquals([code, stdout, stderr], [1, "", 'No case has "nonesuch" in its name\n']);
});
