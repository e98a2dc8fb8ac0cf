/**
 * What `heed convert` writes, others read: the Python package safetensors finds every tensor of the config, and Heed loads the
 * folder and computes with it what it computes with the state dict converted in memory.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openModel } from "../apps/cli/src/open_model.ts";
import {
  type Backend,
  convertHeads,
  createBackend,
  fromStateDict,
  LlamaForCausalLM,
  loadModel,
} from "../packages/heed/mod.ts";
import { ROOT } from "../scripts/files.ts";
import { runPython } from "../scripts/python.ts";
import { logitsOf, VECTORS } from "./vectors.ts";

const IDS = [1, 5, 9, 2, 7];

async function convert(folder: string, output: string, kvHeads: number): Promise<void> {
  const heads = ["--kv-heads", `${kvHeads}`];
  const args = ["run", "-A", `${ROOT}apps/cli/main.ts`, "convert", `${VECTORS}/${folder}`, output, ...heads];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

async function load(folder: string, backend: Backend): Promise<LlamaForCausalLM> {
  using opened = await openModel(folder);
  return await loadModel(opened, { backend });
}

for (
  const [folder, found] of [
    ["hf_tiny", "39 tensors in 1 files are right: 8 heads on 1, F32"],
    ["hf_tiny_sharded", "29 tensors in 3 files are right: 6 heads on 1, F32"],
  ] as const
) {
  Deno.test(`${folder}, converted, is read by safetensors for Python and by Heed`, async () => {
    const scratch = await Deno.makeTempDir();
    try {
      const output = `${scratch}/out`;
      await convert(folder, output, 1);
      const { success, stdout, stderr } = await runPython([`${ROOT}scripts/check_safetensors.py`, output]);
      assertEquals(
        [stdout.trim(), success],
        [found, true],
        `${stderr}; run \`deno task setup\` if something is missing`,
      );

      const backend = await createBackend("scalar");
      using original = await load(`${VECTORS}/${folder}`, backend);
      using written = await load(output, backend);
      const { state, config } = convertHeads(original.stateDict(), original.config, { kvHeads: 1, method: "mean" });
      using converted = new LlamaForCausalLM(config, fromStateDict(state));
      assertEquals(await logitsOf(written, IDS), await logitsOf(converted, IDS));
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  });
}

Deno.test("the check refuses weights of other heads than the config's", async () => {
  const scratch = await Deno.makeTempDir();
  try {
    const config = await Deno.readTextFile(`${VECTORS}/hf_tiny/config.json`);
    await Deno.copyFile(`${VECTORS}/hf_tiny/model.safetensors`, `${scratch}/model.safetensors`);
    await Deno.writeTextFile(`${scratch}/config.json`, config.replace('_value_heads": 2', '_value_heads": 1'));
    const { success, stderr } = await runPython([`${ROOT}scripts/check_safetensors.py`, scratch]);
    assertEquals(success, false);
    assertStringIncludes(stderr, "layers.3.self_attn.v_proj.weight should be F32 [8, 64], found ([16, 64], 'F32')");
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});
