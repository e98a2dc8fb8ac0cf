/**
 * The explorer as files: the page's script, the worker's, and the styles, bundled by esbuild beside the page itself.
 *
 * Libraries come from Deno's own npm cache, wherever their importer lies in it, so that there is nothing to install.
 */
import * as esbuild from "esbuild";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Finds `@observablehq/plot`, and what it imports in turn, as Deno does. */
const FROM_NPM: esbuild.Plugin = {
  name: "npm",
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
      if (path.startsWith("node:") || /^[a-z]:[\\/]/i.test(path)) return undefined;
      if (importer === "" || importer.startsWith(FOLDER)) return { path: fileURLToPath(import.meta.resolve(path)) };
      return { path: createRequire(importer).resolve(path) };
    });
  },
};

/**
 * Bundles the explorer.
 *
 * @returns its files by path: `index.html`, `page.js`, `worker.js`, `style.css`, and the chunks that are loaded later
 */
export async function buildExplorer(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await esbuild.build({
    entryPoints: { page: `${FOLDER}src/page.ts`, worker: `${FOLDER}src/worker.ts`, style: `${FOLDER}style/style.css` },
    outdir: FOLDER,
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    loader: { ".wgsl": "text" },
    chunkNames: "chunk-[hash]",
    plugins: [FROM_NPM],
    write: false,
    logLevel: "warning",
  });
  const files = new Map(
    outputFiles.map(({ path, contents }) => [path.slice(FOLDER.length).replaceAll("\\", "/"), contents]),
  );
  return files.set("index.html", await Deno.readFile(`${FOLDER}index.html`));
}
