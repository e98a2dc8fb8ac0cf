import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../src/errors.ts";
import { GENERATE_HELP, parseGenerate } from "../src/generate_options.ts";
import { DEFAULT_MODEL } from "../src/pinned_models.ts";
import { showTiming, streamText } from "../src/stream_text.ts";

Deno.test("a prompt alone is greedy, with the default model", () => {
  assertEquals(parseGenerate(["The capital of France is"]), {
    prompt: "The capital of France is",
    model: DEFAULT_MODEL,
    maxTokens: 128,
    sampling: { temperature: 0 },
    softwareAdapter: false,
    checkWeights: false,
  });
});

Deno.test("every option arrives", () => {
  const line =
    "--model m.gguf --backend webgpu,scalar --activations f32 --max-tokens 5 --temperature 0.7 --top-k 40 --top-p 0.9 --seed 3";
  assertEquals(parseGenerate([...line.split(" "), "--software-adapter", "--check-weights", "Hi"]), {
    prompt: "Hi",
    model: "m.gguf",
    backends: ["webgpu", "scalar"],
    activations: "f32",
    maxTokens: 5,
    sampling: { temperature: 0.7, topK: 40, topP: 0.9, seed: 3 },
    softwareAdapter: true,
    checkWeights: true,
  });
});

Deno.test("help needs no prompt and lists every option", () => {
  assertEquals(parseGenerate(["--help"]), "help");
  for (
    const name of [
      "model",
      "backend",
      "software-adapter",
      "activations",
      "max-tokens",
      "temperature",
      "top-k",
      "top-p",
      "seed",
      "check-weights",
    ]
  ) {
    assertStringIncludes(GENERATE_HELP, `  --${name} `);
  }
});

Deno.test("what cannot be meant is a usage error", () => {
  const bad = (args: string[], message: string): UsageError =>
    assertThrows(() => parseGenerate(args), UsageError, message);
  bad([], "Cannot go on without one prompt");
  bad([""], "Cannot go on without one prompt: what was given is empty");
  bad(["a", "--model", ""], "Cannot use an empty --model: it must be a path, a URL or a known name");
  bad(
    ["The", "capital"],
    'Cannot take "capital" after "The": only one prompt is wanted; put text with spaces in quotes',
  );
  bad(["a", "--max-tokens", "0"], 'Cannot use --max-tokens "0": it must be a whole number of at least 1');
  bad(["a", "--temperature=-1"], 'Cannot use --temperature "-1": it must be a number of at least 0');
  bad(["a", "--top-k", "0"], 'Cannot use --top-k "0"');
  bad(["a", "--top-p", "1.1"], 'Cannot use --top-p "1.1": it must be a number from 0 to 1');
  bad(["a", "--seed", "x"], 'Cannot use --seed "x"');
  bad(["a", "--activations", "int4"], 'Cannot use --activations "int4": it must be int8 or f32');
  bad(["a", "--activations", "int8", "--backend", "scalar"], 'Cannot use --activations "int8" with --backend "scalar"');
  const known = "it must be auto, or some of webgpu, wasm, scalar with commas between them";
  bad(["a", "--backend", "scalar,"], `Cannot use --backend "scalar,": ${known}`);
  bad(["a", "--backend", "wasm,wegbpu"], `Cannot use --backend "wasm,wegbpu": ${known}`);
  bad(["a", "--software-adapter", "--backend", "wasm"], "Cannot use --software-adapter without --backend webgpu");
  bad(["a", "--software-adapter"], "Cannot use --software-adapter without --backend webgpu");
});

Deno.test("what says how to draw is refused where nothing is drawn", () => {
  for (const [name, value] of [["top-k", "40"], ["top-p", "0.9"], ["seed", "7"]] as const) {
    const message =
      `Cannot use --${name} with --temperature 0, which draws nothing: give a --temperature above 0, such as 0.7`;
    for (const temperature of [[], ["--temperature", "0"]]) {
      assertThrows(() => parseGenerate(["a", `--${name}`, value, ...temperature]), UsageError, message);
    }
    parseGenerate(["a", `--${name}`, value, "--temperature", "0.7"]);
  }
});

Deno.test("text is written as it comes, and prompt and text are timed apart", async () => {
  const times = [0, 2000, 2500, 3000];
  let written = "";
  async function* pieces(): AsyncGenerator<{ text: string }> {
    for (const text of [" Paris", "", "."]) yield await Promise.resolve({ text });
  }
  const timing = await streamText(pieces(), (text) => written += text, () => times.shift() ?? NaN);
  assertEquals(written, " Paris.");
  assertEquals(timing, { prefillMs: 2000, decodeMs: 1000, tokens: 3 });
  assertEquals(showTiming(5, timing, { byteLength: 92_160, bytesPerToken: 46_080, length: 2 }).split("\n"), [
    "prompt: 5 tokens in 2.00 s, 2.5 tokens/s",
    "text: 2 tokens in 1.00 s, 2.0 tokens/s",
    "key/value cache: 2 tokens of 46.1 kB, 92.2 kB with room for more",
  ]);
  const nothing = showTiming(5, { prefillMs: 0, decodeMs: 0, tokens: 0 }, {
    byteLength: 0,
    bytesPerToken: 1,
    length: 0,
  });
  assertStringIncludes(nothing, "text: 0 tokens in 0.00 s\n");
});
