/**
 * A folder of static files as a web site, with the headers of a page that runs Heed, and the model that is served beside
 * it: `/models.json` lists it, `/models/NAME` is its bytes, also in ranges, so that a page loads it from its own origin.
 *
 * Nothing outside the folder is reachable: names that begin with a dot are refused, and so are links that lead out.
 */
import { join, sep } from "node:path";
import { sendFile } from "./send_file.ts";

/** A model file that pages can load. */
export interface SiteModel {
  /** What `/models/NAME` calls it. */
  readonly name: string;
  /** Where it lies. */
  readonly path: string;
  /** Its length in bytes. */
  readonly byteLength: number;
  /** Its SHA-256 in hex, where it is known. */
  readonly sha256?: string | undefined;
}

/** What {@linkcode siteHandler} serves. */
export interface Site {
  /** The folder of the page; where there is none, `/` says how it is built. */
  readonly folder: string | undefined;
  /** Models that pages can load; default none. */
  readonly models?: readonly SiteModel[];
  /** Whether pages are isolated, which shared memory and so threads need; default true. */
  readonly isolated?: boolean;
}

/** Answers one request. */
export type Handler = (request: Request) => Promise<Response>;

/**
 * What a page may do. Heed compiles WebAssembly it carries, starts workers from blobs, and loads models by URL; a blob is
 * also what a page makes of a picture to download. Scripts and styles come from the site's own files alone.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self' blob: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache", // asked again each time, and not sent again while its entity tag holds
};

const ISOLATION: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const NOT_BUILT = "The explorer is not there yet: run `deno task bundle` in the project, and load this page again.\n";

/**
 * A handler of the whole site.
 *
 * @returns it answers GET and HEAD, and everything it does not know with 404
 */
export function siteHandler(site: Site): Handler {
  return async (request) => {
    const response = await answer(site, request);
    const headers = new Headers(response.headers);
    const added = site.isolated === false ? HEADERS : { ...HEADERS, ...ISOLATION };
    for (const [name, value] of Object.entries(added)) headers.set(name, value);
    return new Response(response.body, { status: response.status, headers });
  };
}

async function answer(site: Site, request: Request): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text("Only GET and HEAD are answered here\n", 405, { allow: "GET, HEAD" });
  }
  const path = decodedPath(request);
  if (path === undefined) return notFound();
  const { folder, models = [] } = site;
  if (path === "/models.json") return modelList(models);
  if (path.startsWith("/models/")) {
    const model = models.find(({ name }) => path === `/models/${name}`);
    return model === undefined ? notFound() : await sendFile(request, model.path);
  }
  if (folder === undefined) return path === "/" ? text(NOT_BUILT, 200) : notFound();
  const file = await fileBelow(folder, path.endsWith("/") ? `${path}index.html` : path);
  return file === undefined ? notFound() : await sendFile(request, file);
}

/** The path with its escapes undone; undefined where it is none, or has a part that no file of the site is called. */
function decodedPath(request: Request): string | undefined {
  try {
    const path = decodeURIComponent(new URL(request.url).pathname);
    const hidden = path.split("/").some((part) => part.startsWith(".")); // `..` too
    return hidden || /[\0\\:]/.test(path) ? undefined : path; // `\` and `:` are syntax of paths on Windows
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** Where a file of the folder lies, links followed; undefined where there is none, or a link leads out of the folder. */
async function fileBelow(folder: string, path: string): Promise<string | undefined> {
  try {
    const [root, file] = [await Deno.realPath(folder), await Deno.realPath(join(folder, path))];
    return file.startsWith(root + sep) && (await Deno.stat(file)).isFile ? file : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined; // not there, a name too long, a loop of links: whatever it is, it cannot be served
  }
}

function modelList(models: readonly SiteModel[]): Response {
  return Response.json(models.map(({ name, byteLength, sha256 }) => {
    return { name, url: `/models/${encodeURIComponent(name)}`, byteLength, sha256 };
  }));
}

function text(body: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}

function notFound(): Response {
  return text("Not found\n", 404);
}
