/**
 * Enforces who may import whom, and prints each import that goes against the arrows.
 *
 * Imports are read from Deno's module graph, so type imports, `import("…")` types and dynamic imports count and
 * comments do not. What core takes from its surroundings is a question of types: it is checked against a library that
 * holds the language alone, where `Deno`, `document`, `fetch` and the like are names that do not exist.
 */
import { UsageError } from "../apps/cli/src/errors.ts";
import { runScript } from "./command_line.ts";
import { fromFileUrl, ROOT, toFileUrl, walk } from "./files.ts";

const HELP = `deno task layers [FOLDER]

Checks who imports whom, below a folder with packages/ and apps/ (default: this repository).

  -h, --help  show this
`;

/** What the sources of a package may import besides themselves. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "core": [],
  "backend-scalar": ["core"],
  "backend-wasm": ["core"],
  "backend-webgpu": ["core"],
  "nn": ["core"],
  "formats": ["core"],
  "models": ["core", "nn", "formats"],
  "text": ["core", "nn", "formats", "models"],
  "conformance": ["core", "nn", "formats", "models", "text"],
  "heed": [
    ...["core", "backend-scalar", "backend-wasm", "backend-webgpu"],
    ...["nn", "formats", "models", "text", "conformance"],
  ],
};

/** Apps use the whole, and show or run the suite. */
const APP_ARROWS = ["heed", "conformance"];

/** Tests need a backend and an oracle, so they may import what stands beside them too, only not the whole. */
const TEST_ARROWS = Object.keys(ARROWS).filter((name) => name !== "heed");

/** One import statement: where it is, what it says, and the path below the root that it leads to, if it does. */
interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  readonly target: string | undefined;
}

/** The part of `deno info --json` that is read here. */
interface ModuleGraph {
  modules: { specifier: string; dependencies?: Dependency[] }[];
}
interface Dependency {
  specifier: string;
  code?: Resolution;
  type?: Resolution;
}
interface Resolution {
  specifier?: string;
  span: { start: { line: number } };
}

/** Runs Deno and returns what it printed; its errors go to `stderr` as text. */
async function deno(args: string[]): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  return { success, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Every import of the given files (paths below `root`). */
async function readImports(root: string, files: readonly string[]): Promise<Import[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const lines = files.map((file) => `import ${JSON.stringify(toFileUrl(root + file))};`);
    await Deno.writeTextFile(entry, lines.join("\n"));
    const args = ["info", "--json", "--no-config", "--no-lock", "--no-remote", "--no-npm", entry];
    const { success, stdout, stderr } = await deno(args);
    if (!success) throw new Error(`deno info: ${stderr}`);
    const graph: ModuleGraph = JSON.parse(stdout);
    return graph.modules.flatMap((module) => importsOf(module, root)).filter((it) => files.includes(it.file));
  } finally {
    await Deno.remove(entry);
  }
}

function importsOf(module: ModuleGraph["modules"][number], root: string): Import[] {
  const file = below(root, module.specifier);
  if (file === undefined) return [];
  return (module.dependencies ?? []).flatMap(({ specifier, code, type }) => {
    const resolution = code ?? type;
    if (resolution === undefined) return [];
    const target = resolution.specifier === undefined ? undefined : below(root, resolution.specifier);
    return [{ file, line: resolution.span.start.line + 1, specifier, target }];
  });
}

/** The path below `root` that a file URL leads to. */
function below(root: string, url: string): string | undefined {
  if (!url.startsWith("file:")) return undefined;
  const path = fromFileUrl(url);
  return path.startsWith(root) ? path.slice(root.length) : undefined;
}

/** Why an import is not allowed, or undefined if it is. */
function objection({ file, specifier, target }: Import): string | undefined {
  const [area, owner = "", folder] = file.split("/");
  const isTest = folder === "tests" || file.endsWith("_test.ts");
  if (!/^\.\.?\//.test(specifier)) {
    return area === "packages" && !isTest ? "only relative specifiers work for those who import by URL" : undefined;
  }
  if (!/\.\w+$/.test(specifier)) return "a relative specifier needs its extension";
  const [targetArea, targetOwner = ""] = target?.split("/") ?? [];
  if (targetArea === area && targetOwner === owner) return undefined;
  if (targetArea !== "packages") return `${area}/${owner} may not import from ${targetArea ?? "outside"}`;
  const allowed = area === "apps"
    ? [...APP_ARROWS, ...(isTest ? TEST_ARROWS : [])]
    : isTest
    ? TEST_ARROWS
    : ARROWS[owner];
  if (allowed === undefined) return `packages/${owner} is in no layer: add it to ARROWS`;
  if (owner === "heed" && isTest) return undefined;
  return allowed.includes(targetOwner)
    ? undefined
    : `${isTest ? `tests of ${owner}` : owner} may not import ${targetOwner}`;
}

/** Type errors of core where nothing but the language exists. */
async function coreGlobals(root: string): Promise<string[]> {
  const files = [...walk(`${root}packages/core/src`, `${root}packages/core/src/`)].filter((it) => it.endsWith(".ts"));
  if (files.length === 0) return [];
  const { success, stderr } = await deno([
    ...["check", "--quiet", "--no-lock", "--config", `${ROOT}scripts/core_globals.json`],
    ...files,
  ]);
  if (success) return [];
  return [`packages/core/src uses what is not in the language itself:\n${stderr.trim()}`];
}

/**
 * Everything under `root` that goes against the arrows.
 *
 * @param root A folder with `packages/` and `apps/`, ending in a slash.
 * @returns One line for each import that may not be, and the compiler's words where core uses a foreign global.
 */
export async function checkLayers(root: string): Promise<string[]> {
  const files = [...walk(`${root}packages`, "packages/"), ...walk(`${root}apps`, "apps/")]
    .filter((it) => it.endsWith(".ts") && !it.endsWith(".d.ts"));
  const imports = await readImports(root, files);
  const complaints = imports.flatMap((it) => {
    const reason = objection(it);
    return reason === undefined ? [] : [`${it.file}:${it.line}: import of "${it.specifier}": ${reason}`];
  });
  return [...complaints, ...await coreGlobals(root)];
}

/** A folder as `checkLayers` takes it. */
async function rootAt(folder: string): Promise<string> {
  const packages = await Deno.realPath(`${folder}/packages`).catch(() => {
    throw new UsageError(`Cannot check "${folder}": it has no packages/`);
  });
  return packages.slice(0, -"packages".length);
}

if (import.meta.main) {
  await runScript({ help: HELP, options: {}, maxArguments: 1 }, async ({ positionals: [folder] }) => {
    const complaints = await checkLayers(folder === undefined ? ROOT : await rootAt(folder));
    for (const complaint of complaints) console.error(complaint);
    console.log(
      `layers: ${complaints.length === 0 ? "every import follows the arrows" : `${complaints.length} do not`}`,
    );
    if (complaints.length > 0) Deno.exit(1);
  });
}
