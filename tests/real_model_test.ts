/**
 * A real model, SmolLM2-135M-Instruct in Q4_1, against transformers on the same weights: header, tokens, logits, greedy
 * text, perplexity, memory. The file is fetched once into the cache folder; a test that cannot have it fails.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { locateHere } from "../apps/cli/src/locate_here.ts";
import { openModel } from "../apps/cli/src/open_model.ts";
import { DEFAULT_MODEL } from "../apps/cli/src/pinned_models.ts";
import {
  createBackend,
  generate,
  type LlamaForCausalLM,
  loadModel,
  loadTensor,
  tokenizerFromGguf,
} from "../packages/heed/mod.ts";
import { fromFileUrl } from "../scripts/files.ts";
import { BACKENDS, type TestedBackend } from "./backends.ts";
import { assertNear, logitsOf, readGroup, rowsOf, stored } from "./vectors.ts";

const GROUP = await readGroup("real_model");
const PATH = await locateHere(DEFAULT_MODEL);
const OPENED = await openModel(PATH);
const TOKENIZER = tokenizerFromGguf(OPENED.file.metadata);

Deno.test.afterAll(() => OPENED[Symbol.dispose]());

/** Runs with the model on a backend, of which nothing may be left then. */
async function withModel(
  { name, options }: TestedBackend,
  run: (model: LlamaForCausalLM) => Promise<void>,
): Promise<void> {
  const backend = await createBackend(name, options);
  {
    using model = await loadModel({ file: OPENED.file }, { backend });
    await run(model);
  }
  assertEquals(backend.memory.liveStorages, 0);
  backend.dispose();
}

function casesOf(op: string, count: number): typeof GROUP.cases {
  const cases = GROUP.cases.filter((golden) => golden.op === op);
  assertEquals(cases.length, count);
  return cases;
}

Deno.test("real model: the header says what the gguf package reads from it", () => {
  const { attrs } = casesOf("gguf_metadata", 1)[0]!;
  const { metadata, tensors } = OPENED.file;
  const wanted = Object.entries(Object(attrs.raw("metadata")));
  assertEquals(
    wanted.map(([key]) => [key, metadata.get(key)]),
    wanted.map(([key, value]) => [key, rounded(key, value)]),
  );
  const counts: Record<string, number> = {};
  for (const { dtype } of tensors.values()) counts[dtype.toUpperCase()] = (counts[dtype.toUpperCase()] ?? 0) + 1;
  assertEquals<unknown>(counts, attrs.raw("tensor_types"));
  assertEquals(tensors.size, attrs.number("tensor_count"));
  assertEquals(TOKENIZER.vocabSize, attrs.number("n_tokens"));
  assertEquals(Array.from(Object(metadata.get("tokenizer.ggml.merges"))).length, attrs.number("n_merges"));
  const special = Array.from({ length: TOKENIZER.vocabSize }, (_, id) => id)
    .filter((id) => TOKENIZER.decode([id], { skipSpecial: true }) === "" && TOKENIZER.decode([id]) !== "");
  assertEquals(special, attrs.numbers("special_token_ids"));
});

/** The file has this number as f32. */
function rounded(key: string, value: unknown): unknown {
  return key.endsWith("_epsilon") ? Math.fround(Number(value)) : value;
}

Deno.test("real model: rows and sums of dequantised weights are those of the gguf package", async () => {
  const backend = await createBackend("scalar");
  for (const golden of casesOf("gguf_tensor_row", 3)) {
    using weight = await loadTensor(OPENED.file, golden.attrs.text("tensor")!, { backend });
    assertEquals([...weight.shape], golden.attrs.numbers("shape"));
    assertEquals(weight.dtype, golden.attrs.text("type")!.toLowerCase());
    using values = weight.to("f32");
    using row = values.select(0, golden.attrs.number("row"));
    assertNear(await row.data(), stored(GROUP, golden, "row").values, golden.tolerance, golden.name);
    using sum = values.sum();
    assertNear(await sum.data(), stored(GROUP, golden, "sum").values, { rtol: 1e-3, atol: 0 }, golden.name);
  }
});

Deno.test("real model: texts give the reference's ids, and ids their texts", () => {
  for (const golden of casesOf("tokenize", 73)) {
    const text = golden.attrs.text("text")!;
    const ids = [...stored(GROUP, golden, "ids").values];
    assertEquals(TOKENIZER.encode(text), ids, golden.name);
    assertEquals(
      TOKENIZER.encode(text, { parseSpecial: false }),
      [...stored(GROUP, golden, "ids_plain").values],
      golden.name,
    );
    assertEquals(TOKENIZER.decode(ids), golden.attrs.text("decoded"), golden.name);
  }
  for (const golden of casesOf("chat_template", 6)) {
    const ids = [...stored(GROUP, golden, "ids").values];
    assertEquals(TOKENIZER.encode(golden.attrs.text("text")!), ids, golden.name);
    assertEquals(TOKENIZER.decode(ids), golden.attrs.text("text"), golden.name);
  }
});

