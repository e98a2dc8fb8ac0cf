import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FormatError, ShapeError } from "../../../packages/heed/mod.ts";
import { convertFolder } from "../src/convert_folder.ts";
import { type ConvertRequest, parseConvert } from "../src/convert_options.ts";
import { Interrupted, ModelError, UsageError } from "../src/errors.ts";
import { openModel } from "../src/open_model.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const VECTORS = fileURLToPath(new URL("../../../packages/conformance/vectors/", import.meta.url));
const TINY = join(VECTORS, "hf_tiny");

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function request(input: string, output: string, changes: Partial<ConvertRequest> = {}): ConvertRequest {
  return { input, output, kvHeads: 1, method: "mean", seed: 0, overwrite: false, ...changes };
}

function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

/** A copy of hf_tiny with what such folders have besides. */
async function makeModel(folder: string): Promise<string> {
  const input = join(folder, "in");
  for (const part of ["", "sub", "original", ".cache"]) await Deno.mkdir(join(input, part));
  for (const name of ["config.json", "model.safetensors"]) await Deno.copyFile(join(TINY, name), join(input, name));
  const files = ["tokenizer.json", "generation_config.json", "sub/notes.txt", "pytorch_model-00001-of-2.bin"];
  for (const name of [...files, "original/old.pth", "old.safetensors", ".cache/x"]) {
    await Deno.writeTextFile(join(input, name), name);
  }
  return input;
}

Deno.test("the command line says what to convert", () => {
  assertEquals(parseConvert(["in", "out", "--kv-heads", "2"]), request("in", "out", { kvHeads: 2 }));
  assertEquals(
    parseConvert(["in", "out", "--kv-heads=1", "--method", "random", "--seed", "5", "--overwrite"]),
    request("in", "out", { method: "random", seed: 5, overwrite: true }),
  );
  assertEquals(parseConvert(["--help"]), "help");
});

Deno.test("a wrong command line is a usage error that says what is wanted", () => {
  const rejects = (line: string, message: string): unknown =>
    assertThrows(() => parseConvert(line.split(" ")), UsageError, message);
  rejects("in --kv-heads 1", "two folders are wanted, the one to read and the one to make; found 1");
  rejects("in out more --kv-heads 1", "found 3");
  rejects("in out", "Cannot go on without --kv-heads: the key/value heads to end with");
  for (const value of ["0", "1.5", "two"]) {
    rejects(`in out --kv-heads ${value}`, `Cannot use --kv-heads "${value}": it must be a whole number of at least 1`);
  }
  rejects("in out --kv-heads 1 --method avg", 'Cannot use --method "avg": it must be one of mean, first, random');
  rejects("in out --kv-heads 1 --seed 3", "Cannot use --seed with --method mean: only random draws");
  rejects("in out --kv-heads 1 --method random --seed -1", "--seed");
});

Deno.test("a folder is converted: config, weights, and every other file but weights of the old heads", () =>
  withFolder(async (folder) => {
    const input = await makeModel(folder);
    const output = join(folder, "out");
    const progress: number[] = [];
    const notCopied = await convertFolder(request(input, output), {
      onProgress: (done, total) => progress.push(done / total!),
    });
    assertEquals(notCopied, ["old.safetensors", "original/old.pth", "pytorch_model-00001-of-2.bin"]);
    assertEquals(namesIn(output), [
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "sub",
      "tokenizer.json",
    ]);
    assertEquals(await Deno.readTextFile(join(output, "sub/notes.txt")), "sub/notes.txt");
    assertEquals(
      await Deno.readTextFile(join(output, "config.json")),
      (await Deno.readTextFile(join(TINY, "config.json"))).replace(
        '"num_key_value_heads": 2',
        '"num_key_value_heads": 1',
      ),
    );
    using model = await openModel(output);
    assertEquals(model.file.tensors.get("model.layers.3.self_attn.v_proj.weight")?.shape, [8, 64]);
    assertEquals(progress.at(-1), 1);
    assert(progress.every((part, i) => i === 0 || part >= progress[i - 1]!));
    assertEquals(namesIn(folder), ["in", "out"]);
  }));

