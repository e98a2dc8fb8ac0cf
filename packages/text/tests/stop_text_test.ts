import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../core/mod.ts";
import { StopText } from "../mod.ts";

/** What a text gives when it comes in pieces of one length. */
function cut(text: string, stops: readonly string[], size: number): { pieces: string[]; stopped: boolean } {
  const stopText = new StopText(stops);
  const pieces: string[] = [];
  for (let i = 0; i < text.length; i += size) pieces.push(stopText.push(text.slice(i, i + size)));
  pieces.push(stopText.end());
  return { pieces, stopped: stopText.stopped };
}

Deno.test("a text is cut before the stop sequence that ends first, however it comes in pieces", () => {
  const texts = ["aabaabaaab", "abcabd", "no stop", "ab", "", "xxabc"];
  const lists = [["aaab"], ["abd", "bc"], ["zz"], ["ab"], ["abc", "ab"], ["b", "ab"], ["abab", "ba"], [], [""]];
  for (const text of texts) {
    for (const stops of lists) {
      const found = stops.filter((stop) => stop !== "" && text.includes(stop));
      const ends = found.map((stop) => text.indexOf(stop) + stop.length);
      const first = Math.min(...ends); // of those that end there the longest
      const wanted = text.slice(
        0,
        Math.min(...found.map((stop) => text.indexOf(stop)).filter((_, i) => ends[i] === first)),
      );
      for (const size of [1, 2, 3, 100]) {
        const { pieces, stopped } = cut(text, stops, size);
        const what = `${text} / ${stops} in pieces of ${size}`;
        assertEquals(stopped, found.length > 0, what);
        assertEquals(pieces.join(""), wanted, what);
      }
    }
  }
});

Deno.test("only what may become a stop sequence is held back", () => {
  assertEquals(cut("abxaby", ["abz"], 1).pieces, ["", "", "abx", "", "", "aby", ""]);
  assertEquals(cut("ab", ["abz"], 1).pieces, ["", "", "ab"]);
});

Deno.test("stop sequences that are no list of texts are refused", () => {
  const one = "END" as unknown as string[]; // the types refuse it, JavaScript does not
  assertThrows(() => new StopText(one), ShapeError, 'Cannot stop at "END": stop sequences are a list of texts, as ["');
  const ids = [3] as unknown as string[];
  assertThrows(() => new StopText(ids), ShapeError, "Cannot stop at [3]: stop sequences are a list of texts");
});
