/** The package could be published as it stands: no slow types, no import that a registry refuses, no stray files. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ROOT } from "../scripts/files.ts";

Deno.test("a publishing dry run passes, and carries neither tests nor vectors", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  });
  const { success, stderr } = await command.output();
  const words = new TextDecoder().decode(stderr);
  assert(success, words);
  assertMatch(words, /Simulating publish of @heed\/heed@/);
  const files = [...words.matchAll(/^\s+file:\/\/(.*) \(/gm)].map((match) => match[1] ?? "");
  assert(files.some((file) => file.endsWith("/packages/heed/mod.ts")), words);
  assertEquals(files.filter((file) => /\/tests\/|\/vectors\/|\/apps\/|\/scripts\//.test(file)), []);
});
