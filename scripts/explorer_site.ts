/** The explorer, bundled into a folder and served as `heed serve` serves it. */
import * as esbuild from "esbuild";
import { dirname } from "node:path";
import { type Handler, siteHandler, type SiteModel } from "../apps/cli/src/serve/site.ts";
import { buildExplorer } from "../apps/explorer/build.ts";

/** Bundles the explorer into a folder of its own, which the caller removes. */
export async function explorerFolder(): Promise<string> {
  try {
    const folder = await Deno.makeTempDir();
    for (const [path, bytes] of await buildExplorer()) {
      await Deno.mkdir(dirname(`${folder}/${path}`), { recursive: true });
      await Deno.writeFile(`${folder}/${path}`, bytes);
    }
    return folder;
  } finally {
    await esbuild.stop();
  }
}

/** What a site serves besides the page. */
export interface ExplorerSite {
  readonly models?: readonly SiteModel[];
  readonly isolated?: boolean;
  /** Answers before the site does, where it gives an answer. */
  readonly first?: (request: Request) => Promise<Response | undefined> | Response | undefined;
}

/** Serves a folder on a free port of 127.0.0.1; the caller shuts the server down. */
export function serveExplorer(
  folder: string,
  site: ExplorerSite = {},
): { url: string; server: Deno.HttpServer<Deno.NetAddr> } {
  const { models = [], isolated = true, first } = site;
  const handler: Handler = siteHandler({ folder, models, isolated });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    return await first?.(request) ?? await handler(request);
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, server };
}
