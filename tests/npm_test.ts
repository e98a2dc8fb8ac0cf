/**
 * The package for npm, packed and installed as by a stranger: every entry's example runs in Node, the one here and those of
 * the lines that are kept up, its types hold in strict mode, and Vite makes a page of it. npm itself must be there.
 */
import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import config from "../deno.json" with { type: "json" };
import importMap from "../import_map.json" with { type: "json" };
import { launchChromium } from "../scripts/chromium.ts";
import { ROOT } from "../scripts/files.ts";
import { ensureDist, serve } from "./dist.ts";
import { EXAMPLES } from "./entries.ts";
import { assertComputes, linesOf, PAGE } from "./page.ts";

/** Node as packages of npm, which hold the program itself, for the systems that have them under these names. */
const NODES: Readonly<Record<string, string>> = { "node-22": "22.23.3", "node-24": "24.9.0" };
const SYSTEM = `${Deno.build.os}-${Deno.build.arch === "x86_64" ? "x64" : "arm64"}`;
const HAS_NODES = /^(linux|darwin)-/.test(SYSTEM);

const TOOLS = [
  importMap.imports.typescript.replace("npm:", ""),
  "typescript-5@npm:typescript@5.9.3",
  "typescript-7@npm:typescript@7.0.2",
  "@types/node@24.10.1",
  "vite@8.3.8",
  ...(HAS_NODES ? Object.entries(NODES).map(([name, version]) => `${name}@npm:node-${SYSTEM}@${version}`) : []),
];

const decoder = new TextDecoder();

/** Runs a program; its output, or an error that holds all it said. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd, env: { NO_COLOR: "1" } }).output();
  const out = decoder.decode(stdout);
  assert(success, `${program} ${args.join(" ")}: ${out}${decoder.decode(stderr)}`);
  return out;
}

/** Installs the package, packed as the README says, and what the tests need, in a fresh folder. */
async function install(): Promise<string> {
  await ensureDist();
  const folder = await Deno.makeTempDir();
  const packed: { filename: string }[] = JSON.parse(
    await run(ROOT, "npm", "pack", "./dist/npm", "--json", "--pack-destination", folder),
  );
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ type: "module" }));
  await run(folder, "npm", "install", "--no-audit", "--no-fund", `./${packed[0]!.filename}`, ...TOOLS);
  return folder;
}

function specifier(entry: string): string {
  return config.name + entry.slice(1);
}

/** What a stranger writes: every entry by its name, and a type of each. */
const TYPED = `
import * as heed from "@heed/heed";
import type { Backend, Tensor } from "@heed/heed/core";
import { createBackend } from "@heed/heed/backends";
import * as whole from "@heed/heed/bundle/heed.js";
${EXAMPLES.map(({ entry }, i) => `import * as entry${i} from "${specifier(entry)}";`).join("\n")}
import { createWebGpuBackend, type WebGpuBackendOptions } from "@heed/heed/backend-webgpu";
const options: WebGpuBackendOptions = { softwareAdapter: true };
const backend: Backend = await createBackend(["webgpu", "scalar"], options);
const a: Tensor = heed.tensor([[1, 2], [3, 4]], { backend });
const sum: number = await whole.tensor([1], { backend }).sum().item();
// @ts-expect-error: a word is no number, so the types are there
const wrong: number = a.dtype;
export { a, createWebGpuBackend, sum, wrong, ${EXAMPLES.map((_, i) => `entry${i}`).join(", ")} };
`;

/** What a program may know of the platform: a browser's types, or Node's. */
const LIBS = {
  browser: ["--lib", "es2024,dom", "--typeRoots", "none"],
  node: ["--lib", "es2022", "--types", "node"],
};

