import { assertEquals } from "@std/assert";
import { formatBytes, formatCount } from "../src/format_bytes.ts";
import { ProgressBar } from "../src/progress.ts";

function draw(terminal: boolean, updates: [number, number | undefined][]): string {
  let text = "";
  const bar = new ProgressBar("Reading", { isTerminal: () => terminal, write: (piece) => text += piece });
  for (const [done, total] of updates) bar.update(done, total);
  bar.end();
  return text;
}

Deno.test("on a terminal one line is drawn over, only where it changed", () => {
  const half = `[${"#".repeat(15)}${"-".repeat(15)}] 50% of 2.0 kB`;
  const whole = `[${"#".repeat(30)}] 100% of 2.0 kB`;
  assertEquals(
    draw(true, [[1000, 2000], [1001, 2000], [2000, 2000]]),
    `\rReading ${half}\x1b[K\rReading ${whole}\x1b[K\n`,
  );
  assertEquals(draw(true, [[5, undefined]]), "\rReading 5 bytes\x1b[K\n");
});

Deno.test("in a log there is a line every tenth", () => {
  const updates = Array.from({ length: 1001 }, (_, index): [number, number] => [index * 2, 2000]);
  const lines = draw(false, updates).split("\n");
  assertEquals(lines.length, 11); // ten and the empty end
  assertEquals([lines[0], lines[9]], ["Reading: 10% of 2.0 kB", "Reading: 100% of 2.0 kB"]);
  assertEquals(draw(false, [[5, undefined], [150e6, undefined]]), "Reading: 150.0 MB\n");
});

Deno.test("bytes and counts as people read them", () => {
  assertEquals([0, 999, 1000, 98_362_432, 2e12, 3e15].map(formatBytes), [
    "0 bytes",
    "999 bytes",
    "1.0 kB",
    "98.4 MB",
    "2.0 TB",
    "3000.0 TB",
  ]);
  assertEquals(formatCount(134_515_008), "134,515,008");
});