Deno.test("links are followed to files, as in a download cache", () =>
  withFolder(async (folder) => {
    const input = join(folder, "in");
    await Deno.mkdir(input);
    for (const name of ["config.json", "model.safetensors"]) await Deno.symlink(join(TINY, name), join(input, name));
    await Deno.writeTextFile(join(folder, "blob"), "words");
    await Deno.symlink(join(folder, "blob"), join(input, "tokenizer.json"));
    await Deno.symlink(folder, join(input, "loop"));
    const output = join(folder, "out");
    await convertFolder(request(input, output));
    assertEquals(namesIn(output), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert((await Deno.lstat(join(output, "tokenizer.json"))).isFile);
  }));

Deno.test("what cannot be converted is an error, and leaves nothing", () =>
  withFolder(async (folder) => {
    const output = join(folder, "out");
    const rejects = (input: string, message: string, changes: Partial<ConvertRequest> = {}) =>
      assertRejects(() => convertFolder(request(input, output, changes)), Error, message);
    await rejects(join(folder, "none"), "there is no such folder; give a Hugging Face folder, with config.json and");
    const broken = join(folder, "broken");
    await Deno.mkdir(broken);
    await rejects(broken, "it has no config.json");
    await Deno.copyFile(join(TINY, "config.json"), join(broken, "config.json"));
    await rejects(broken, "it has neither model.safetensors nor model.safetensors.index.json");
    await Deno.writeFile(
      join(broken, "model.safetensors"),
      (await Deno.readFile(join(TINY, "model.safetensors"))).slice(0, -9),
    );
    await rejects(broken, "Cannot read model.safetensors: ");
    await rejects(join(TINY, "config.json/in"), "there is no such folder; give a Hugging Face folder");
    await rejects(join(TINY, "model.safetensors"), "it is a file; give a Hugging Face folder");
    await Deno.writeTextFile(join(folder, "m.gguf"), "GGUF");
    await rejects(
      join(folder, "m.gguf"),
      "GGUF packs its weights for one kind of engine; convert the Hugging Face folder",
    );
    await rejects(TINY, "Cannot convert 2 key/value heads to 3: the new number must divide 2; use 1, 2", {
      kvHeads: 3,
    });
    const config = await Deno.readTextFile(join(TINY, "config.json"));
    await Deno.copyFile(join(TINY, "model.safetensors"), join(broken, "model.safetensors"));
    await Deno.writeTextFile(join(broken, "config.json"), config.replace('"head_dim": 8', '"head_dim": 4'));
    await rejects(
      broken,
      'tensor "model.layers.0.self_attn.k_proj.weight" should be floats [8, 64], as config.json has it, found f32 [16, 64]',
    );
    assertEquals(namesIn(folder), ["broken", "m.gguf"]);
    await assertRejects(() => convertFolder(request(TINY, output, { kvHeads: 3 })), ShapeError);
    await assertRejects(() => convertFolder(request(broken, output)), FormatError);
  }));

Deno.test("where the folder cannot be made is an error", () =>
  withFolder(async (folder) => {
    const input = await makeModel(folder);
    const rejects = (output: string, message: string, overwrite = true) =>
      assertRejects(
        () => convertFolder(request(input, output, { overwrite })),
        ModelError,
        `Cannot write ${output}: ${message}`,
      );
    await rejects(join(folder, "no/out"), `${join(folder, "no")} does not exist; make it first`);
    await rejects(join(input, "out"), `it and ${input} lie in one another; choose a folder apart`);
    await rejects(input, "it and ");
    await rejects(folder, "it and ");
    await Deno.symlink(input, join(folder, "alias"));
    await rejects(join(folder, "alias"), "it and ");
    await Deno.writeTextFile(join(folder, "file"), "");
    await rejects(join(folder, "file"), "it is a file; choose another folder");
    await rejects(join(folder, "file/out"), `${join(folder, "file")} is a file; choose another folder`);
    await rejects(join(folder, "file/no/out"), `${join(folder, "file/no")} does not exist; make it first`);
    const long = join(folder, "n".repeat(250)); // the name it is filled under is too long for the system
    await assertRejects(
      () => convertFolder(request(TINY, long)),
      ModelError,
      `Cannot write ${join(await Deno.realPath(folder), "n".repeat(250))}: File name too long`,
    );
    const other = join(folder, "other");
    await Deno.mkdir(join(other, "photos"), { recursive: true });
    await rejects(other, "it exists; choose another folder, or give --overwrite to replace it", false);
    await rejects(other, "it holds something else than a model (it has no config.json), so it is not replaced");
    assertEquals(namesIn(folder), ["alias", "file", "in", "other"]);
    assertEquals(namesIn(other), ["photos"]);
  }));

Deno.test("a model is replaced only with --overwrite, whole, and stays if the conversion fails", () =>
  withFolder(async (folder) => {
    const output = join(folder, "out");
    await Deno.mkdir(output);
    await Deno.writeTextFile(join(output, "config.json"), "old");
    const abort = AbortSignal.abort(new Interrupted());
    await assertRejects(() => convertFolder(request(TINY, output)), ModelError, "it exists");
    await assertRejects(
      () => convertFolder(request(TINY, output, { overwrite: true }), { signal: abort }),
      Interrupted,
    );
    assertEquals(await Deno.readTextFile(join(output, "config.json")), "old");
    assertEquals(namesIn(folder), ["out"]);
    await convertFolder(request(TINY, output, { overwrite: true }));
    assertEquals(namesIn(output), ["config.json", "model.safetensors"]);
    assertEquals(namesIn(folder), ["out"]);
  }));

Deno.test("ended half way, it leaves nothing", () =>
  withFolder(async (folder) => {
    const controller = new AbortController();
    const seen: string[] = [];
    const conversion = convertFolder(request(TINY, join(folder, "out")), {
      signal: controller.signal,
      onProgress: (done, total) => {
        if (done < total! / 2) return;
        seen.push(...namesIn(folder));
        controller.abort(new Interrupted());
      },
    });
    await assertRejects(() => conversion, Interrupted);
    assertEquals(seen.length, 1);
    assert(/^out\.partial-[0-9a-f]{8}$/.test(seen[0]!), seen[0]);
    assertEquals(namesIn(folder), []);
  }));

Deno.test("the command writes with permissions to read and write only", () =>
  withFolder(async (folder) => {
    const output = join(folder, "out");
    const run = async (...args: string[]) => {
      const permissions = ["--no-prompt", "--no-check", "--allow-read", `--allow-write=${folder}`];
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", ...permissions, MAIN, "convert", ...args],
        env: { NO_COLOR: "1" },
      });
      const { code, stdout, stderr } = await command.output();
      return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
    };
    const done = await run(TINY, output, "--kv-heads", "1");
    assertEquals([done.code, done.stdout], [0, ""]);
    assertStringIncludes(done.stderr, "Converting: 100% of 548.2 kB\n");
    assertStringIncludes(done.stderr, `Wrote ${output}: num_key_value_heads 1 by mean\n`);
    assertEquals((await run(TINY, output, "--kv-heads", "1")).code, 1);
    assertEquals((await run(TINY, output)).code, 2);
    assertStringIncludes((await run("--help")).stdout, "--kv-heads N");
  }));
