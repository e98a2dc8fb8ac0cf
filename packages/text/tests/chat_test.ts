/** What a chat renderer is given. The renderer itself comes from an app. */

import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../formats/src/format_error.ts";
import { type ChatVariables, renderChat } from "../mod.ts";
import { byteLevel } from "./small_models.ts";

const MESSAGES = [{ role: "user", content: "Hi" }];

Deno.test("renderChat gives the renderer the template and Hugging Face's variables", () => {
  const tokenizer = byteLevel({ "tokenizer.chat_template": "the template" });
  const calls: [string, ChatVariables][] = [];
  const render = (template: string, variables: ChatVariables): string => {
    calls.push([template, variables]);
    return "rendered";
  };
  assertEquals(renderChat(tokenizer, MESSAGES, { render }), "rendered");
  const variables = { tools: [], messages: "overruled" };
  renderChat(tokenizer, MESSAGES, { render, addGenerationPrompt: false, template: "another", variables });
  const common = { messages: MESSAGES, bos_token: "<|start|>", eos_token: "<|end|>" };
  assertEquals(calls, [
    ["the template", { ...common, add_generation_prompt: true }],
    ["another", { ...common, add_generation_prompt: false, tools: [] }],
  ]);
});

Deno.test("special tokens that a model does not have are empty text", () => {
  const tokenizer = byteLevel({ bos_token_id: undefined, eos_token_id: undefined });
  const render = (_: string, { bos_token, eos_token }: ChatVariables): string => `[${bos_token}${eos_token}]`;
  assertEquals(renderChat(tokenizer, MESSAGES, { render, template: "" }), "[]");
});

Deno.test("a model without a chat template is refused", () => {
  assertThrows(
    () => renderChat(byteLevel(), MESSAGES, { render: () => "" }),
    FormatError,
    "Cannot render the chat: the model has no chat template; pass one as template",
  );
});
