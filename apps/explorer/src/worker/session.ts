/**
 * The model at work: one backend, one model on it, one text, and beside it the model with fewer heads. Whatever touches the
 * model takes turns, so that looking, switching and generating never meet halfway; between two tokens there is room for all
 * of them.
 */
import { type Backend, type LlamaForCausalLM, loadModel, sampleToken } from "../../../../packages/heed/mod.ts";
import type {
  ArgsOf,
  BackendChoice,
  BackendReport,
  Look,
  ModelFacts,
  News,
  Pace,
  RegroupReport,
  RowScores,
  Token,
} from "../protocol.ts";
import { describeBackend, makeBackend } from "./backends.ts";
import { factsOf, MOST_TOKENS } from "./facts.ts";
import { compareLogits, largestDifference } from "./logits.ts";
import { lookAt, rowAt } from "./look.ts";
import { type Generated, Regrouped } from "./regrouped.ts";
import type { FoundModel } from "./sources.ts";
import { Speed } from "./speed.ts";
import { TextRun } from "./text_run.ts";
import { nextTask, Turns } from "./turns.ts";

/** A model on a backend, and how far it is in a text. */
interface Running {
  readonly choice: BackendChoice;
  readonly backend: Backend;
  readonly model: LlamaForCausalLM;
  run: TextRun;
}

/** A model at work. */
export class Session {
  readonly #tell: (news: News) => void;
  readonly #turns = new Turns();
  #found: FoundModel | undefined;
  #running: Running | undefined;
  #regrouped: Regrouped | undefined;
  #generated: Generated | undefined;
  /** Spells what is written next. */
  #spell: ((id: number) => Token) | undefined;
  #generation: Promise<void> = Promise.resolve();
  #stop = new AbortController();

  /** @param tell is told what happens */
  constructor(tell: (news: News) => void) {
    this.#tell = tell;
  }

