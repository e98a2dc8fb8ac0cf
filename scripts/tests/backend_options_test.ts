/** How backends are made by what a command line, or a page's address, says. */
import { assertEquals, assertThrows } from "@std/assert";
import { readBackendOptions } from "../../apps/conformance/backend_options.ts";

const ALWAYS = { matmulActivations: "f32", softwareAdapter: true };

Deno.test("features are all, none, or those that are named", () => {
  assertEquals<unknown>(readBackendOptions({}), ALWAYS);
  assertEquals<unknown>(readBackendOptions({ features: "all" }), ALWAYS);
  assertEquals<unknown>(readBackendOptions({ features: "none" }), { ...ALWAYS, features: [] });
  const named = readBackendOptions({ features: "shader-f16,subgroups" });
  assertEquals<unknown>(named, { ...ALWAYS, features: ["shader-f16", "subgroups"] });
});

Deno.test("a build is plain or threads", () => {
  assertEquals<unknown>(readBackendOptions({ build: "threads", threads: "2" }), {
    ...ALWAYS,
    build: "threads",
    threads: 2,
  });
  assertThrows(
    () => readBackendOptions({ build: "fast" }),
    Error,
    'Cannot use --build "fast": it must be plain or threads',
  );
  assertThrows(() => readBackendOptions({ threads: "two" }), Error, 'Cannot use --threads "two": it must be a whole');
});
