/**
 * The API: `/v1/models`, `/v1/completions` and `/v1/chat/completions`, as OpenAI's clients speak it, on one model. One
 * answer is computed at a time, in the order requests came; so many may wait.
 *
 * The model computes on the thread that listens, and lets other work have its turn between two tokens and between two
 * chunks of a prompt. A worker would keep even those 20 to 150 ms free, and cost a second program with a protocol of its
 * own; what waits meanwhile are requests for the same model, which wait anyway.
 */
import { FormatError, renderChat, ShapeError, type Tokenizer } from "../../../../packages/heed/mod.ts";
import type { AnswerPiece, Conversation } from "../conversation.ts";
import { renderJinja } from "../render_jinja.ts";
import { type AnswerForm, CHAT_COMPLETION, chunkedAnswer, COMPLETION, newHead, wholeAnswer } from "./answers.ts";
import { ApiError, checkMethod } from "./api_error.ts";
import { eventStream } from "./event_stream.ts";
import { type Body, type CommonParameters, readCommon } from "./parameters.ts";
import { readMessages, readPrompt } from "./prompts.ts";
import { Queue } from "./queue.ts";
import { JsonReader } from "./read_json.ts";

/** What the API works with. */
export interface ApiOptions {
  /** What the model is called. */
  readonly model: string;
  /** When it was made, in seconds since 1970. */
  readonly created: number;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** What answers. */
  readonly conversation: Conversation;
  /** Tokens of one answer, at most. */
  readonly maxTokens: number;
  /** Bytes of one body, at most. */
  readonly maxBodyBytes: number;
  /** Requests that may wait. */
  readonly places: number;
  /** Told of faults, which clients are not told of. */
  readonly onFault: (error: unknown) => void;
}

/** A question, as one kind of request asks it. */
interface Question extends CommonParameters {
  readonly form: AnswerForm;
  /** The ids of the prompt; found when its turn has come, since it takes time. */
  readonly ids: () => readonly number[];
}

const COMPLETION_TOKENS = 16; // what the API gives a completion that does not say
const BODIES_AT_ONCE = 32; // a body comes in milliseconds, or from someone who is not to hold memory

/** Answers requests. */
export class Api {
  readonly #options: ApiOptions;
  readonly #queue: Queue;
  readonly #reader: JsonReader;
  readonly #running = new Set<AbortController>();
  #stopped: ApiError | undefined;

  /** An API on one model. */
  constructor(options: ApiOptions) {
    this.#options = options;
    this.#queue = new Queue(options.places);
    this.#reader = new JsonReader(options.maxBodyBytes, BODIES_AT_ONCE);
  }

  /**
   * Answers a request to a path that begins with `/v1/`.
   *
   * @throws {ApiError} when it cannot be answered as asked
   */
  async answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    if (path === "/v1/completions") return await this.#complete(request, (body) => this.#completion(body));
    if (path === "/v1/chat/completions") return await this.#complete(request, (body) => this.#chat(body));
    if (path !== "/v1/models" && !path.startsWith("/v1/models/")) throw notThere(request);
    checkMethod(request, "GET", "HEAD");
    if (path === "/v1/models") return Response.json({ object: "list", data: [this.#card] });
    this.#checkModel(decoded(path.slice("/v1/models/".length)));
    return Response.json(this.#card);
  }

  /**
   * Ends all answers that are being given or waited for, and those that are asked for from now on.
   *
   * @param reason what their clients are told
   */
  stop(reason: ApiError): void {
    this.#stopped = reason;
    for (const answer of this.#running) answer.abort(reason);
  }

  get #card(): Readonly<Record<string, unknown>> {
    const { model, created } = this.#options;
    return { id: model, object: "model", created, owned_by: "heed" };
  }

  #checkModel(name: string): void {
    const { model } = this.#options;
    if (name === model) return;
    throw new ApiError(404, `The model "${name}" is not here; this server has "${model}"`, {
      code: "model_not_found",
      param: "model",
    });
  }

  #completion(body: Body): Question {
    const { tokenizer, maxTokens } = this.#options;
    const common = readCommon(body, ["prompt", "max_tokens"], maxTokens, COMPLETION_TOKENS);
    const prompt = readPrompt(body["prompt"]);
    return { ...common, form: COMPLETION, ids: () => typeof prompt === "string" ? tokenizer.encode(prompt) : prompt };
  }

  #chat(body: Body): Question {
    const { tokenizer, maxTokens } = this.#options;
    const own = ["messages", "max_tokens", "max_completion_tokens"];
    const common = readCommon(body, own, maxTokens, maxTokens);
    const messages = readMessages(body["messages"]);
    const ids = (): readonly number[] => {
      return tokenizer.encode(renderChat(tokenizer, messages, { render: renderJinja }), { addSpecialTokens: false });
    };
    return { ...common, form: CHAT_COMPLETION, ids };
  }

