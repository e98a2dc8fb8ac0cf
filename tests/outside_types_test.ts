/**
 * Heed's types hold in a project of other compiler options than its own: a program in an empty folder, without a
 * configuration, imports everything and type-checks.
 */
import { assert } from "@std/assert";
import { ROOT } from "../scripts/files.ts";

const PROGRAM = `
import * as heed from "${new URL(`file://${ROOT}packages/heed/mod.ts`)}";
const backend: heed.Backend = await heed.createBackend("scalar");
const a: heed.Tensor = heed.tensor([[1, 2], [3, 4]], { backend });
const optimizer: heed.SGD = new heed.SGD([a.requiresGrad_()], { learningRate: 0.1 });
optimizer.step();
`;

Deno.test("a program without Heed's compiler options type-checks", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["check", "--no-config", "--no-lock", "main.ts"],
      cwd: folder,
      env: { NO_COLOR: "1" },
    });
    const { success, stderr } = await command.output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
