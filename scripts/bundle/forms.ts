/**
 * The forms that Heed ships in, each a list of files:
 *
 * - one file, `heed.js`, with every backend and both wasm builds inside;
 * - the parts, `heed-core.js` and one for each other export: a part imports what it needs of another part from that part's
 *   file, so that each class is there once and `instanceof` holds between them;
 * - split, `split/*.js`: the same entries with the chunks they share; backends and wasm builds are loaded when asked for.
 */
import * as esbuild from "esbuild";
import { relative, resolve } from "node:path";
import { minify } from "terser";
import { ROOT } from "../files.ts";
import { BACKENDS, ENTRIES, type Entry, settings } from "./settings.ts";
import { WASM_BUILDS_PACKED } from "./wasm_builds.ts";

/** Files by their path below `dist/`. */
export type Files = Map<string, Uint8Array>;

/** The outcome of a build: its files, and which of them each imports at once. */
export interface Form {
  readonly files: Files;
  /** What a file imports statically, by path. */
  readonly imports: ReadonlyMap<string, readonly string[]>;
}

async function run(options: esbuild.BuildOptions & { write: false }, folder: string): Promise<Form> {
  const outdir = `${ROOT}dist/${folder}`;
  const { outputFiles, metafile } = await esbuild.build({ ...options, outdir, metafile: true });
  const below = (path: string): string => relative(`${ROOT}dist`, resolve(ROOT, path)).replaceAll("\\", "/");
  const imports = Object.entries(metafile.outputs).map(([path, output]) => {
    const eager = output.imports.filter(({ kind, external }) => kind === "import-statement" && external !== true);
    return [below(path), eager.map((it) => below(it.path))] as const;
  });
  return {
    files: new Map(outputFiles.map(({ path, contents }) => [below(path), contents])),
    imports: new Map(imports),
  };
}

/** `heed.js`: everything in one file, minified once more by terser, which finds another 4 kB gzipped. */
export async function oneFile(): Promise<Form> {
  const shared = settings(true);
  const { files, imports } = await run({
    ...shared,
    plugins: [...shared.plugins ?? [], WASM_BUILDS_PACKED],
    entryPoints: { heed: `${ROOT}packages/heed/mod.ts` },
  }, "");
  const text = (path: string): string => new TextDecoder().decode(files.get(path));
  const { code, map } = await minify(text("heed.js"), {
    module: true,
    ecma: 2020,
    compress: { passes: 3 },
    sourceMap: { content: text("heed.js.map"), url: "heed.js.map" },
  });
  const encoder = new TextEncoder();
  files.set("heed.js", encoder.encode(code)).set("heed.js.map", encoder.encode(`${map}`));
  return { files, imports };
}

/** The entries, and beside them the chunks that they share. */
export async function split({ minify, folder }: { minify: boolean; folder: string }): Promise<Form> {
  const entryPoints = [...ENTRIES, BACKENDS].map(({ name, source }) => [name, ROOT + source]);
  return await run({
    ...settings(minify),
    splitting: true,
    chunkNames: "chunk-[hash]",
    entryPoints: Object.fromEntries(entryPoints),
  }, folder);
}

/** The part that a source belongs to, told by its path below the root. */
function partOf(path: string): string | undefined {
  return /^packages\/([\w-]+)\//.exec(path.replaceAll("\\", "/"))?.[1];
}

/** One file for each part; the whole is no part. */
export async function parts(): Promise<Form> {
  const entries = ENTRIES.filter(({ name }) => name !== "heed");
  const used = await usedAcrossParts(entries);
  const forms = await Promise.all(entries.map((entry) => buildPart(entry, used.get(entry.name) ?? [])));
  return {
    files: new Map(forms.flatMap(({ files }) => [...files])),
    imports: new Map(forms.flatMap(({ imports }) => [...imports])),
  };
}

/** The sources of each part that other parts import past its mod.ts. */
async function usedAcrossParts(entries: readonly Entry[]): Promise<Map<string, Set<string>>> {
  const { metafile } = await esbuild.build({
    ...settings(true),
    sourcemap: false,
    entryPoints: entries.map(({ source }) => ROOT + source),
    outdir: `${ROOT}dist`,
    metafile: true,
  });
  const used = new Map<string, Set<string>>();
  for (const [path, { imports }] of Object.entries(metafile.inputs)) {
    for (const target of imports) {
      const part = partOf(target.path);
      if (part === undefined || part === partOf(path) || target.path.endsWith("/mod.ts")) continue;
      used.set(part, (used.get(part) ?? new Set()).add(target.path));
    }
  }
  return used;
}

async function buildPart({ name, source }: Entry, used: Iterable<string>): Promise<Form> {
  const shared = settings(true);
  const lines = [source, ...used].map((path) => `export * from ${JSON.stringify(`./${path}`)};`);
  return await run({
    ...shared,
    plugins: [...shared.plugins ?? [], otherParts(name), WASM_BUILDS_PACKED],
    stdin: { contents: lines.join("\n"), resolveDir: ROOT, sourcefile: `heed-${name}.ts`, loader: "ts" },
    entryNames: `heed-${name}`,
  }, "");
}

/** Leaves other parts outside, at their own file. */
function otherParts(name: string): esbuild.Plugin {
  return {
    name: "other parts",
    setup(build) {
      build.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
        const part = partOf(relative(ROOT, resolve(resolveDir, path)));
        return part === undefined || part === name ? undefined : { path: `./heed-${part}.js`, external: true };
      });
    },
  };
}
