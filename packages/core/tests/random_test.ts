/** Threefry-2x32 against the known answers that Random123 ships (`tests/kat_vectors`, threefry2x32 with 20 rounds). */

import { assertEquals } from "@std/assert";
import { threefry2x32 } from "../src/random.ts";

Deno.test("threefry2x32 gives Random123's known answers", () => {
  assertEquals(threefry2x32(0, 0, 0, 0), [0x6b200159, 0x99ba4efe]);
  assertEquals(threefry2x32(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff), [0x1cb996fc, 0xbb002be7]);
  // Key and counter are digits of pi.
  assertEquals(threefry2x32(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3), [0xc4923a9c, 0x483df7a0]);
});
