/** Loads the GGUF file named by its argument on the scalar backend, generates 8 tokens, and prints the most resident bytes seen. */
import { openModel } from "../apps/cli/src/open_model.ts";
import { createBackend, generate, loadModel, tokenizerFromGguf } from "../packages/heed/mod.ts";

let peak = 0;
function look(): void {
  peak = Math.max(peak, Deno.memoryUsage().rss);
}

using opened = await openModel(Deno.args[0]!);
const backend = await createBackend("scalar");
using model = await loadModel({ file: opened.file }, { backend, onProgress: look });
const tokenizer = tokenizerFromGguf(opened.file.metadata);
for await (const _ of generate(model, tokenizer, "The capital of France is", { maxTokens: 8, temperature: 0 })) look();
console.log(peak);
