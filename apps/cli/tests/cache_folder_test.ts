import { assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { modelFolder } from "../src/cache_folder.ts";
import { ModelError } from "../src/errors.ts";

function folder(variables: Record<string, string>, os: typeof Deno.build.os): string {
  return modelFolder((name) => variables[name], os);
}

Deno.test("HEED_CACHE comes first, then XDG_CACHE_HOME", () => {
  const HOME = "/home/ada";
  assertEquals(folder({ HOME, HEED_CACHE: "/m", XDG_CACHE_HOME: "/x" }, "linux"), join("/m", "models"));
  assertEquals(folder({ HOME, XDG_CACHE_HOME: "/x" }, "linux"), join("/x", "heed", "models"));
  assertEquals(folder({ HOME, XDG_CACHE_HOME: "relative" }, "linux"), join(HOME, ".cache", "heed", "models"));
  assertEquals(folder({ HOME, HEED_CACHE: "", XDG_CACHE_HOME: "" }, "linux"), join(HOME, ".cache", "heed", "models"));
});

Deno.test("each system has its own place for caches", () => {
  assertEquals(folder({ HOME: "/Users/ada" }, "darwin"), join("/Users/ada", "Library", "Caches", "heed", "models"));
  assertEquals(folder({ LOCALAPPDATA: "/local" }, "windows"), join("/local", "heed", "models"));
});

Deno.test("without a home folder the remedy is named", () => {
  const remedy = "Cannot choose a cache folder: HOME is not set; set HEED_CACHE to a folder for models";
  assertThrows(() => folder({}, "linux"), ModelError, remedy);
});
