/**
 * Makes `dist/`: builds every form of Heed that ships, with source maps and declarations, the package for npm,
 * and the pages; then it prints what each takes over the network, gzipped, and fails where that is more than it may be.
 *
 * What is where: `heed.js` is everything in one file; `heed-core.js` and its neighbours are the parts; `split/` loads
 * backends when they are asked for; `npm/` is a package to pack; `conformance/` and `explorer/` are pages to serve.
 */
import * as esbuild from "esbuild";
import { buildExplorer } from "../apps/explorer/build.ts";
import { type Files, type Form, oneFile, parts, split } from "./bundle/forms.ts";
import { npmPackage } from "./bundle/npm.ts";
import { BACKENDS, ENTRIES } from "./bundle/settings.ts";
import { sizesOf, table } from "./bundle/sizes.ts";
import { declarations, nameTypes, passOn } from "./bundle/types.ts";
import { runScript } from "./command_line.ts";
import { buildPage } from "./conformance_page.ts";
import { ROOT } from "./files.ts";

const HELP = `deno task bundle

Makes dist/: Heed as one file, as parts, split and for npm, with types; the pages. Prints what
each takes over the network, and fails where that is more than it may be.

  -h, --help  show this
`;

const DIST = `${ROOT}dist`;

/** Text files as bytes, below a folder. */
function below(folder: string, texts: Iterable<readonly [string, string]>): Files {
  const encoder = new TextEncoder();
  return new Map([...texts].map(([path, text]) => [folder + path, encoder.encode(text)]));
}

/** The declarations of `dist/` itself: the tree, and one beside each bundle. */
function ownTypes(tree: ReadonlyMap<string, string>): Files {
  const split = [...ENTRIES, BACKENDS].map((it) => [`${it.name}.d.ts`, passOn(it.source, "../types")] as const);
  const beside = ENTRIES.map(({ name, source }) => {
    return [name === "heed" ? "heed.d.ts" : `heed-${name}.d.ts`, passOn(source, "./types")] as const;
  });
  return new Map([...below("types/", tree), ...below("split/", split), ...below("", beside)]);
}

/** The declarations of the package: the same tree, and one beside each of its entries. */
function npmTypes(tree: ReadonlyMap<string, string>): Map<string, string> {
  const beside = [...ENTRIES, BACKENDS].map((it) => [`${it.name}.d.ts`, passOn(it.source, "./types")] as const);
  return new Map([...beside, ...[...tree].map(([path, text]) => [`types/${path}`, text] as const)]);
}

async function write(files: Files): Promise<void> {
  await Deno.remove(DIST, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  for (const [path, bytes] of files) {
    const target = `${DIST}/${path}`;
    await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(target, bytes);
  }
}

async function bundle(): Promise<void> {
  try {
    const tree = declarations([...ENTRIES, BACKENDS].map(({ source }) => source));
    const types = ownTypes(tree);
    const named = (form: Form): Form => ({ ...form, files: nameTypes(form.files, types) });
    const one = await oneFile();
    const forms = {
      one: named(one),
      parts: named(await parts()),
      split: named(await split({ minify: true, folder: "split" })),
    };
    const forNpm = await split({ minify: false, folder: "npm" });
    const pages = [["conformance", await buildPage()], ["explorer", await buildExplorer()]] as const;
    await write(
      new Map([
        ...[...forms.one.files, ...forms.parts.files, ...forms.split.files, ...types],
        ...await npmPackage(forNpm.files, one.files, npmTypes(tree)),
        ...pages.flatMap(([name, files]) => [...files].map(([path, bytes]) => [`${name}/${path}`, bytes] as const)),
      ]),
    );
    const sizes = await sizesOf(forms);
    console.log(table(sizes));
    if (sizes.some(({ bytes, limit = Infinity }) => bytes > limit)) Deno.exitCode = 1;
  } finally {
    await esbuild.stop();
  }
}

if (import.meta.main) await runScript({ help: HELP, options: {} }, bundle);