  /** Takes a model that was found in place of the one before. @throws {BackendError} when the backend has no room */
  async use(found: FoundModel, choice: BackendChoice, signal: AbortSignal): Promise<ModelFacts> {
    await this.stop();
    return await this.#turns.take(async () => {
      this.#release();
      try {
        this.#running = await this.#start(found, choice, signal);
      } catch (error) {
        found.file.close();
        found.letGo();
        throw error;
      }
      this.#found = found;
      return factsOf(found);
    });
  }

  async #start(found: FoundModel, choice: BackendChoice, signal?: AbortSignal): Promise<Running> {
    const backend = await makeBackend(choice);
    try {
      const model = await loadModel({ file: found.file, config: found.json }, {
        backend,
        onProgress: ({ loadedBytes: doneBytes, totalBytes }) =>
          this.#tell({ news: "progress", progress: { phase: "reading", doneBytes, totalBytes } }),
        ...(signal === undefined ? {} : { signal }),
      });
      this.#tell({ news: "backend", choice, description: describeBackend(backend) });
      return { choice, backend, model, run: new TextRun(model) };
    } catch (error) {
      backend.dispose();
      throw error;
    }
  }

  /** Reads a prompt and writes on, until the end, enough tokens, or {@linkcode stop}. */
  async generate(args: ArgsOf<"generate">): Promise<void> {
    await this.stop();
    this.#stop = new AbortController();
    this.#generation = this.#write(args, this.#stop.signal);
    await this.#generation;
  }

  /** Ends what is being written; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#generation.catch(() => {}); // whoever began it is told
  }

  async #write(args: ArgsOf<"generate">, signal: AbortSignal): Promise<void> {
    try {
      await this.#turns.take(() => this.#read(args));
      await this.#goOn(args, signal);
    } finally {
      this.#tell({ news: "finished" });
    }
  }

  async #read({ prompt, temperature, seed }: ArgsOf<"generate">): Promise<void> {
    const [running, { tokenizer }] = [this.#need(), this.#found!]; // a model runs that was found
    const ids = tokenizer.encode(prompt);
    if (ids.length === 0) throw new Error("Cannot go on from nothing: write a prompt");
    if (ids.length >= MOST_TOKENS) {
      throw new Error(`Cannot show ${ids.length} tokens: this page goes up to ${MOST_TOKENS}; shorten the prompt`);
    }
    this.#dropRegrouped();
    running.run.dispose();
    running.run = new TextRun(running.model);
    this.#generated = { promptIds: ids, endIds: tokenizer.endIds, temperature, seed };
    const spell = this.#spell = this.#speller();
    const speed = new Speed();
    await speed.measure(ids.length, () => running.run.feed(ids));
    this.#tell({ news: "prompt", tokens: ids.map(spell), pace: paceOf(running, speed) });
  }

  async #goOn(args: ArgsOf<"generate">, signal: AbortSignal): Promise<void> {
    const { tokenizer, config } = this.#found!; // as above
    const { temperature, seed } = args;
    let speed = new Speed();
    let on = this.#running;
    for (let step = 0; step < args.maxTokens; step++) {
      await nextTask();
      if (signal.aborted) return;
      const goesOn = await this.#turns.take(async () => {
        const running = this.#need();
        if (running !== on) [on, speed] = [running, new Speed()]; // another backend since the last token
        const { run } = running;
        if (run.ids.length >= Math.min(MOST_TOKENS, config.maxPositionEmbeddings)) return false;
        const id = sampleToken(run.logits, { temperature, seed }, step, run.ids);
        if (tokenizer.endIds.has(id)) return false;
        await speed.measure(1, () => run.feed([id]));
        this.#tell({ news: "token", token: this.#spell!(id), pace: paceOf(running, speed) });
        return true;
      });
      if (!goesOn) return;
    }
  }

  /** Scores or weights of a layer; undefined where there is no text yet, or no such model. */
  async look({ layer, stage, variant }: ArgsOf<"look">): Promise<Look | undefined> {
    return await this.#turns.take(async () => {
      const seen = variant === "original" ? this.#running : this.#regrouped;
      if (seen === undefined || seen.run.ids.length === 0) return undefined;
      const { model, run } = seen;
      const values = await lookAt(model, run, layer, stage);
      return { layer, stage, variant, tokens: run.ids.length, heads: model.config.numAttentionHeads, values };
    });
  }

  /** One token's scores; undefined where there is no such token yet. */
  async row({ layer, head, token }: ArgsOf<"row">): Promise<RowScores | undefined> {
    return await this.#turns.take(async () => {
      const running = this.#running;
      if (running === undefined || token >= running.run.ids.length) return undefined;
      return { layer, head, token, stages: await rowAt(running.model, running.run, layer, head, token) };
    });
  }

  /** Moves to another backend, in the middle of a text if there is one. @throws {BackendError} when it is not there */
  async backend({ choice }: ArgsOf<"backend">): Promise<BackendReport> {
    return await this.#turns.take(async () => {
      const [before, found] = [this.#need(), this.#found!]; // as above
      const after = await this.#start(found, choice);
      try {
        await after.run.feed(before.run.ids);
      } catch (error) {
        disposeOf(after);
        throw error;
      }
      this.#dropRegrouped();
      this.#running = after;
      disposeOf(before);
      const logits = compareLogits(before.run.logits, after.run.logits);
      const difference = logits && { ...logits, from: before.choice, to: choice, tokens: after.run.ids.length };
      return { choice, description: describeBackend(after.backend), difference };
    });
  }

  /** Makes the model with fewer heads read and write what the original did. */
  async regroup({ kvHeads }: ArgsOf<"regroup">): Promise<RegroupReport> {
    const { config } = this.#found ?? this.#fail();
    if (kvHeads === config.numKeyValueHeads) {
      await this.#turns.take(async () => await Promise.resolve(this.#dropRegrouped()));
      return { kvHeads, tokens: undefined, promptTokens: 0, largestDifference: 0 };
    }
    const { regrouped, largest, count } = await this.#turns.take(async () => {
      const { model, run } = this.#need();
      this.#dropRegrouped();
      const regrouped = this.#regrouped = new Regrouped(model, kvHeads);
      await regrouped.run.feed(run.ids);
      return { regrouped, largest: largestDifference(run.logits, regrouped.run.logits), count: run.ids.length };
    });
    const generated = this.#generated ?? this.#fail("a text", "generate one first");
    const { length: promptTokens } = generated.promptIds;
    const spell = this.#speller();
    const tokens = generated.promptIds.map(spell);
    for await (const id of regrouped.write(generated, count - promptTokens, this.#turns)) {
      tokens.push(spell(id));
    }
    return { kvHeads, tokens, promptTokens, largestDifference: largest };
  }

  #need(): Running {
    return this.#running ?? this.#fail();
  }

  #fail(what = "a model", remedy = "load one first"): never {
    throw new Error(`Cannot do that without ${what}: ${remedy}`);
  }

  /** Makes tokens of a text's ids, in their order: several may make one character. */
  #speller(): (id: number) => Token {
    const stream = this.#found!.tokenizer.textStream({ continues: true }); // as above
    return (id) => ({ id, text: stream.push(id) });
  }

  #dropRegrouped(): void {
    this.#regrouped?.dispose();
    this.#regrouped = undefined;
  }

  #release(): void {
    this.#dropRegrouped();
    if (this.#running !== undefined) disposeOf(this.#running);
    this.#found?.file.close();
    this.#found?.letGo();
    this.#running = this.#found = this.#generated = undefined;
    this.#tell({ news: "released" });
  }
}

function paceOf({ choice: backend, run }: Running, { tokensPerSecond }: Speed): Pace {
  return { backend, tokensPerSecond, cacheBytes: run.cacheBytes };
}

function disposeOf({ run, model, backend }: Running): void {
  run.dispose();
  model.dispose();
  backend.dispose();
}
