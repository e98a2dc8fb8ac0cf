/** The layer check, on trees that break each of its rules and on one that breaks none. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkLayers } from "../check_layers.ts";

/** Lays the files out in a fresh folder, checks it, and removes it. */
async function complaintsAbout(files: Record<string, string>): Promise<string[]> {
  const root = `${await Deno.makeTempDir()}/`;
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(root + path, text);
    }
    return await checkLayers(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const CORE = { "packages/core/mod.ts": "export type X = number;\n" };

Deno.test("a tree that follows the arrows has no complaints", async () => {
  const complaints = await complaintsAbout({
    ...CORE,
    "packages/core/src/dtype.ts": "/** @example import { x } from '@heed/heed'; */\nexport const DOT = '.';\n",
    "packages/nn/mod.ts": 'import type { X } from "../core/mod.ts";\nexport const x: X = 1;\n',
    "packages/nn/tests/nn_test.ts":
      'import { assert } from "@std/assert";\nimport * as scalar from "../../backend-scalar/mod.ts";\nassert(scalar);\n',
    "packages/backend-scalar/mod.ts": 'export * from "../core/mod.ts";\n',
    "packages/heed/mod.ts": 'export const load = () => import("../backend-scalar/mod.ts");\n',
    "apps/cli/main.ts": 'import { load } from "../../packages/heed/mod.ts";\nimport "node:fs";\nload();\n',
  });
  assertEquals(complaints, []);
});

const FORBIDDEN: [name: string, file: string, text: string, complaint: string][] = [
  [
    "core imports a package",
    "packages/core/src/a.ts",
    'import "../../nn/mod.ts";\n',
    'packages/core/src/a.ts:1: import of "../../nn/mod.ts": core may not import nn',
  ],
  [
    "a backend imports another, by a dynamic import",
    "packages/backend-wasm/mod.ts",
    '\nexport const b = () => import("../backend-scalar/mod.ts");\n',
    'packages/backend-wasm/mod.ts:2: import of "../backend-scalar/mod.ts": backend-wasm may not import backend-scalar',
  ],
  [
    "nn names a backend in a type",
    "packages/nn/mod.ts",
    'export type B = import("../backend-scalar/mod.ts").B;\n',
    'packages/nn/mod.ts:1: import of "../backend-scalar/mod.ts": nn may not import backend-scalar',
  ],
  ...["npm:left-pad@1.3.0", "jsr:@std/path", "node:fs", "@std/assert", "https://example.com/a.ts"].map((
    specifier,
  ): [string, string, string, string] => [
    `a package imports ${specifier}`,
    "packages/text/mod.ts",
    `export * from "${specifier}";\n`,
    `packages/text/mod.ts:1: import of "${specifier}": only relative specifiers work for those who import by URL`,
  ]),
  [
    "an import lacks its extension",
    "packages/text/mod.ts",
    'import "./bpe";\n',
    'packages/text/mod.ts:1: import of "./bpe": a relative specifier needs its extension',
  ],
  [
    "a package imports a script",
    "packages/text/mod.ts",
    'import "../../scripts/files.ts";\n',
    'packages/text/mod.ts:1: import of "../../scripts/files.ts": packages/text may not import from scripts',
  ],
  [
    "an app imports a part instead of the whole",
    "apps/cli/main.ts",
    'import "../../packages/backend-scalar/mod.ts";\n',
    'apps/cli/main.ts:1: import of "../../packages/backend-scalar/mod.ts": cli may not import backend-scalar',
  ],
  [
    "a test of a part imports the whole",
    "packages/nn/tests/a_test.ts",
    'import "../../heed/mod.ts";\n',
    'packages/nn/tests/a_test.ts:1: import of "../../heed/mod.ts": tests of nn may not import heed',
  ],
  [
    "a package is new",
    "packages/vision/mod.ts",
    'import "../core/mod.ts";\n',
    'packages/vision/mod.ts:1: import of "../core/mod.ts": packages/vision is in no layer: add it to ARROWS',
  ],
];

for (const [name, file, text, complaint] of FORBIDDEN) {
  Deno.test(`reported: ${name}`, async () => {
    assertEquals(await complaintsAbout({ "packages/nn/mod.ts": "export {};\n", [file]: text }), [complaint]);
  });
}

for (const name of ["Deno", "document", "window", "navigator", "process", "fetch"]) {
  Deno.test(`reported: core uses the global ${name}`, async () => {
    const complaints = await complaintsAbout({ "packages/core/src/a.ts": `export const it: unknown = ${name};\n` });
    assertEquals(complaints.length, 1);
    assertStringIncludes(complaints[0] ?? "", `Cannot find name '${name}'`);
  });
}

Deno.test("core may call a parameter of its own window", async () => {
  const text = "export function span(window: { left: number }): number {\n  return window.left;\n}\n";
  assertEquals(await complaintsAbout({ "packages/core/src/a.ts": text }), []);
});
