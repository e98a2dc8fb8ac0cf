/** What `deno task bundle` makes, for the tests that use it: made again when a source is newer. */
import { ROOT, walk } from "../scripts/files.ts";

/** The folder. */
export const DIST: string = `${ROOT}dist`;

/** What the bundles are made of, below the root. */
const SOURCES = ["packages", "scripts/bundle", "apps"];

async function modified(path: string): Promise<number> {
  return (await Deno.stat(path)).mtime?.getTime() ?? 0;
}

async function isCurrent(): Promise<boolean> {
  const made = await modified(`${DIST}/heed.js`).catch(() => 0);
  const paths = SOURCES.flatMap((folder) => [...walk(ROOT + folder, `${ROOT}${folder}/`)]);
  const times = await Promise.all(paths.filter((path) => !/\/(tests|vectors|crate)\//.test(path)).map(modified));
  return times.every((time) => time <= made);
}

/** Bundles, unless what is there is newer than every source. */
export async function ensureDist(): Promise<void> {
  if (await isCurrent()) return;
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "scripts/bundle.ts"], cwd: ROOT });
  const { stderr } = await command.output(); // which fails on sizes too: they are its own affair, not these tests'
  if (!await isCurrent()) throw new Error(`Cannot bundle: ${new TextDecoder().decode(stderr)}`);
}

/** How to serve files. */
export interface ServeOptions {
  /** Whether pages become cross-origin isolated. */
  readonly isolated?: boolean;
  /** Whether other origins may import, as from a CDN. */
  readonly shared?: boolean;
  /** Files beside those of the folder, by path without the slash in front. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A server of files on loopback, and what it was asked for. */
export interface Site extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Paths in the order they were asked for. */
  readonly asked: string[];
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  css: "text/css",
};

/** Serves a folder. */
export function serve(folder: string, { isolated, shared, files = {} }: ServeOptions = {}): Site {
  const headers = {
    ...(isolated && { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" }),
    ...(shared && { "access-control-allow-origin": "*" }),
  };
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
    if (path === "favicon.ico") return new Response(null, { status: 204 });
    asked.push(path);
    const body = files[path] ?? await Deno.readFile(`${folder}/${path}`).catch(() => undefined);
    if (body === undefined) return new Response("not found", { status: 404 });
    const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    return new Response(body, { headers: { ...headers, "content-type": type } });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
