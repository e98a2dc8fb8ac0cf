/**
 * Heed is imported by its URL, as from a CDN: in an empty folder with no configuration, with no permission but the
 * import itself. It holds only while every import under packages/ is relative and nothing is fetched at run time.
 */
import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../scripts/files.ts";

const PROGRAM = (origin: string): string => `
import { createBackend, tensor } from "${origin}/packages/heed/mod.ts";
const backend = await createBackend("scalar");
const a = tensor([[1, 2], [3, 4]], { backend });
console.log(JSON.stringify(Array.from(await a.matmul(a).data())));
`;

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

Deno.test("a program imports Heed by URL with no permission but the import", async () => {
  const folder = await Deno.makeTempDir();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, serveFile);
  try {
    const host = `127.0.0.1:${server.addr.port}`;
    await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM(`http://${host}`));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", "--no-prompt", `--allow-import=${host}`, "main.ts"],
      cwd: folder,
      // A cache of its own, so that nothing is there from an earlier run.
      env: { NO_COLOR: "1", DENO_DIR: `${folder}/cache` },
    });
    const { success, stdout, stderr } = await command.output();
    assert(success, new TextDecoder().decode(stderr));
    assertEquals(new TextDecoder().decode(stdout), "[7,10,15,22]\n");
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
