/** What `deno task bundle` leaves in dist/ is whole: maps, declarations, the package's exports, and no path of this machine. */
import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { ROOT, walk } from "../scripts/files.ts";
import { DIST, ensureDist, serve } from "./dist.ts";

await ensureDist();
const files = new Set(walk(DIST));
const ours = [...files].filter((path) => !/^(explorer|conformance)\//.test(path));
const read = (path: string): Promise<string> => Deno.readTextFile(`${DIST}/${path}`);

Deno.test("every script has a map that holds its sources", async () => {
  for (const path of ours.filter((path) => path.endsWith(".js"))) {
    assert((await read(path)).trimEnd().endsWith(`//# sourceMappingURL=${path.split("/").at(-1)}.map`), path);
    const { sources, sourcesContent, mappings } = JSON.parse(await read(`${path}.map`));
    assertEquals(sourcesContent.length, sources.length, path);
    assert(mappings.length > 0 || sources.length === 0, path);
  }
});

Deno.test("every entry has declarations, and what they import is there", async () => {
  for (
    const path of ours.filter((path) => path.endsWith(".js") && !/chunk-/.test(path) && path !== "npm/bundle/heed.js")
  ) {
    assert(files.has(path.replace(/\.js$/, ".d.ts")), path);
  }
  for (const path of ours.filter((path) => path.endsWith(".d.ts"))) {
    for (const [, specifier] of (await read(path)).matchAll(/(?:from |import\()"(\.[^"]*)"/g)) {
      const target = new URL(specifier!.replace(/\.js$/, ".d.ts"), `file:///${path}`).pathname.slice(1);
      assert(files.has(target), `${path} imports ${specifier}`);
    }
  }
});

/** What a program in Deno imports by URL: the whole, a part, and an entry of the split form. */
const TYPED = (origin: string): string => `
import { createBackend, tensor } from "${origin}/heed.js";
import { tensor as fromPart } from "${origin}/heed-core.js";
import { createBackend as fromSplit } from "${origin}/split/backends.js";
const backend = await createBackend("scalar");
const sum: number = await tensor([1], { backend }).sum().item();
const shape: readonly number[] = fromPart([1], { backend: await fromSplit("scalar") }).shape;
// @ts-expect-error: the types are there, and a word is no number
const wrong: number = tensor([1], { backend }).dtype;
// @ts-expect-error: likewise
fromPart([1], { bakend: backend });
// @ts-expect-error: likewise
await fromSplit(1);
export { shape, sum, wrong };
`;

Deno.test("a program that imports a bundle by URL in Deno is checked against its types", async () => {
  await using site = serve(DIST);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, TYPED(site.origin));
    const allowed = `--allow-import=${new URL(site.origin).host}`;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--no-config", "--no-lock", allowed, "main.ts"],
      cwd: folder,
      env: { NO_COLOR: "1", DENO_DIR: `${folder}/cache` },
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the package exports what deno.json does, but the suite, and every file it names is in it", async () => {
  const { name, version, exports, sideEffects } = JSON.parse(await read("npm/package.json"));
  assertEquals({ name, version, sideEffects }, { name: config.name, version: config.version, sideEffects: false });
  for (const entry of Object.keys(config.exports).filter((it) => it !== "./conformance")) {
    assert(entry in exports, entry);
  }
  for (const target of Object.values<{ types: string; default: string } | string>(exports)) {
    const named = typeof target === "string" ? [target] : [target.types, target.default];
    for (const path of named) assert(files.has(`npm/${path.slice(2)}`), path);
  }
});

Deno.test("nothing says where it was built", async () => {
  for (const path of ours) assert(!(await read(path)).includes(ROOT), path);
});
