/**
 * Chats as text: a model ships a Jinja template, and the app passes in a renderer (a Jinja library), so that this
 * library needs none. The variables are those of Hugging Face's `apply_chat_template`, whose Jinja environment has
 * `trim_blocks` and `lstrip_blocks` on.
 */

import { FormatError } from "../../formats/src/format_error.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One turn of a chat. Templates may read more than role and content. */
export interface ChatMessage {
  /** Who speaks: `system`, `user`, `assistant`, or what else the template knows. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
  /** Whatever else the template reads, such as tool calls. */
  readonly [field: string]: unknown;
}

/** What a chat template may refer to. */
export interface ChatVariables {
  /** The turns so far. */
  readonly messages: readonly ChatMessage[];
  /** Whether the text ends with the opening of the assistant's turn. */
  readonly add_generation_prompt: boolean;
  /** The text of the beginning-of-text token, or the empty string. */
  readonly bos_token: string;
  /** The text of the end-of-text token, or the empty string. */
  readonly eos_token: string;
  /** Whatever else the template reads, such as tools. */
  readonly [name: string]: unknown;
}

/** Renders a Jinja template. */
export type ChatRenderer = (template: string, variables: ChatVariables) => string;

/** How to render a chat. */
export interface RenderChatOptions {
  /** The renderer, from a Jinja library. */
  readonly render: ChatRenderer;
  /** Whether to end with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Used instead of the model's own template. */
  readonly template?: string;
  /** Further variables for the template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/**
 * The text of a chat, as the model was trained to see it. The template writes the special tokens, so encode the result
 * with `addSpecialTokens: false`.
 * @throws {FormatError} when there is no template, neither the model's nor in the options.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type ChatRenderer, renderChat } from "@heed/heed/text";
 *
 * const tokenizer = { chatTemplate: "{{ messages[0].content }}", bosId: undefined, eosId: undefined, tokenOf: String };
 * const render: ChatRenderer = (_template, { messages }) => messages[0]!.content; // a Jinja library in earnest
 * assertEquals(renderChat(tokenizer, [{ role: "user", content: "Hi" }], { render }), "Hi");
 * ```
 */
export function renderChat(
  tokenizer: Pick<Tokenizer, "chatTemplate" | "bosId" | "eosId" | "tokenOf">,
  messages: readonly ChatMessage[],
  options: RenderChatOptions,
): string {
  const template = options.template ?? tokenizer.chatTemplate;
  if (template === undefined) {
    throw new FormatError("Cannot render the chat: the model has no chat template; pass one as template");
  }
  const textOf = (id: number | undefined): string => (id === undefined ? "" : tokenizer.tokenOf(id));
  return options.render(template, {
    ...options.variables,
    messages,
    add_generation_prompt: options.addGenerationPrompt ?? true,
    bos_token: textOf(tokenizer.bosId),
    eos_token: textOf(tokenizer.eosId),
  });
}
