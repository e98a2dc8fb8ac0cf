/**
 * `heed chat`: turns of a conversation, lines in and answers out. The model's template writes all turns each time; what of
 * it the key/value cache holds already is not computed again.
 */
import { type ChatMessage, FormatError, renderChat, ShapeError, type Tokenizer } from "../../../packages/heed/mod.ts";
import { ChatLines } from "./chat_lines.ts";
import { CHAT_HELP, type ChatRequest, parseChat } from "./chat_options.ts";
import { type AnswerUsage, Conversation } from "./conversation.ts";
import { Interrupted } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import { findModel, withLoaded } from "./model_here.ts";
import { renderJinja } from "./render_jinja.ts";
import { writeStdout } from "./write_stdout.ts";

const COMMANDS = `/clear  forget what was said
/help   show this
/exit   end (so do Ctrl-D, and Ctrl-C at the prompt; Ctrl-C stops an answer)`;

/**
 * Runs the command.
 *
 * @param args the command line after `chat`
 * @throws {UsageError | ModelError | DownloadError | FormatError | BackendError} as it goes wrong
 * @throws {Interrupted | Terminated} when it is interrupted at the prompt, or either happens before
 */
export async function chat(args: readonly string[]): Promise<void> {
  const request = parseChat(args);
  if (request === "help") return console.log(CHAT_HELP.trimEnd());
  using here = await findModel(request);
  renderChat(here.tokenizer, systemTurn(request), { render: renderJinja }); // without a template nothing is loaded
  using interrupt = new Interrupt();
  await withLoaded(here, request, interrupt.signal, async (model) => {
    interrupt[Symbol.dispose](); // from here on interrupts are the lines'
    using conversation = new Conversation(model, here.tokenizer);
    using lines = new ChatLines();
    await new Chat(request, here.tokenizer, conversation).run(lines);
    if (lines.interrupted) throw new Interrupted();
  });
}

function systemTurn({ system }: ChatRequest): ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}

/** What was said, and how it goes on. */
class Chat {
  readonly #request: ChatRequest;
  readonly #tokenizer: Tokenizer;
  readonly #conversation: Conversation;
  #messages: ChatMessage[];
  #turns = 0;

  constructor(request: ChatRequest, tokenizer: Tokenizer, conversation: Conversation) {
    this.#request = request;
    this.#tokenizer = tokenizer;
    this.#conversation = conversation;
    this.#messages = systemTurn(request);
  }

  /** Answers lines until they end. */
  async run(lines: ChatLines): Promise<void> {
    for await (const line of lines) {
      const text = line.trim();
      if (text === "/exit") return;
      if (text === "/clear") this.#clear();
      else if (text === "/help") console.error(COMMANDS);
      else if (/^\/\w+(\s|$)/.test(text)) console.error(`There is no ${text}; /help shows what there is`);
      else if (text !== "") await lines.stoppable((signal) => this.#turn(line, signal));
    }
  }

  #clear(): void {
    this.#messages = systemTurn(this.#request);
    this.#conversation.clear();
  }

  /** One message and its answer, which stays as far as it came; a message that got none is taken back. */
  async #turn(content: string, signal: AbortSignal): Promise<void> {
    const messages = [...this.#messages, { role: "user", content }];
    const answer: string[] = [];
    try {
      await this.#answer(messages, signal, answer);
    } catch (error) {
      if (!(error instanceof ShapeError || error instanceof FormatError)) throw error;
      console.error(error.message);
    } finally {
      if (answer.length > 0) this.#messages = [...messages, { role: "assistant", content: answer.join("") }];
    }
  }

  /** Writes the answer, and notes its pieces in `answer`. */
  async #answer(messages: readonly ChatMessage[], signal: AbortSignal, answer: string[]): Promise<void> {
    const prompt = this.#tokenizer.encode(renderChat(this.#tokenizer, messages, { render: renderJinja }), {
      addSpecialTokens: false,
    });
    const { contextTokens } = this.#conversation;
    if (prompt.length >= contextTokens) {
      console.error(
        `What was said is ${prompt.length} tokens with this message, and the model's context ${contextTokens}; ` +
          "/clear begins anew",
      );
      return;
    }
    const { maxTokens, sampling } = this.#request;
    const options = { maxTokens, sampling: { ...sampling, seed: (sampling.seed ?? 0) + this.#turns++ }, signal };
    try {
      for await (const { text, finish, usage } of this.#conversation.answer(prompt, options)) {
        writeStdout(text);
        answer.push(text);
        if (finish === "length") this.#sayWhy(usage);
      }
    } finally {
      if (answer.length > 0) writeStdout("\n");
    }
  }

  /** Why an answer is not complete. */
  #sayWhy({ prompt, completion }: AnswerUsage): void {
    const { contextTokens } = this.#conversation;
    const full = prompt + completion >= contextTokens;
    const why = full
      ? `the context of ${contextTokens} tokens is full; /clear begins anew`
      : "--max-tokens allows more";
    console.error(`\nCut off after ${completion} tokens: ${why}`);
  }
}
