/**
 * What arrives over the network: bytes gzipped, file by file as a server sends them, and what they may come to.
 *
 * The limits on `core + scalar` and on `+ WebGPU` are for a page that computes attention with them and is bundled itself, so
 * that what it does not use stays behind.
 */
import * as esbuild from "esbuild";
import { gzipSync } from "node:zlib";
import { ROOT } from "../files.ts";
import type { Form } from "./forms.ts";
import { settings } from "./settings.ts";

/** One figure. */
export interface Size {
  readonly what: string;
  readonly bytes: number;
  /** More than this fails the build; absent for what is only told. */
  readonly limit?: number;
}

/** Each form as it was built. */
export interface Forms {
  readonly one: Form;
  readonly parts: Form;
  readonly split: Form;
}

/** Every figure there is a limit for, then every part. */
export async function sizesOf({ one, parts, split }: Forms): Promise<Size[]> {
  const first = (...names: string[]): number => firstRequest(split, names.map((name) => `split/${name}.js`));
  return [
    { what: "attention on core + scalar, bundled", bytes: await pageBytes(["scalar"]), limit: 45_000 },
    {
      what: "attention on core + scalar + webgpu, bundled",
      bytes: await pageBytes(["webgpu", "scalar"]),
      limit: 90_000,
    },
    { what: "split, first request: core and createBackend", bytes: first("core", "backends"), limit: 60_000 },
    { what: "split, first request: everything but backends", bytes: first("heed"), limit: 95_000 },
    { what: "heed.js, everything in one file", bytes: firstRequest(one, ["heed.js"]), limit: 240_000 },
    ...[...parts.files.keys()].filter((path) => path.endsWith(".js")).map((path) => ({
      what: path,
      bytes: firstRequest(parts, [path]),
    })),
  ];
}

/** Bytes of the files that these import at once, themselves included. */
function firstRequest({ files, imports }: Form, entries: readonly string[]): number {
  const needed = new Set(entries);
  for (const path of needed) imports.get(path)?.forEach((it) => needed.add(it));
  return [...needed].reduce((sum, path) => sum + gzipSync(files.get(path)!, { level: 9 }).length, 0);
}

const FACTORIES: Readonly<Record<string, string>> = { scalar: "createScalarBackend", webgpu: "createWebGpuBackend" };

/** Bytes of a page that computes grouped-query attention on any of some backends, in one file. */
async function pageBytes(backends: readonly string[]): Promise<number> {
  const imports = backends.map((name) => `import { ${FACTORIES[name]} } from "./packages/backend-${name}/mod.ts";`);
  const contents = `${imports.join("\n")}
import { randn, scaledDotProductAttention } from "./packages/core/mod.ts";
const backend = await [${backends.map((name) => FACTORIES[name]).join(", ")}][location.hash.length]();
const [query, key, value] = [9, 3, 3].map((heads) => randn([1, heads, 16, 64], { seed: heads, backend }));
console.log(await scaledDotProductAttention(query, key, value, { causal: "lower-right" }).data());
`;
  const { outputFiles } = await esbuild.build({
    ...settings(true),
    sourcemap: false,
    stdin: { contents, resolveDir: ROOT, loader: "ts" },
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}

/** A table of the figures, for people. */
export function table(sizes: readonly Size[]): string {
  const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;
  const rows = sizes.map(({ what, bytes, limit }) => {
    const held = limit === undefined ? "" : ` of ${kilobytes(limit)}${bytes > limit ? ", TOO MUCH" : ""}`;
    return `${kilobytes(bytes).padStart(9)}${held.padEnd(13)} ${what}`;
  });
  return ["gzipped:", ...rows].join("\n");
}
