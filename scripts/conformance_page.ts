/** Bundles the conformance page and serves it, with the vectors, on loopback. */
import * as esbuild from "esbuild";
import { ROOT } from "./files.ts";

const PAGE = `${ROOT}apps/conformance`;
const VECTORS = `${ROOT}packages/conformance/vectors`;

/** The page's scripts by path (`/page.js` and the chunks that its dynamic imports make). */
async function bundle(): Promise<Map<string, string>> {
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [`${PAGE}/page.ts`],
      outdir: PAGE,
      bundle: true,
      splitting: true,
      format: "esm",
      target: "es2022",
      loader: { ".wgsl": "text" },
      sourcemap: "inline",
      write: false,
      logLevel: "warning",
    });
    return new Map(outputFiles.map(({ path, text }) => [path.replaceAll("\\", "/").slice(PAGE.length), text]));
  } finally {
    await esbuild.stop();
  }
}

/** What makes a page cross-origin isolated, which shared memory and so threads need. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

function respond(body: BodyInit, type: string): Response {
  return new Response(body, { headers: { ...ISOLATED, "content-type": type } });
}

async function readOrNotFound(path: string, type: string): Promise<Response> {
  try {
    return respond(await Deno.readFile(path), type);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Response("not found", { status: 404 });
    throw error;
  }
}

/**
 * Bundles the page and serves it on a free port of 127.0.0.1.
 *
 * @returns The page's address, and the server, to be shut down by the caller.
 */
export async function servePage(): Promise<{ url: string; server: Deno.HttpServer<Deno.NetAddr> }> {
  const scripts = await bundle();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    const script = scripts.get(path);
    if (script !== undefined) return respond(script, "text/javascript");
    if (path === "/") return readOrNotFound(`${PAGE}/index.html`, "text/html; charset=utf-8");
    const vector = /^\/vectors(\/[\w./-]+)$/.exec(path)?.[1];
    if (vector === undefined || vector.includes("..")) return new Response("not found", { status: 404 });
    return readOrNotFound(VECTORS + vector, vector.endsWith(".json") ? "application/json" : "application/octet-stream");
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, server };
}
