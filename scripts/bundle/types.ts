/**
 * Declarations for TypeScript: a tree of `.d.ts`, one for each source that the entries lead to, and beside each bundle a
 * module that passes on its entry's.
 */
import ts from "typescript";
import { ROOT } from "../files.ts";
import type { Files } from "./forms.ts";

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
  types: [],
  strict: true,
  declaration: true,
  emitDeclarationOnly: true,
  allowImportingTsExtensions: true,
  rootDir: `${ROOT}packages`,
  outDir: "/",
};

/**
 * The declarations that some sources lead to. Types are as `deno check` finds them right; here only what cannot be declared
 * is an error.
 *
 * @param sources paths below the root
 * @returns text by path: that of `packages/core/mod.ts` as `core/mod.d.ts`
 * @throws Error when a type cannot be declared
 */
export function declarations(sources: readonly string[]): Map<string, string> {
  const program = ts.createProgram(sources.map((source) => ROOT + source), OPTIONS);
  const made = new Map<string, string>();
  const { diagnostics } = program.emit(undefined, (path, text) => {
    made.set(path.replace(/^\//, ""), text.replaceAll(RELATIVE, withTypes("$1", "$2")));
  });
  if (diagnostics.length === 0) return withPlatform(made);
  const words = diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  throw new Error(`Cannot declare the types: ${words.join("; ")}`);
}

/** The file that {@linkcode withPlatform} adds. */
const PLATFORM = "platform.d.ts";

/**
 * The declarations with one more, of the platform's types that they name: empty interfaces, which become one with those that
 * the reader's `lib` or `@webgpu/types` declares, and keep the rest readable where there are none.
 */
function withPlatform(tree: ReadonlyMap<string, string>): Map<string, string> {
  const names = { gpu: new Set<string>(), wasm: new Set<string>() };
  const whole = new Map([...tree].map(([path, text]) => {
    const code = text.replace(/\/\*[^]*?\*\//g, "");
    const [gpu, wasm] = [code.match(/\bGPU[A-Z]\w*/g) ?? [], code.match(/(?<=\bWebAssembly\.)\w+/g) ?? []];
    gpu.forEach((name) => names.gpu.add(name));
    wasm.forEach((name) => names.wasm.add(name));
    if (gpu.length + wasm.length === 0 && !/\bDisposable\b/.test(code)) return [path, text];
    const up = "../".repeat(path.split("/").length - 1) || "./";
    return [path, `/// <reference path="${up}${PLATFORM}" />\n${text}`];
  }));
  const interfaces = (of: Set<string>): string[] => [...of].sort().map((name) => `interface ${name} {}`);
  const lines = [
    `/// <reference lib="es2022" />`,
    `/// <reference lib="esnext.disposable" />`,
    ...interfaces(names.gpu),
    `declare namespace WebAssembly {`,
    ...interfaces(names.wasm).map((line) => `  ${line}`),
    `}`,
  ];
  return whole.set(PLATFORM, `${lines.join("\n")}\n`);
}

/** An import or export of a relative path that ends in `.ts`. */
const RELATIVE = /^((?:import|export) (?:type )?(?:\* as \w+|\*|\w+|\{[^}]*\}) from )"(\.[^"]*)\.ts";/gm;

/** That statement, for TypeScript, which looks for declarations beside the path, and for Deno, which a comment tells. */
const withTypes = (start: string, path: string): string => `// @ts-types="${path}.d.ts"\n${start}"${path}.js";`;

/**
 * A module of declarations that passes on an entry's.
 *
 * @param source the entry's path below the root
 * @param types where the tree is, as seen from the module: `./types`
 */
export function passOn(source: string, types: string): string {
  return `${withTypes("export * from ", `${types}/${source.replace(/^packages\/|\.ts$/g, "")}`)}\n`;
}

/**
 * Bundles with a first line that names the declarations beside them: Deno, which imports them by URL, does not look for any.
 * Their source maps begin with that line.
 *
 * @param files bundles and their maps, by path
 * @param declared the paths there are declarations at
 */
export function nameTypes(files: Files, declared: { has(path: string): boolean } = files): Files {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  const named = new Map(files);
  for (const [path, bytes] of files) {
    const types = path.replace(/\.js$/, ".d.ts");
    if (types === path || !declared.has(types)) continue;
    const line = `/* @ts-self-types="./${types.split("/").at(-1)}" */`;
    named.set(path, encoder.encode(`${line}\n${decoder.decode(bytes)}`));
    const map = JSON.parse(decoder.decode(files.get(`${path}.map`)));
    named.set(`${path}.map`, encoder.encode(JSON.stringify({ ...map, mappings: `;${map.mappings}` })));
  }
  return named;
}