  /** The answer begins with its first piece: what goes wrong until then has a status of its own. */
  async #complete(request: Request, read: (body: Body) => Question): Promise<Response> {
    checkMethod(request, "POST");
    const question = read(await this.#reader.read(request));
    this.#checkModel(question.model);
    const answer = this.#begin(request.signal);
    const pieces = this.#inTurn(question, answer);
    answer.signal.addEventListener("abort", () => void pieces.return()); // also while nobody asks for the next one
    const all = startingWith(await this.#orRefused(pieces.next()), pieces, answer.signal);
    const head = newHead(question.form, this.#options.model);
    if (!question.stream) return Response.json(await this.#orRefused(wholeAnswer(question.form, head, all)));
    const events = chunkedAnswer(question.form, head, all, question.includeUsage);
    return eventStream(events, (error) => this.#errorOf(error).body);
  }

  /** An answer that ends when its client leaves or the server stops. (`AbortSignal.any` would be kept as long as either.) */
  #begin(client: AbortSignal): AbortController {
    const answer = new AbortController();
    client.addEventListener("abort", () => answer.abort(client.reason));
    if (client.aborted) answer.abort(client.reason);
    if (this.#stopped !== undefined) answer.abort(this.#stopped);
    this.#running.add(answer);
    return answer;
  }

  async *#inTurn(question: Question, answer: AbortController): AsyncGenerator<AnswerPiece, void> {
    const { ids, sampling, maxTokens, stop } = question;
    const { signal } = answer;
    try {
      using _turn = await (this.#queue.enter(signal) ?? this.#noPlace());
      const prompt = ids();
      this.#checkRoom(prompt);
      yield* this.#options.conversation.answer(prompt, { sampling, maxTokens, stop, signal });
    } finally {
      this.#running.delete(answer);
    }
  }

  #noPlace(): never {
    throw new ApiError(429, "Too many requests are waiting; try again later", {
      code: "queue_full",
      headers: { "retry-after": "5" },
    });
  }

  #checkRoom(prompt: readonly number[]): void {
    const { contextTokens } = this.#options.conversation;
    if (prompt.length <= contextTokens) return;
    throw new ApiError(400, `The prompt is ${prompt.length} tokens long, and the model's context ${contextTokens}`, {
      code: "context_length_exceeded",
    });
  }

  async #orRefused<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw this.#errorOf(error);
    }
  }

  /** What the model or its tokenizer cannot do with a request is the request's fault; all else is the server's. */
  #errorOf(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof ShapeError || error instanceof FormatError) return new ApiError(400, error.message);
    this.#options.onFault(error);
    return new ApiError(500, "The server failed; its log says more");
  }
}

/** The pieces again, of which one was taken; those that an abort cut off do not look complete. */
async function* startingWith(
  first: IteratorResult<AnswerPiece, void>,
  rest: AsyncGenerator<AnswerPiece, void>,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece> {
  try {
    if (!first.done) yield first.value;
    yield* rest;
    signal.throwIfAborted();
  } finally {
    await rest.return(); // also where the first was not asked for: the turn is over
  }
}

function notThere(request: Request): ApiError {
  return new ApiError(404, `There is no ${request.method} ${new URL(request.url).pathname} here`, {
    code: "unknown_url",
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
