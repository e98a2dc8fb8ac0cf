/**
 * The package for npm, from the same sources: the split form, not minified, since who installs a package bundles it or runs
 * it in Node and wants to read a stack; declarations; and `heed.js` minified in one file, for CDNs that serve packages.
 */
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../files.ts";
import type { Files } from "./forms.ts";
import { BACKENDS, ENTRIES } from "./settings.ts";
import { nameTypes } from "./types.ts";

/** Copied as they are. */
const PAPERS = ["README.md", "CHANGELOG.md", "LICENSE"];

/** Where the one file lies in the package. */
const ONE_FILE = "bundle/heed.js";

function packageJson(): string {
  const entries = [...ENTRIES, BACKENDS].map(({ name, subpath }) => [
    subpath,
    { types: `./${name}.d.ts`, default: `./${name}.js` },
  ]);
  const oneFile = { types: "./heed.d.ts", default: `./${ONE_FILE}` };
  const fields = {
    name: config.name,
    version: config.version,
    description:
      "Tensors and attention: PyTorch's semantics, grouped heads, KV caches, Llama, on WebGPU, WebAssembly and alone",
    license: config.license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=22" },
    exports: { ...Object.fromEntries(entries), [`./${ONE_FILE}`]: oneFile, "./package.json": "./package.json" },
    types: "./heed.d.ts",
    unpkg: `./${ONE_FILE}`,
    jsdelivr: `./${ONE_FILE}`,
  };
  return JSON.stringify(fields, null, 2) + "\n";
}

/**
 * All files of the package, by path below `dist/`.
 *
 * @param split the split form, made for the folder `npm`
 * @param one `heed.js` and its map
 * @param types declarations by path, as their tree and as the entries' own
 */
export async function npmPackage(split: Files, one: Files, types: ReadonlyMap<string, string>): Promise<Files> {
  const encoder = new TextEncoder();
  const papers = await Promise.all(
    PAPERS.map(async (name) => [`npm/${name}`, await Deno.readFile(ROOT + name)] as const),
  );
  const files = new Map([
    ...split,
    ...papers,
    ...[...one].map(([path, bytes]) => [`npm/bundle/${path}`, bytes] as const),
    ...[...types].map(([path, text]) => [`npm/${path}`, encoder.encode(text)] as const),
    ["npm/package.json", encoder.encode(packageJson())] as const,
  ]);
  return nameTypes(files);
}
