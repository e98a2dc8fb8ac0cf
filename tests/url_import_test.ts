/**
 * Heed is imported by its URL, as from a CDN: in an empty folder with no configuration, with the permissions that the README
 * lists, which are none but the import itself. It holds only while every import under packages/ is relative and nothing is
 * fetched at run time.
 */
import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { ROOT } from "../scripts/files.ts";
import { type Example, EXAMPLES, WEBGPU_EXAMPLE } from "./entries.ts";

const EXPORTS: Readonly<Record<string, string>> = config.exports;

const TESTED = [...EXAMPLES, WEBGPU_EXAMPLE];

/** Serves the repository's files; what is not there is a 404. */
async function serveFile(request: Request): Promise<Response> {
  const path = decodeURIComponent(new URL(request.url).pathname);
  try {
    const body = await Deno.readFile(`${ROOT}${path.slice(1)}`);
    return new Response(body, { headers: { "content-type": path.endsWith(".ts") ? "text/typescript" : "text/plain" } });
  } catch {
    return new Response("not found", { status: 404 });
  }
}

/** Runs a program that imports from the host, in a fresh folder; returns what it printed. */
async function runFrom(host: string, { program }: Example): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, program((entry) => `http://${host}${EXPORTS[entry]!.slice(1)}`));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", "--no-prompt", `--allow-import=${host}`, "main.ts"],
      cwd: folder,
      // A cache of its own, so that nothing is there from an earlier run.
      env: { NO_COLOR: "1", DENO_DIR: `${folder}/cache` },
    });
    const { success, stdout, stderr } = await command.output();
    assert(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("every public entry but the suite has an example here", () => {
  assertEquals(new Set(TESTED.map(({ entry }) => entry)).add("./conformance"), new Set(Object.keys(EXPORTS)));
});

for (const example of TESTED) {
  Deno.test(`a program imports ${example.entry} by URL with no permission but the import`, async () => {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, serveFile);
    try {
      assertEquals(await runFrom(`127.0.0.1:${server.addr.port}`, example), example.prints);
    } finally {
      await server.shutdown();
    }
  });
}

Deno.test("the README says that importing by URL takes no permission but the import", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const row = readme.split("\n").find((line) => line.startsWith("| importing the library by URL"));
  assert(row !== undefined && /\|\s*none \(`--allow-import` of the host/.test(row), row);
});
