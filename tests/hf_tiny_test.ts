/** Tiny Hugging Face checkpoints, whole and in shards: what transformers computes with them, Heed computes. */
import { assertEquals } from "@std/assert";
import { openModel } from "../apps/cli/src/open_model.ts";
import type { GoldenCase } from "../packages/conformance/src/golden/manifest.ts";
import type { VectorGroup } from "../packages/conformance/src/golden/vector_group.ts";
import { type Backend, createBackend, generate, type LlamaForCausalLM, loadModel } from "../packages/heed/mod.ts";
import { idTokenizer } from "../packages/text/tests/id_tokenizer.ts";
import { BACKENDS } from "./backends.ts";
import { assertNear, logitsOf, readGroup, rowsOf, stored, VECTORS } from "./vectors.ts";

const GROUP = await readGroup(
  "llama",
  ({ name, inputs }) => /^(un)?tied_/.test(name) && inputs["attention_mask"] === undefined,
);

type Check = (group: VectorGroup, golden: GoldenCase, model: LlamaForCausalLM) => Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  causal_lm: async (group, golden, model) => {
    const want = rowsOf(stored(group, golden, "logits")).flat();
    const got = await Promise.all(rowsOf(stored(group, golden, "input_ids")).map((ids) => logitsOf(model, ids)));
    assertNear(got.flatMap((logits) => [...logits]), want, golden.tolerance, golden.name);
  },
  causal_lm_cached: async (group, golden, model) => {
    const schedule = golden.attrs.numbers("schedule");
    const got: number[] = [];
    for (const ids of rowsOf(stored(group, golden, "input_ids"))) {
      using cache = model.createCache();
      for (const count of schedule) {
        got.push(...await logitsOf(model, ids.slice(cache.length, cache.length + count), cache));
      }
    }
    assertNear(got, stored(group, golden, "logits").values, golden.tolerance, golden.name);
  },
  generate_greedy: async (group, golden, model) => {
    const end = golden.attrs.raw("eos_token_id");
    const ends = typeof end === "number" ? [end] : [];
    const prompts = rowsOf(stored(group, golden, "input_ids"));
    const want = rowsOf(stored(group, golden, "sequences"));
    for (const [i, prompt] of prompts.entries()) {
      const options = { temperature: 0, maxTokens: golden.attrs.number("max_new_tokens") };
      const sequence = [...prompt];
      const tokenizer = idTokenizer(model.config.vocabSize, ends);
      for await (const { id } of generate(model, tokenizer, prompt, options)) sequence.push(id);
      assertEquals(sequence, untilEnd(want[i]!, prompt.length, ends), golden.name);
    }
  },
};

/** The reference keeps the end token, and pads after it; `generate` yields neither. */
function untilEnd(sequence: readonly number[], start: number, ends: readonly number[]): number[] {
  const end = sequence.findIndex((id, i) => i >= start && ends.includes(id));
  return sequence.slice(0, end < 0 ? sequence.length : end);
}

async function loadFolder(folder: string, backend: Backend): Promise<LlamaForCausalLM> {
  using opened = await openModel(`${VECTORS}/${folder}`);
  return await loadModel({ file: opened.file, config: opened.config }, { backend });
}

const FOLDERS = [["hf_tiny", "untied_"], ["hf_tiny_sharded", "tied_"]] as const;

for (
  const { title, name, options, folder, prefix } of BACKENDS.flatMap((it) =>
    FOLDERS.map(([folder, prefix]) => ({ ...it, folder, prefix }))
  )
) {
  Deno.test(`${folder}, ${title}: logits, cached schedules and greedy sequences are those of transformers`, async () => {
    const backend = await createBackend(name, options);
    const ops = new Set<string>();
    {
      using model = await loadFolder(folder, backend);
      for (const golden of GROUP.cases.filter(({ name }) => name.startsWith(prefix))) {
        await CHECKS[golden.op]!(GROUP, golden, model);
        ops.add(golden.op);
      }
    }
    assertEquals([...ops].sort(), Object.keys(CHECKS).sort());
    assertEquals(backend.memory.liveStorages, 0);
    backend.dispose();
  });
}

Deno.test("hf_tiny: 200 generated tokens leave as much behind as 20", async () => {
  const backend = await createBackend("scalar");
  using model = await loadFolder("hf_tiny", backend);
  using cache = model.createCache();
  const tokenizer = idTokenizer(model.config.vocabSize);
  const alive: number[] = [];
  let step = 0;
  for await (const _ of generate(model, tokenizer, [1, 5, 9], { temperature: 0, maxTokens: 200, cache })) {
    if (++step === 20 || step === 200) alive.push(backend.memory.liveStorages);
  }
  assertEquals(alive[1], alive[0], "between two steps");
  assertEquals(backend.memory.liveStorages, model.parameters().size + 8, "at the end"); // keys and values of 4 layers
});
