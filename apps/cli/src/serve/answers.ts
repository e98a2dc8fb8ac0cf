/**
 * Answers as the OpenAI API writes them: completions and chat completions, whole or in chunks. The two differ in how a
 * choice holds its text, and in nothing else.
 */
import type { AnswerPiece, AnswerUsage } from "../conversation.ts";

/** What the parts of one answer have in common. */
export interface AnswerHead {
  /** The answer's own name. */
  readonly id: string;
  /** When it began, in seconds since 1970. */
  readonly created: number;
  /** The model that gives it. */
  readonly model: string;
}

type Finish = "stop" | "length" | null;
type Json = Readonly<Record<string, unknown>>;

/** How one kind of answer is written. */
export interface AnswerForm {
  /** What its name begins with. */
  readonly prefix: string;
  /** What a whole answer says it is. */
  readonly object: string;
  /** What a chunk says it is. */
  readonly chunkObject: string;
  /** Chunks before the first piece. */
  readonly opening: readonly Json[];
  /** The choice of a whole answer. */
  whole(text: string): Json;
  /** The choice of a chunk; no text in the last one of a chat. */
  part(text: string): Json;
}

/** Answers of `/v1/completions`. */
export const COMPLETION: AnswerForm = {
  prefix: "cmpl-",
  object: "text_completion",
  chunkObject: "text_completion",
  opening: [],
  whole: (text) => ({ text }),
  part: (text) => ({ text }),
};

/** Answers of `/v1/chat/completions`. */
export const CHAT_COMPLETION: AnswerForm = {
  prefix: "chatcmpl-",
  object: "chat.completion",
  chunkObject: "chat.completion.chunk",
  opening: [{ delta: { role: "assistant", content: "" } }],
  whole: (content) => ({ message: { role: "assistant", content, refusal: null } }),
  part: (content) => ({ delta: content === "" ? {} : { content } }),
};

/** The head of a new answer. */
export function newHead(form: AnswerForm, model: string): AnswerHead {
  const id = form.prefix + crypto.randomUUID().replaceAll("-", "");
  return { id, created: Math.floor(Date.now() / 1000), model };
}

/** A whole answer. */
export async function wholeAnswer(
  form: AnswerForm,
  head: AnswerHead,
  pieces: AsyncIterable<AnswerPiece>,
): Promise<Json> {
  const texts: string[] = [];
  let last: AnswerPiece | undefined;
  for await (const piece of pieces) texts.push((last = piece).text);
  const { id, created, model } = head;
  const choices = [choice(form.whole(texts.join("")), last?.finish ?? null)];
  return { id, object: form.object, created, model, choices, usage: last === undefined ? null : usageOf(last.usage) };
}

/**
 * An answer in chunks, as its pieces come.
 *
 * @param includeUsage whether a last chunk says what it cost; the others then say that they do not
 */
export async function* chunkedAnswer(
  form: AnswerForm,
  { id, created, model }: AnswerHead,
  pieces: AsyncIterable<AnswerPiece>,
  includeUsage: boolean,
): AsyncGenerator<Json> {
  const common = { id, object: form.chunkObject, created, model };
  const chunk = (part: Json, finish: Finish): Json => {
    return { ...common, choices: [choice(part, finish)], ...(includeUsage && { usage: null }) };
  };
  let begun = false;
  for await (const { text, finish, usage } of pieces) {
    if (!begun) yield* form.opening.map((part) => chunk(part, null));
    begun = true;
    if (text !== "") yield chunk(form.part(text), null);
    if (finish === undefined) continue;
    yield chunk(form.part(""), finish);
    if (includeUsage) yield { ...common, choices: [], usage: usageOf(usage) };
  }
}

function choice(part: Json, finish: Finish): Json {
  return { index: 0, ...part, logprobs: null, finish_reason: finish };
}

function usageOf({ prompt, cached, completion }: AnswerUsage): Json {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}
