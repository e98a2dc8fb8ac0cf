/**
 * The model with fewer key/value heads beside the original: it reads the same text, so that attention can be compared score
 * by score, and writes a text of its own after the same prompt.
 */
import { generateTokens, type LlamaForCausalLM } from "../../../../packages/heed/mod.ts";
import type { ArgsOf } from "../protocol.ts";
import { regroup } from "./regroup.ts";
import { TextRun } from "./text_run.ts";
import { nextTask, type Turns } from "./turns.ts";

/** What was generated, to be done again. */
export interface Generated extends Pick<ArgsOf<"generate">, "temperature" | "seed"> {
  readonly promptIds: readonly number[];
  readonly endIds: ReadonlySet<number>;
}

/** A model with fewer heads, and how far it has read. */
export class Regrouped {
  /** Shares all weights but the keys' and values' with the original. */
  readonly model: LlamaForCausalLM;
  /** The original's text. */
  readonly run: TextRun;
  #disposed = false;

  /** Makes it; it has read nothing yet. @throws {ShapeError} when kvHeads does not divide the original's number */
  constructor(original: LlamaForCausalLM, kvHeads: number) {
    this.model = regroup(original, kvHeads);
    this.run = new TextRun(this.model);
  }

  /** Writes on after a prompt, a turn a token, until it ends or is disposed of. */
  async *write(
    { promptIds, temperature, seed, endIds }: Generated,
    maxTokens: number,
    turns: Turns,
  ): AsyncGenerator<number> {
    if (maxTokens === 0) return;
    const drawn = generateTokens(this.model, [promptIds], { temperature, seed, maxTokens, endIds });
    while (true) {
      const step = await turns.take(async () => this.#disposed ? undefined : await drawn.next());
      const id = step?.value?.[0];
      if (id === undefined || endIds.has(id)) break;
      yield id;
      await nextTask();
    }
    await turns.take(async () => await drawn.return(undefined)); // frees its cache
  }

  /** Frees what is its own. */
  dispose(): void {
    this.#disposed = true;
    this.run.dispose();
    this.model.dispose();
  }
}
