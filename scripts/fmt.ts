/**
 * Formats the repository with dprint.
 *
 * The settings are in dprint.json, which an editor or a dprint of one's own reads as well. Here dprint's plugins run in
 * this process, from npm packages: nothing native to install, nothing to fetch at a first run but packages.
 */
import { createContext, type FormatterContext } from "@dprint/formatter";
import { getPath as jsonPlugin } from "@dprint/json";
import { getPath as markdownPlugin } from "@dprint/markdown";
import { getPath as typescriptPlugin } from "@dprint/typescript";
import { matchesGlob } from "node:path";
import type { CommandLine } from "../apps/cli/src/command_line.ts";
import { runScript } from "./command_line.ts";
import { ROOT, walk } from "./files.ts";

const HELP = `deno task fmt [PATH…]

Formats the repository, or what of it has a path that begins so.

  --check     write nothing; name the files that differ, and fail
  -h, --help  show this
`;

const OPTIONS = { check: { type: "boolean", default: false } } as const;

const FORMATTED = /\.(ts|js|mjs|json|md)$/;

/** dprint.json, as far as it is read here; what belongs to a plugin is passed on as it stands. */
interface Config {
  lineWidth: number;
  indentWidth: number;
  newLineKind: "lf";
  useTabs: boolean;
  excludes: string[];
  typescript: Record<string, unknown>;
  json: Record<string, unknown>;
  markdown: Record<string, unknown>;
}

function createFormatter(config: Config): FormatterContext {
  const { lineWidth, indentWidth, newLineKind, useTabs } = config;
  const context = createContext({ lineWidth, indentWidth, newLineKind, useTabs });
  context.addPlugin(Deno.readFileSync(typescriptPlugin()), config.typescript);
  context.addPlugin(Deno.readFileSync(jsonPlugin()), config.json);
  context.addPlugin(Deno.readFileSync(markdownPlugin()), config.markdown);
  const complaints = context.getConfigDiagnostics().map((it) => `${it.propertyName}: ${it.message}`);
  if (complaints.length > 0) throw new Error(`dprint.json: ${complaints.join("; ")}`);
  return context;
}

/** Formats one file; returns what became of it. */
function format(formatter: FormatterContext, path: string, check: boolean): "same" | "changed" | "failed" {
  const text = Deno.readTextFileSync(ROOT + path);
  let formatted: string;
  try {
    formatted = formatter.formatText({ filePath: path, fileText: text });
  } catch (error) {
    console.error(`${path}: ${error instanceof Error ? error.message : error}`);
    return "failed";
  }
  if (formatted === text) return "same";
  console.log(`${path}${check ? " is not formatted" : ""}`);
  if (!check) Deno.writeTextFileSync(ROOT + path, formatted);
  return "changed";
}

function run({ values: { check }, positionals: only }: CommandLine<typeof OPTIONS>): void {
  const config: Config = JSON.parse(Deno.readTextFileSync(`${ROOT}dprint.json`));
  const formatter = createFormatter(config);
  const counts = { same: 0, changed: 0, failed: 0 };
  for (const path of walk(ROOT)) {
    if (!FORMATTED.test(path) || config.excludes.some((glob) => matchesGlob(path, glob))) continue;
    if (only.length > 0 && !only.some((it) => path.startsWith(it))) continue;
    counts[format(formatter, path, check)]++;
  }
  console.log(
    `${counts.same} formatted, ${counts.changed} ${check ? "to format" : "changed"}, ${counts.failed} failed`,
  );
  if (counts.failed > 0 || (check && counts.changed > 0)) Deno.exit(1);
}

if (import.meta.main) await runScript({ help: HELP, options: OPTIONS, maxArguments: Infinity }, run);
