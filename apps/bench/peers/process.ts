/**
 * The process of one participant in Deno: a line `{ method, args }` in JSON on stdin is answered by one with `{ value }` or
 * `{ error }` on stdout, after a mark, since libraries print there too.
 */
import { Host } from "./host.ts";

/** What an answer starts with. */
const MARK = "\u0001";

const host = new Host();

async function answer(line: string): Promise<string> {
  try {
    const { method, args } = JSON.parse(line);
    const call = Reflect.get(host, method);
    return JSON.stringify({ value: await Reflect.apply(call, host, args) ?? null });
  } catch (error) {
    return JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
  }
}

let text = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  text += chunk;
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    console.log(MARK + await answer(line));
  }
}
Deno.exit(); // workers of libraries would keep it alive
