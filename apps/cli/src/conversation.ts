/**
 * A model with the key/value cache of what it last read and wrote: of a new prompt, only what differs from there on is
 * computed. A prompt is always given whole; that a chat's next turn goes on from the last is found by comparing tokens, so
 * a template that writes the past differently costs time and never correctness.
 *
 * Products of one row round otherwise than those of many, so what was found in the cache may show in an answer. Logits of
 * SmolLM2-135M on wasm moved by up to 0.7 with int8 activations, and 2 of 12 greedy answers with them; with f32 by 2e-5,
 * and no answer.
 */
import {
  BackendError,
  generateTokens,
  type KvCache,
  type LlamaForCausalLM,
  type SampleOptions,
  StopText,
  type Tokenizer,
} from "../../../packages/heed/mod.ts";

/** How an answer is made. */
export interface AnswerOptions {
  /** How tokens are chosen. */
  readonly sampling: SampleOptions;
  /** Tokens at most. */
  readonly maxTokens: number;
  /** Ends the answer with its reason. */
  readonly signal: AbortSignal;
  /** Texts that end the answer, which they are no part of. */
  readonly stop?: readonly string[];
}

/** What an answer has cost so far, in tokens. */
export interface AnswerUsage {
  /** Of the prompt. */
  readonly prompt: number;
  /** Of the prompt, found in the cache. */
  readonly cached: number;
  /** Of the answer, the one that ended it included. */
  readonly completion: number;
}

/** Some of an answer. */
export interface AnswerPiece {
  /** Its text, without markup; may be empty. */
  readonly text: string;
  /** What the answer has cost so far. */
  readonly usage: AnswerUsage;
  /** Why the answer ends here: it was complete, or there is no room for more. The last piece has it, and no other. */
  readonly finish?: "stop" | "length";
}

const CHUNK_TOKENS = 32; // of a prompt, between two looks at signals and other work: about 0.1 s on wasm

/** Answers, one after another, from one model. */
export class Conversation implements Disposable {
  readonly #model: LlamaForCausalLM;
  readonly #tokenizer: Tokenizer;
  #cache: KvCache;
  #held: readonly number[] = []; // the tokens whose keys and values are in the cache
  #busy = false;

  /** A conversation in which nothing was said. */
  constructor(model: LlamaForCausalLM, tokenizer: Tokenizer) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#cache = model.createCache();
  }

  /** Tokens that a prompt and its answer may have together. */
  get contextTokens(): number {
    return this.#model.config.maxPositionEmbeddings;
  }

  /**
   * Goes on from a prompt. However it ends, what was read and written stays in the cache for the next one, unless the
   * backend failed: what it lost then may be a part of the cache.
   *
   * @param prompt ids of all that comes before the answer
   * @throws {ShapeError} when the prompt is empty or longer than the context, or an option is out of its range
   */
  async *answer(prompt: readonly number[], options: AnswerOptions): AsyncGenerator<AnswerPiece, void> {
    if (this.#busy) throw new Error("Internal: a conversation answers one prompt at a time");
    this.#busy = true;
    const ids = [...prompt];
    try {
      yield* this.#pieces(ids, options);
    } catch (error) {
      if (error instanceof BackendError) {
        this.#cache.dispose();
        this.#cache = this.#model.createCache();
      }
      throw error;
    } finally {
      this.#held = ids.slice(0, this.#cache.length);
      this.#busy = false;
    }
  }

  /** The answer's pieces; its tokens are added to `ids`. */
  async *#pieces(
    ids: number[],
    { sampling, maxTokens, signal, stop = [] }: AnswerOptions,
  ): AsyncGenerator<AnswerPiece> {
    const cached = this.#reuse(ids);
    const prompt = ids.length;
    const usage = (): AnswerUsage => ({ prompt, cached, completion: ids.length - prompt });
    const { endIds } = this.#tokenizer;
    const text = this.#tokenizer.textStream({ continues: true, skipSpecial: true });
    const stopText = new StopText(stop);
    const options = { ...sampling, maxTokens, endIds, cache: this.#cache, signal, chunkTokens: CHUNK_TOKENS };
    let ended = false;
    for await (const [id] of generateTokens(this.#model, [ids.slice(cached)], options)) {
      ids.push(id!); // the only row goes on until it ends
      ended = endIds.has(id!);
      if (ended) break;
      const piece = stopText.push(text.push(id!));
      if (stopText.stopped) return yield { text: piece, usage: usage(), finish: "stop" };
      yield { text: piece, usage: usage() };
    }
    const rest = stopText.push(text.end()) + stopText.end();
    yield { text: rest, usage: usage(), finish: ended || stopText.stopped ? "stop" : "length" };
  }

  /** Cuts the cache back to what it shares with a prompt, whose last token must be computed; how many tokens that is. */
  #reuse(prompt: readonly number[]): number {
    const differs = this.#held.findIndex((id, i) => id !== prompt[i]);
    const shared = differs < 0 ? this.#held.length : differs;
    const cached = Math.max(0, Math.min(shared, prompt.length - 1));
    this.#cache.truncate(cached);
    return cached;
  }

  /** Forgets everything said. */
  clear(): void {
    this.#held = [];
    this.#cache.clear();
  }

  /** Frees the cache. */
  [Symbol.dispose](): void {
    this.#cache.dispose();
  }
}
