/** A real model behind the server, asked by OpenAI's own client: the answers are those of `generate`, the cache is used. */
import { assert, assertEquals } from "@std/assert";
import OpenAI from "openai";
import { Conversation } from "../apps/cli/src/conversation.ts";
import { locateHere } from "../apps/cli/src/locate_here.ts";
import { openModel } from "../apps/cli/src/open_model.ts";
import { DEFAULT_MODEL } from "../apps/cli/src/pinned_models.ts";
import { renderJinja } from "../apps/cli/src/render_jinja.ts";
import { Api } from "../apps/cli/src/serve/api.ts";
import { listen } from "../apps/cli/src/serve/listen.ts";
import { serverHandler } from "../apps/cli/src/serve/server.ts";
import { siteHandler } from "../apps/cli/src/serve/site.ts";
import {
  type ChatMessage,
  createBackend,
  generate,
  type LlamaForCausalLM,
  loadModel,
  renderChat,
  type Tokenizer,
  tokenizerFromGguf,
} from "../packages/heed/mod.ts";

const QUESTIONS = ["What is the capital of France?", "And of Italy?"];

/** The greedy answer to a chat, with a cache of its own. */
async function wanted(model: LlamaForCausalLM, tokenizer: Tokenizer, messages: ChatMessage[]): Promise<string> {
  const text = renderChat(tokenizer, messages, { render: renderJinja });
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  const pieces = await Array.fromAsync(generate(model, tokenizer, ids, { temperature: 0, maxTokens: 24 }));
  return pieces.map((piece) => piece.text).join("");
}

Deno.test("real model: a chat of two turns over HTTP", async () => {
  using opened = await openModel(await locateHere(DEFAULT_MODEL));
  const tokenizer = tokenizerFromGguf(opened.file.metadata);
  const backend = await createBackend("wasm", { matmulActivations: "f32" }); // exact: chunks and caches change no token
  {
    using model = await loadModel({ file: opened.file }, { backend });
    using conversation = new Conversation(model, tokenizer);
    const faults: unknown[] = [];
    const onFault = (error: unknown): unknown => faults.push(error);
    const api = new Api({
      ...{ model: DEFAULT_MODEL, created: 0, tokenizer, conversation, onFault },
      ...{ maxTokens: 24, maxBodyBytes: 100_000, places: 1 },
    });
    const guard = { hosts: [], origins: [], apiKey: "key" };
    const handler = serverHandler(api, siteHandler({ folder: undefined }), guard, onFault);
    const listening = await listen({ hostname: "127.0.0.1", port: 0 }, handler);
    try {
      const baseURL = `http://127.0.0.1:${listening.port}/v1`;
      const client = new OpenAI({ apiKey: "key", baseURL, maxRetries: 0 });
      const messages: { role: "user" | "assistant"; content: string }[] = [];
      let before = 0;
      for (const content of QUESTIONS) {
        messages.push({ role: "user", content });
        const stream = client.chat.completions.stream({
          ...{ model: DEFAULT_MODEL, messages, temperature: 0, stream_options: { include_usage: true } },
        });
        const { choices, usage } = await stream.finalChatCompletion();
        const answer = choices[0]!.message.content!;
        assertEquals(answer, await wanted(model, tokenizer, messages));
        const cached = usage!.prompt_tokens_details!.cached_tokens!;
        assert(before === 0 ? cached === 0 : cached >= before, `${cached} of ${before} tokens were cached`);
        before = usage!.prompt_tokens;
        messages.push({ role: "assistant", content: answer });
      }
      assert(/Paris/.test(messages[1]!.content), messages[1]!.content);
    } finally {
      await listening.stop();
    }
    assertEquals(faults, []);
  }
  assertEquals(backend.memory.liveStorages, 0);
  backend.dispose();
});
