/**
 * Chat templates by Hugging Face's own Jinja library, whose environment is that of `apply_chat_template`: blocks are
 * trimmed, and `raise_exception` and `strftime_now` are there.
 */
import { Template } from "@huggingface/jinja";
import { type ChatVariables, FormatError } from "../../../packages/heed/mod.ts";

/**
 * Renders a chat template.
 *
 * @throws {FormatError} when the template is not right, or refuses these messages
 */
export function renderJinja(template: string, variables: ChatVariables): string {
  try {
    return new Template(template).render({ ...variables });
  } catch (error) {
    throw new FormatError(`Cannot render the chat: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
