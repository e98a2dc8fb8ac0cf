/** How the stages of `deno task test` are counted. */
import { assertEquals } from "@std/assert";
import { judge, readCounts } from "../test.ts";

Deno.test("deno test's closing line is read", () => {
  const output = "running 3 tests\nok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)\n\n";
  assertEquals(readCounts(output), { passed: 12, failed: 0, skipped: 1 });
});

Deno.test("a failing run's closing line is read", () => {
  const output = "FAILED | 2 passed (1 step) | 1 failed (4 steps) (10ms)\n\nerror: Test failed";
  assertEquals(readCounts(output), { passed: 2, failed: 1, skipped: 0 });
});

Deno.test("of several closing lines the last one counts", () => {
  const output = "3 passed, 0 failed, 0 skipped\nagain\n5 passed, 1 failed, 2 skipped\n";
  assertEquals(readCounts(output), { passed: 5, failed: 1, skipped: 2 });
});

Deno.test("output without a closing line counts nothing", () => {
  assertEquals(readCounts("Checked 12 files\nwe passed, nobody failed\n"), undefined);
});

Deno.test("a stage that counts nothing is one check", () => {
  assertEquals(judge(undefined, true), { passed: 1, failed: 0, skipped: 0 });
  assertEquals(judge(undefined, false), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("a stage that ends badly has failed, whatever it counted", () => {
  assertEquals(judge({ passed: 5, failed: 0, skipped: 1 }, false), { passed: 5, failed: 1, skipped: 1 });
  assertEquals(judge({ passed: 5, failed: 2, skipped: 1 }, false), { passed: 5, failed: 2, skipped: 1 });
});

Deno.test("a stage that was to count and ran nothing has failed", () => {
  assertEquals(judge({ passed: 0, failed: 0, skipped: 0 }, true), { passed: 0, failed: 1, skipped: 0 });
  assertEquals(judge({ passed: 0, failed: 0, skipped: 1 }, true), { passed: 0, failed: 0, skipped: 1 });
});
