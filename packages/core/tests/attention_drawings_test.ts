/** The drawings of docs/attention.md are what the options do: each is drawn again from the weights. */
import { assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { attention, type AttentionOptions, mods, ones, tensor } from "../mod.ts";

const backend = createScalarBackend();
const ids = tensor([0, 0, 1, 1, 1], { dtype: "i32", backend });
const lengths = tensor([3], { dtype: "i32", backend });

const DRAWINGS: Readonly<Record<string, readonly [length: number, keys: number, options: AttentionOptions]>> = {
  'causal: "upper-left"  ': [3, 5, { causal: "upper-left" }],
  'causal: "lower-right"': [3, 5, { causal: "lower-right" }],
  "whole prompt, T = S": [3, 3, { causal: "lower-right" }],
  "one token, T = 1": [1, 4, { causal: "lower-right" }],
  "a chunk after a prefix": [2, 4, { causal: "lower-right" }],
  "window: { left: 1, right: 1 }": [5, 5, { window: { left: 1, right: 1 } }],
  "left: 1, causal  ": [5, 5, { window: { left: 1 }, causal: "lower-right" }],
  "left: 1, causal, sinkTokens: 1": [5, 5, { window: { left: 1, sinkTokens: 1 }, causal: "lower-right" }],
  "keyLengths: [3]": [5, 5, { keyLengths: lengths }],
  "prefix(2)": [5, 5, { maskMod: mods.prefix(2) }],
  "document([0, 0, 1, 1, 1])": [5, 5, { maskMod: mods.document(ids) }],
};

/** Which keys each query sees, drawn. */
async function draw(length: number, keys: number, options: AttentionOptions): Promise<string[]> {
  using query = ones([1, 1, length, 1], { backend });
  using key = ones([1, 1, keys, 1], { backend });
  const { output, weights } = attention(query, key, key, { ...options, returns: { weights: true } });
  const seen = Array.from(await weights.data(), (weight) => weight > 0 ? "■" : "·");
  for (const x of [output, weights]) x.dispose();
  const row = (t: number) => `${t === 0 ? "t" : " "} ${t}   ${seen.slice(t * keys, (t + 1) * keys).join(" ")}`;
  const head = `    s ${Array.from({ length: keys }, (_, s) => s).join(" ")}`;
  return [head, ...Array.from({ length }, (_, t) => row(t))];
}

const page = (await Deno.readTextFile(new URL("../../../docs/attention.md", import.meta.url))).split("\n");

for (const [title, [length, keys, options]] of Object.entries(DRAWINGS)) {
  Deno.test(`docs/attention.md draws ${title.trim()}`, async () => {
    const lines = await draw(length, keys, options);
    const place = page.findIndex((line, i) => line.includes(title) && page[i + 1]?.includes("s 0"));
    const column = page[place]?.indexOf(title) ?? -1;
    const drawn = lines.map((line, i) => page[place + 1 + i]?.slice(column, column + line.length));
    assertEquals(drawn, lines);
  });
}
