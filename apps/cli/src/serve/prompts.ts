/**
 * What a request asks about: a text or ids to go on from, or the turns of a chat.
 */
import type { ChatMessage } from "../../../../packages/heed/mod.ts";
import { badParameter } from "./api_error.ts";
import { isRecord } from "./parameters.ts";

/**
 * The prompt of a completion: a text, ids, or one of them in a list.
 *
 * @throws {ApiError} 400 when it is none, or several
 */
export function readPrompt(value: unknown): string | readonly number[] {
  if (typeof value === "string" && value !== "") return value;
  if (!Array.isArray(value) || value.length === 0) {
    throw badParameter("prompt", "prompt must be a text or a list of ids, and not empty");
  }
  const items: readonly unknown[] = value;
  const ids = items.filter((item) => typeof item === "number");
  if (ids.length === items.length) return ids;
  if (items.length === 1) return readPrompt(items[0]);
  throw badParameter("prompt", "Several prompts in one request are not supported by this server; send one each");
}

const ROLES: ReadonlyMap<unknown, string> = new Map([
  ["system", "system"],
  ["developer", "system"], // the newer name of the same thing, which templates do not know
  ["user", "user"],
  ["assistant", "assistant"],
]);

/**
 * The turns of a chat.
 *
 * @throws {ApiError} 400 naming the turn that is wrong
 */
export function readMessages(value: unknown): readonly ChatMessage[] {
  if (Array.isArray(value) && value.length > 0) return value.map(readMessage);
  throw badParameter("messages", "messages must be a list of at least one message");
}

function readMessage(value: unknown, index: number): ChatMessage {
  const param = `messages[${index}]`;
  if (!isRecord(value)) throw badParameter(param, `${param} must be an object`);
  const role = ROLES.get(value["role"]);
  if (role === undefined) {
    throw badParameter(`${param}.role`, `${param}.role must be one of ${[...ROLES.keys()].join(", ")}`);
  }
  if (Array.isArray(value["tool_calls"]) && value["tool_calls"].length > 0) {
    throw badParameter(`${param}.tool_calls`, "Tool calls are not supported by this server", "unsupported_parameter");
  }
  return { role, content: readContent(value["content"], `${param}.content`) };
}

/** A text, or a list of parts that are texts. */
function readContent(value: unknown, param: string): string {
  if (typeof value === "string") return value;
  const parts: readonly unknown[] = Array.isArray(value) ? value : [];
  const texts = parts.flatMap((part) => isTextPart(part) ? [part.text] : []);
  if (texts.length > 0 && texts.length === parts.length) return texts.join("");
  throw badParameter(param, `${param} must be a text, or a list of parts of type text`);
}

function isTextPart(part: unknown): part is { readonly text: string } {
  return isRecord(part) && part["type"] === "text" && typeof part["text"] === "string";
}