async function checkTypes(
  folder: string,
  compiler: string,
  lib: keyof typeof LIBS,
  module: string,
  resolution: string,
): Promise<void> {
  await Deno.writeTextFile(`${folder}/typed.ts`, TYPED);
  const flags = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmit"];
  const target = ["--target", "es2022", ...LIBS[lib]];
  const tsc = `node_modules/${compiler}/bin/tsc`;
  await run(folder, "node", tsc, ...flags, ...target, "--module", module, "--moduleResolution", resolution, "typed.ts");
}

/** The README's page as an app; returns the folder that Vite made. */
async function buildApp(folder: string): Promise<string> {
  const [before, rest] = PAGE.split(`<script type="module">`);
  const [script] = rest!.split("</script>");
  await Deno.writeTextFile(`${folder}/index.html`, `${before}<script type="module" src="main.ts"></script>\n`);
  await Deno.writeTextFile(`${folder}/main.ts`, script!.replace("./heed.js", config.name));
  await run(folder, "node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--target", "es2022");
  return `${folder}/dist`;
}

Deno.test("the package for npm", async (t) => {
  const folder = await install();
  const nodes = [
    "node",
    ...(HAS_NODES ? Object.keys(NODES).map((name) => `${folder}/node_modules/${name}/bin/node`) : []),
  ];
  try {
    for (const node of nodes) {
      const version = (await run(folder, node, "--version")).trim();
      const examples = [...EXAMPLES, ONE_FILE, NO_WEBGPU].filter(({ entry }) =>
        !(isOld(version) && THREADED.includes(entry))
      );
      for (const { entry, program, prints } of examples) {
        await t.step(`Node ${version} runs the example of ${specifier(entry)}`, async () => {
          await Deno.writeTextFile(`${folder}/example.js`, program(specifier));
          assertEquals(await run(folder, node, "example.js"), prints);
        });
      }
    }

    for (const compiler of ["typescript-5", "typescript", "typescript-7"]) {
      for (
        const [lib, module, resolution] of [["node", "nodenext", "nodenext"], ["browser", "esnext", "bundler"]] as const
      ) {
        await t.step(`${compiler} takes its types, in a ${lib}, resolved for ${resolution}`, async () => {
          await checkTypes(folder, compiler, lib, module, resolution);
        });
      }
    }

    await t.step("Vite makes a page of it, with each backend apart", async () => {
      const app = await buildApp(folder);
      const index = /assets\/index-[\w-]+\.js/.exec(await Deno.readTextFile(`${app}/index.html`))?.[0];
      const first = gzipSync(await Deno.readFile(`${app}/${index}`)).length;
      assert(first < 60_000, `the first request is ${first} bytes, gzipped`);
      const browser = await launchChromium();
      try {
        await using site = serve(app);
        const lines = await linesOf(browser, `${site.origin}/index.html?software`);
        for (const line of lines) await assertComputes(line);
        assertEquals(lines.map((line) => line.split(",")[0]), ["scalar", "wasm", "webgpu"]);
      } finally {
        await browser.close();
      }
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Older than the package asks for: it runs, without relaxed SIMD and so without threads. */
function isOld(version: string): boolean {
  return Number(/^v(\d+)/.exec(version)?.[1]) < 22;
}

const THREADED = ["./backend-wasm", "./bundle/heed.js"];

const ONE_FILE: typeof EXAMPLES[number] = {
  entry: "./bundle/heed.js",
  program: (at) => `
import { createBackend, tensor } from "${at("./bundle/heed.js")}";
const backend = await createBackend("wasm", { threads: 2 });
console.log(backend.describe().details.build, await tensor([1, 2], { backend }).sum().item());
`,
  prints: "threads 3\n",
};

const NO_WEBGPU: typeof EXAMPLES[number] = {
  entry: "./backend-webgpu",
  program: (at) => `
import { BackendError } from "${at("./core")}";
import { createWebGpuBackend } from "${at("./backend-webgpu")}";
const error = await createWebGpuBackend().catch((error) => error);
console.log(error instanceof BackendError);
`,
  prints: "true\n",
};
