/**
 * The steps of a generation: the prompts through the model in chunks, then each step's ids, drawn where the logits are and
 * fed back from there. The host is only told the ids, later; so a step can be recorded before the one before it was read.
 *
 * Letters: B prompts, T columns of one pass, V words.
 */
import { type KvCache, noGrad, type Tensor, tensor, tidy } from "../../core/mod.ts";
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import type { LeftPaddedBatch } from "./generate_padding.ts";
import type { SampleOptions } from "./sampling.ts";
import { type DrawnIds, sampleOnBackend, seenIds, withSeen } from "./sampling_on_backend.ts";

/** The model, the cache it fills, and what was drawn last. */
export class GenerationSteps {
  readonly #model: LlamaForCausalLM;
  readonly #batch: LeftPaddedBatch;
  readonly #cache: KvCache;
  readonly #options: SampleOptions;
  #step = 0;
  #drawn: DrawnIds | undefined;
  #seen: Tensor | undefined;
  #codes: Promise<ArrayLike<number>> = Promise.resolve([]);

  /** Nothing is run as yet. `options` are for the first of the rows. */
  constructor(model: LlamaForCausalLM, batch: LeftPaddedBatch, cache: KvCache, options: SampleOptions) {
    this.#model = model;
    this.#batch = batch;
    this.#cache = cache;
    this.#options = options;
  }

  /** Codes of the ids drawn last, one a row: see `whyNot`. */
  get codes(): Promise<ArrayLike<number>> {
    return this.#codes;
  }

  /**
   * Runs the prompts through, and waits for it: chunks do not pile up on a device.
   *
   * @param chunkTokens columns of one pass
   * @param draws whether the first ids are drawn
   * @param before called before each chunk
   */
  async prompt(chunkTokens: number, draws: boolean, before: () => Promise<void>): Promise<void> {
    const { backend } = this.#model.lm_head.weight;
    for (let start = 0; start < this.#batch.width; start += chunkTokens) {
      await before();
      const columns = this.#batch.columns(start, chunkTokens);
      const shape = [columns.length, columns[0]!.length];
      using ids = tensor(Int32Array.from(columns.flat()), { shape, backend });
      if (draws && start + chunkTokens >= this.#batch.width) return this.#run(ids);
      this.#logits(ids, 0).dispose();
      await backend.settled();
    }
  }

  /** Feeds back what was drawn last, and draws again. */
  next(): void {
    this.#run(this.#drawn!.ids); // prompt() drew them
  }

  /** Ids `[B, T]` through the model, and one more a row drawn from the last column's logits. */
  #run(ids: Tensor): void {
    using logits = this.#logits(ids, 1);
    const { repetitionPenalty } = this.#options;
    noGrad(() =>
      tidy(() => {
        if (repetitionPenalty !== undefined) {
          this.#seen ??= seenIds(this.#batch.prompts, logits.shape[2]!, logits.backend).keep();
        }
        this.#note(sampleOnBackend(logits.to("f32").squeeze(1), this.#options, this.#step, this.#seen));
      })
    );
    this.#step++;
    this.#codes = this.#drawn!.codes.data(); // noted
    this.#codes.catch(() => {}); // whoever stops before this step does not read it
  }

  /** What was drawn and seen stays where it is, so that every step finds the same memory free as the one before. */
  #note({ ids, codes }: DrawnIds): void {
    if (this.#drawn === undefined) this.#drawn = { ids: ids.clone().keep(), codes: codes.clone().keep() };
    else {
      this.#drawn.ids.copy_(ids);
      this.#drawn.codes.copy_(codes);
    }
    this.#seen?.copy_(withSeen(this.#seen, ids));
  }

  /** Logits of the last `keep` columns, `[B, keep, V]`. */
  #logits(ids: Tensor, keep: number): Tensor {
    return tidy(() =>
      noGrad(() => {
        const attentionMask = this.#batch.mask(this.#cache.length + ids.shape[1]!, ids.backend);
        return this.#model.forward(ids, { cache: this.#cache, attentionMask, logitsToKeep: keep });
      })
    );
  }

  /** Frees what was drawn last; the cache is its owner's. */
  [Symbol.dispose](): void {
    this.#drawn?.ids.dispose();
    this.#drawn?.codes.dispose();
    this.#seen?.dispose();
  }
}
