/** The conformance page as files, and served with its vectors on loopback. */
import * as esbuild from "esbuild";
import { settings } from "./bundle/settings.ts";
import { ROOT, walk } from "./files.ts";

const PAGE = `${ROOT}apps/conformance`;
const VECTORS = `${ROOT}packages/conformance/vectors`;

/** Not bundled but copied. */
const STATIC = ["index.html", "style.css"];

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript",
  json: "application/json",
};

/** The page without its vectors, by path: `page.js`, the worker's script, and the chunks that they share. */
async function bundle(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await esbuild.build({
    ...settings(false),
    entryPoints: { page: `${PAGE}/page.ts`, worker: `${PAGE}/worker.ts` },
    outdir: PAGE,
    splitting: true,
  });
  const scripts = outputFiles.map(({ path, contents }) => {
    return [path.replaceAll("\\", "/").slice(PAGE.length + 1), contents] as const;
  });
  const copies = STATIC.map(async (name) => [name, await Deno.readFile(`${PAGE}/${name}`)] as const);
  return new Map([...scripts, ...await Promise.all(copies)]);
}

/** All files of the page, vectors included, by path: any server of static files will do. */
export async function buildPage(): Promise<Map<string, Uint8Array>> {
  const groups = [...walk(VECTORS)].filter((path) => /^[\w-]+\.(json|safetensors)$/.test(path));
  const vectors = groups.map(async (path) => [`vectors/${path}`, await Deno.readFile(`${VECTORS}/${path}`)] as const);
  return new Map([...await bundle(), ...await Promise.all(vectors)]);
}

/** What makes a page cross-origin isolated, which shared memory and so threads need. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** How to serve the page. */
export interface ServePageOptions {
  /** Whether the page gets the headers that threads need; it does when left out. */
  readonly isolated?: boolean;
}

/**
 * Bundles the page and serves it on a free port of 127.0.0.1.
 *
 * @returns The page's address, and the server, to be shut down by the caller.
 */
export async function servePage(
  { isolated = true }: ServePageOptions = {},
): Promise<{ url: string; server: Deno.HttpServer<Deno.NetAddr> }> {
  const files = await bundle().finally(() => esbuild.stop());
  const find = async (path: string): Promise<Uint8Array | undefined> => {
    const vector = /^vectors\/([\w-]+\.\w+)$/.exec(path)?.[1];
    if (vector === undefined) return files.get(path);
    return await Deno.readFile(`${VECTORS}/${vector}`).catch(() => undefined);
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1) || "index.html";
    const body = await find(path);
    if (body === undefined) return new Response("not found", { status: 404 });
    const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    return new Response(body.slice(), { headers: { ...(isolated ? ISOLATED : {}), "content-type": type } });
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, server };
}
