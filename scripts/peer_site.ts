/**
 * The comparison's page and process, as files under .cache: npm's packages put there by `deno install`, our adapters bundled,
 * and a server on loopback that gives pages what shared memory needs. Nothing of it is kept in the repository.
 */
import * as esbuild from "esbuild";
import { NATIVE, PARTICIPANTS, WEBGPU_PARTICIPANTS } from "../apps/bench/peers/participants.ts";
import { ROOT, toFileUrl } from "./files.ts";

const SOURCES = `${ROOT}apps/bench/peers`;
const FOLDER = `${ROOT}.cache/bench/site`;

/** TensorFlow.js comes as packages that import each other by name. */
const tfjsWith = (backend: string): string =>
  `export * from "@tensorflow/tfjs-core";\nexport * from "@tensorflow/tfjs-backend-${backend}";\n`;

/** Where the files lie, as Deno imports them. */
export const SITE_URL: string = toFileUrl(`${FOLDER}/`);

/** Installs the packages and bundles. */
export async function buildSite(): Promise<void> {
  await Deno.mkdir(FOLDER, { recursive: true });
  const dependencies = Object.assign({}, ...[...PARTICIPANTS, ...WEBGPU_PARTICIPANTS].map(({ packages }) => packages));
  await Deno.writeTextFile(`${FOLDER}/package.json`, JSON.stringify({ dependencies }, null, 2));
  await Deno.writeTextFile(`${FOLDER}/deno.json`, JSON.stringify({ nodeModulesDir: "auto" }));
  await Deno.writeTextFile(`${FOLDER}/tfjs_entry.js`, tfjsWith("wasm"));
  await Deno.writeTextFile(`${FOLDER}/tfjs_webgpu_entry.js`, tfjsWith("webgpu"));
  await Deno.writeTextFile(`${FOLDER}/index.html`, '<!DOCTYPE html>\n<script type="module" src="page.js"></script>\n');
  const install = new Deno.Command(Deno.execPath(), { args: ["install", "--quiet"], cwd: FOLDER, stdout: "null" });
  if (!(await install.spawn().status).success) throw new Error("Cannot install the libraries to compare with");
  await bundle();
}

/** Installs what is no WebAssembly. npm does it, which can leave out what it holds for graphics cards: 700 MB. */
export async function installNative(): Promise<void> {
  const folder = `${FOLDER}/native`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ dependencies: NATIVE.packages }, null, 2));
  const args = ["install", "--omit=optional", "--ignore-scripts", "--silent"];
  const { success } = await new Deno.Command("npm", { args, cwd: folder, stdout: "null" }).spawn().status;
  if (!success) throw new Error("Cannot install llama.cpp: leave --native out");
}

async function bundle(): Promise<void> {
  try {
    await esbuild.build({
      entryPoints: {
        ...{ page: `${SOURCES}/page.ts`, process: `${SOURCES}/process.ts` },
        ...{ tfjs: `${FOLDER}/tfjs_entry.js`, tfjs_webgpu: `${FOLDER}/tfjs_webgpu_entry.js` },
      },
      ...{ outdir: FOLDER, bundle: true, splitting: true, format: "esm", target: "es2022", minify: true },
      logLevel: "error",
    });
  } finally {
    await esbuild.stop();
  }
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  mjs: "text/javascript",
  wasm: "application/wasm",
};

/** A page is cross-origin isolated by these, and then has shared memory. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

async function respond(path: string): Promise<Response> {
  try {
    const file = await Deno.open(path);
    const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    const { size } = await file.stat();
    return new Response(file.readable, { headers: { ...ISOLATED, "content-type": type, "content-length": `${size}` } });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Response("not found", { status: 404 });
    throw error;
  }
}

/**
 * Serves the files on a free port of 127.0.0.1, and the model as `/model.gguf`.
 *
 * @param model its path, if there is one
 */
export function serveSite(model: string | undefined): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    if (path === "/model.gguf" && model !== undefined) return respond(model);
    if (path === "/favicon.ico" || path.includes("..")) return new Response("not found", { status: 404 });
    return respond(FOLDER + (path === "/" ? "/index.html" : path));
  });
}