/** Logits of the prompt and its continuation, then the continuation itself. */
async function checkGreedy(model: LlamaForCausalLM, golden: (typeof GROUP.cases)[number]): Promise<void> {
  const prompt = TOKENIZER.encode(golden.attrs.text("prompt")!);
  assertEquals([prompt], rowsOf(stored(GROUP, golden, "input_ids")));
  const greedy = [...stored(GROUP, golden, "greedy").values];
  const topLogits = stored(GROUP, golden, "top_logits");
  const topIds = rowsOf(stored(GROUP, golden, "top_ids"));
  using cache = model.createCache();
  const logits = await logitsOf(model, [...prompt, ...greedy].slice(0, topIds.length), cache);
  const vocabSize = model.config.vocabSize;
  const rows = topIds.map((_, i) => logits.subarray(i * vocabSize, (i + 1) * vocabSize));
  const tops = topIds.flatMap((ids, i) => ids.map((id) => rows[i]![id]!));
  assertNear(tops, topLogits.values, golden.tolerance, "top_logits");
  assertNear(rows.map(logSumExp), stored(GROUP, golden, "logsumexp").values, golden.tolerance, "logsumexp");

  cache.truncate(Math.min(cache.length, prompt.length - 1)); // generation goes on from what is cached of the prompt
  const options = { temperature: 0, maxTokens: greedy.length, ignoreEnd: true, cache };
  const got: number[] = [];
  let text = "";
  for await (const token of generate(model, TOKENIZER, prompt.slice(cache.length), options)) {
    got.push(token.id);
    text += token.text;
  }
  const gaps = stored(GROUP, golden, "gaps").values;
  const first = got.findIndex((id, i) => id !== greedy[i]);
  assertEquals(got, greedy, `the first wrong token has a gap of ${gaps[first]}`); // every gap is above 0.02
  assertEquals(text, golden.attrs.text("greedy_text"));
}

for (const backend of BACKENDS) {
  Deno.test(`real model, ${backend.title}: logits and 48 greedy tokens are those of transformers`, async (t) => {
    await withModel(backend, async (model) => {
      for (const golden of casesOf("greedy_continuation", 4)) {
        await t.step(golden.name, () => checkGreedy(model, golden));
      }
    });
  });
}

function logSumExp(row: Float32Array): number {
  const most = row.reduce((a, b) => Math.max(a, b));
  return most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
}

/** Negative log-likelihoods of a text's tokens after the first. */
async function likelihoods(model: LlamaForCausalLM, ids: readonly number[]): Promise<number[]> {
  const nll: number[] = [];
  using cache = model.createCache();
  while (nll.length < ids.length - 1) { // in pieces, whose logits are small enough to hold
    const start = cache.length;
    const piece = ids.slice(start, Math.min(start + 128, ids.length - 1));
    const logits = await logitsOf(model, piece, cache);
    const vocabSize = model.config.vocabSize;
    for (let i = 0; i < piece.length; i++) {
      const row = logits.subarray(i * vocabSize, (i + 1) * vocabSize);
      nll.push(logSumExp(row) - row[ids[start + i + 1]!]!);
    }
  }
  return nll;
}

function perplexity(nll: readonly number[]): number {
  return Math.exp(nll.reduce((sum, x) => sum + x, 0) / nll.length);
}

for (const backend of BACKENDS) {
  Deno.test(`real model, ${backend.title}: the perplexity of a text is that of transformers`, async () => {
    const golden = casesOf("perplexity", 1)[0]!;
    const ids = TOKENIZER.encode(golden.attrs.text("text")!);
    assertEquals([ids], rowsOf(stored(GROUP, golden, "input_ids")));
    await withModel(backend, async (model) => {
      const nll = await likelihoods(model, ids);
      assertNear(nll, stored(GROUP, golden, "nll").values, golden.tolerance, "nll");
      assertAlmostEquals(perplexity(nll), golden.attrs.number("perplexity"), 0.01);
    });
  });
}

for (const build of ["plain", "threads"] as const) {
  Deno.test(`real model, wasm ${build} with int8 activations: perplexity is within 0.5 % of the exact one`, async () => {
    const golden = casesOf("perplexity", 1)[0]!;
    const ids = TOKENIZER.encode(golden.attrs.text("text")!);
    const exact = golden.attrs.number("perplexity");
    const backend = { title: "", name: "wasm", options: { build, matmulActivations: "int8" } } as const;
    await withModel(backend, async (model) => {
      assertAlmostEquals(perplexity(await likelihoods(model, ids)), exact, 0.005 * exact);
    });
  });
}

Deno.test("real model: loading it and generating 8 tokens stays under 600 MB of resident memory", async () => {
  const script = fromFileUrl(new URL("./peak_memory.ts", import.meta.url));
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", script, PATH], env: { NO_COLOR: "1" } });
  const { stdout, stderr, success } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  const peak = Number(new TextDecoder().decode(stdout));
  assert(peak > 98_362_432 && peak < 600e6, `${peak} bytes were resident`); // the weights alone are 98 MB
});
