/** The prompt of the model's rows: a text that repeats, so that everyone right goes on with the same words. */
import { blobSource, openGguf, tokenizerFromGguf } from "../../../packages/heed/mod.ts";
import type { Prompt } from "./peer.ts";
import { DECODE_PROMPT, WORK } from "./work.ts";

const TEXT =
  "The river rises in the hills behind the old town, passes under three stone bridges, and turns south at the mill. " +
  "In spring it carries snow water and is cold; in summer children swim below the second bridge. ";

/** The prompts that rows take, by their lengths, in the tokens of a GGUF file. @throws {FormatError} if it is no such file */
export async function readPrompts(path: string): Promise<Record<number, Prompt>> {
  const file = await openGguf(blobSource(new Blob([await Deno.readFile(path)])));
  const tokenizer = tokenizerFromGguf(file.metadata);
  file.close();
  const lengths = [DECODE_PROMPT, ...WORK.flatMap((it) => it.kind === "prefill" ? it.tokens : [])];
  const ids = [...tokenizer.encode(TEXT.repeat(Math.ceil(Math.max(...lengths) / 16)))];
  return Object.fromEntries(lengths.map((length) => {
    const start = ids.slice(0, length);
    return [length, { ids: start, text: tokenizer.decode(start) }];
  }));
}
