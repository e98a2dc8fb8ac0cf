import { assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { runGolden, type VectorReader } from "../mod.ts";

const FOLDER = new URL("../vectors/", import.meta.url);
const READER: VectorReader = {
  json: async (path) => JSON.parse(await Deno.readTextFile(new URL(path, FOLDER))),
  bytes: (path) => Deno.readFile(new URL(path, FOLDER)),
};

Deno.test("vectors: the scalar backend passes all golden vectors that are covered, and skips none", async () => {
  const failures: string[] = [];
  const backend = createScalarBackend();
  const { passed, failed, skipped } = await runGolden({
    backend,
    reader: READER,
    onResult: (result) => result.status === "passed" || failures.push(`${result.name}: ${result.message}`),
  });
  assertEquals(failures, []);
  assertEquals([failed, skipped], [0, 0]);
  assertEquals(passed > 900, true);
  assertEquals(backend.memory.liveStorages, 0);
});
