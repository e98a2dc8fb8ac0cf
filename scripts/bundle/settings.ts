/**
 * How Heed is bundled: what every build by esbuild has in common, and the entries, one for each export in deno.json.
 *
 * WGSL comes in as text without its comments and indentation: a third of its bytes, and nothing a GPU reads.
 */
import type { BuildOptions, Plugin } from "esbuild";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../files.ts";

/** What ships: the suite is for this repository, its page brings it along. */
const LEFT_OUT = ["./conformance"];

/** One public entry. */
export interface Entry {
  /** `core`, `backend-wasm`; `heed` for everything. */
  readonly name: string;
  /** Its subpath in an exports map: `.`, `./core`. */
  readonly subpath: string;
  /** Its source, below the root. */
  readonly source: string;
}

/** Everything first, then the parts. */
export const ENTRIES: readonly Entry[] = Object.entries(config.exports)
  .filter(([subpath]) => !LEFT_OUT.includes(subpath))
  .map(([subpath, source]) => ({
    name: subpath === "." ? "heed" : subpath.slice(2),
    subpath,
    source: source.slice(2),
  }));

/** `createBackend` without the rest of Heed, for pages that split: it has an address of its own only there. */
export const BACKENDS: Entry = {
  name: "backends",
  subpath: "./backends",
  source: "packages/heed/src/create_backend.ts",
};

/** WGSL as a GPU reads it. */
export function shortenWgsl(source: string): string {
  const lines = source.split("\n").map((line) => line.replace(/\/\/.*$|\/\*.*?\*\//g, "").trim());
  return lines.filter((line) => line !== "").join("\n") + "\n";
}

const WGSL: Plugin = {
  name: "wgsl",
  setup(build) {
    build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => ({
      contents: shortenWgsl(await Deno.readTextFile(path)),
      loader: "text",
    }));
  },
};

/**
 * Settings of every build: ES modules for current browsers and Node 22, which lack only `using`.
 *
 * @param minify whether people, or only engines, read the outcome
 */
export function settings(minify: boolean): BuildOptions & { write: false } {
  return {
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    minify,
    sourcemap: "linked",
    legalComments: "none",
    plugins: [WGSL],
    logLevel: "warning",
    write: false,
  };
}
