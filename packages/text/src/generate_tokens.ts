/**
 * Tokens from a model, one step of a batch at a time: the prompts go through in chunks, then each step feeds back the
 * tokens just drawn. This is the only loop; text is generated on top of it (generate.ts). Every step frees what it made;
 * what grows is the cache alone.
 *
 * Where reading waits for a device, one step is kept in flight: it is recorded before the ids it is fed have been read, so
 * that the device computes while the host tells of them. A step that turns out not to be wanted, since all rows ended or
 * the caller stopped, is taken back out of the cache.
 */
import { type KvCache, ShapeError } from "../../core/mod.ts";
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { takeBack, tokensBeforeModel } from "../../nn/src/cached_tokens.ts";
import { checkGenerateOptions, checkPrompts } from "./generate_checks.ts";
import { LeftPaddedBatch } from "./generate_padding.ts";
import { GenerationSteps } from "./generate_steps.ts";
import type { SampleOptions } from "./sampling.ts";
import { whyNot } from "./sampling_on_backend.ts";

/** Settings of {@linkcode generateTokens}. */
export interface GenerateTokensOptions extends SampleOptions {
  /** Tokens a row at most; up to the context's end when left out. 0 only fills the cache. */
  readonly maxTokens?: number | undefined;
  /** Ids that end a row; none when left out. */
  readonly endIds?: ReadonlySet<number> | undefined;
  /**
   * Where keys and values go; one of its own, freed at the end, when left out. The tokens that it already holds come
   * before every row's prompt. However the generation ends, it then holds the prompts and all tokens drawn but the last;
   * when none was drawn because of an error or an abort, it is as it was (a window that cannot go back so far is cleared).
   */
  readonly cache?: KvCache | undefined;
  /** Ends the generation with the signal's reason; it is looked at before each chunk and each step. */
  readonly signal?: AbortSignal | undefined;
  /** Columns of the prompts in one pass; 128 when left out. */
  readonly chunkTokens?: number | undefined;
}

/**
 * Continues a batch of prompts.
 *
 * Prompts of different lengths are padded on the left, each row with its own positions, and padding is hidden from
 * attention; a row gives what it would give alone, up to rounding. Row r draws for the seed, the step and
 * `options.row + r`, so that it also draws what it would draw alone with that `row`; `repetitionPenalty` is about the
 * row's own ids. Tokens are drawn on the model's backend, as `sampleToken` draws them up to rounding. All ends when every
 * row has ended, or when the longest one has filled the context.
 *
 * A given cache that took prompts of different lengths holds padding as well, and after rows that ended early what they
 * would have gone on with, which a later call takes for tokens: go on from it only after equal lengths and without end
 * tokens. The sinks of a sliding window are the batch's first columns, so that a shorter row has padding there.
 *
 * @param prompts ids by row
 * @returns by step, each row's id, the one that ends it included; undefined from then on
 * @throws {ShapeError} when there is no prompt, or one is empty, longer than the context, or holds an id outside the
 * vocabulary; when an option is unknown or out of its range; when the cache does not fit the model; or when logits are NaN
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { initialized, LlamaForCausalLM } from "@heed/heed/nn";
 * import { generateTokens } from "@heed/heed/text";
 *
 * const config = {
 *   ...{ vocabSize: 11, hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 1, maxPositionEmbeddings: 16 },
 *   ...{ numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4, rmsNormEps: 1e-5, ropeTheta: 10000 },
 *   ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true },
 * };
 * using model = new LlamaForCausalLM(config, initialized({ backend: createScalarBackend(), seed: 1 }));
 * const rows = [[3, 1, 4], [1]];
 * for await (const ids of generateTokens(model, rows, { temperature: 0, maxTokens: 5 })) {
 *   ids.forEach((id, row) => id !== undefined && rows[row]!.push(id));
 * }
 * assertEquals(rows.map((ids) => ids.length), [8, 6]);
 * ```
 */
export async function* generateTokens(
  model: LlamaForCausalLM,
  prompts: readonly (readonly number[])[],
  options: GenerateTokensOptions = {},
): AsyncGenerator<readonly (number | undefined)[]> {
  checkGenerateOptions(options);
  const past = tokensBeforeModel(options.cache, model.config.numHiddenLayers);
  checkPrompts(prompts, model.config, past);
  const { maxTokens, endIds, cache: given, signal, chunkTokens = 128, ...sampling } = options;
  const batch = new LeftPaddedBatch(prompts, past);
  const room = model.config.maxPositionEmbeddings - past - batch.width;
  const limit = Math.min(maxTokens ?? Infinity, room + 1); // the last token drawn is not fed back
  const cache = given ?? model.createCache();
  const ahead = goesAhead(model, given);
  const ended = prompts.map(() => false);
  let good = past; // how much of the cache belongs to what the caller has been given
  using steps = new GenerationSteps(model, batch, cache, sampling);
  try {
    await steps.prompt(chunkTokens, limit > 0, () => stopIfAborted(signal));
    if (limit === 0) good = cache.length;
    for (let step = 0; step < limit; step++) {
      await stopIfAborted(signal);
      const { codes } = steps;
      const isLast = step + 1 === limit;
      const next = ahead && !isLast ? attempt(() => steps.next()) : () => steps.next();
      const ids = idsOf(await codes, ended, model.config.vocabSize);
      ids.forEach((id, row) => ended[row] ||= id !== undefined && endIds?.has(id) === true);
      good = past + batch.width + step;
      yield ids;
      if (isLast || ended.every((it) => it)) break;
      next();
    }
  } catch (error) {
    if (given !== undefined) takeBack(given, good);
    throw error;
  } finally {
    if (given === undefined) cache.dispose();
    else if (given.length > good) takeBack(given, good); // a step that nobody wanted any more
    await steps.codes.catch(() => {}); // of such a step too: until they are read, their memory is in use
  }
}

/** Whether reading waits for a device, and the cache can give a step back: a window forgets as it goes. */
function goesAhead(model: LlamaForCausalLM, given: KvCache | undefined): boolean {
  const reads = model.lm_head.weight.backend.downloadSync !== undefined;
  return !reads && (given === undefined || given.capacity !== Infinity);
}

/** Runs it now, and throws what it threw when asked: ids that were drawn before are given first. */
function attempt(run: () => void): () => void {
  try {
    run();
    return () => {};
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Lets timers and signals have their turn first: a backend on the CPU would otherwise keep them from ever aborting. */
async function stopIfAborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return;
  await new Promise<void>((resolve) => setTimeout(resolve));
  signal.throwIfAborted();
}

/** Ids of the rows that go on. @throws {ShapeError} when one of them could draw none */
function idsOf(codes: ArrayLike<number>, ended: readonly boolean[], words: number): (number | undefined)[] {
  const ids = Array.from(codes, (code, row) => ended[row] ? undefined : code);
  for (const id of ids) {
    const why = id === undefined ? undefined : whyNot(id, words);
    if (why !== undefined) throw new ShapeError(`Cannot sample: ${why}`);
  }
  return ids;
}
