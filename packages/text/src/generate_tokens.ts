/**
 * Tokens from a model, one step of a batch at a time: the prompts go through in chunks, then each step feeds back the
 * tokens just drawn. This is the only loop; text is generated on top of it (generate.ts). Every step frees what it made;
 * what grows is the cache alone.
 *
 * Letters: B prompts, T columns of one pass, V words.
 */
import { type KvCache, noGrad, type Tensor, tensor, tidy } from "../../core/mod.ts";
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { takeBack, tokensBeforeModel } from "../../nn/src/cached_tokens.ts";
import { checkGenerateOptions, checkPrompts } from "./generate_checks.ts";
import { LeftPaddedBatch, PADDING_ID } from "./generate_padding.ts";
import { type SampleOptions, sampleToken } from "./sampling.ts";

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

/** One prompt, and what was drawn after it. */
interface Row {
  readonly ids: number[];
  ended: boolean;
}

/**
 * Continues a batch of prompts.
 *
 * Prompts of different lengths are padded on the left, each row with its own positions, and padding is hidden from
 * attention; a row gives what it would give alone, up to rounding. Row r draws for the seed, the step and
 * `options.row + r`, so that it also draws what it would draw alone with that `row`; `repetitionPenalty` is about the
 * row's own ids. All ends when every row has ended, or when the longest one has filled the context.
 *
 * A given cache that took prompts of different lengths, or rows that ended early, holds padding as well, which a later
 * call takes for tokens: go on from it only after equal lengths and without end tokens. The sinks of a sliding window are
 * the batch's first columns, so that a shorter row has padding there.
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
  const batch = new LeftPaddedBatch(prompts, past);
  const room = model.config.maxPositionEmbeddings - past - batch.width;
  const limit = Math.min(options.maxTokens ?? Infinity, room + 1); // the last token drawn is not fed back
  const rows = prompts.map((ids): Row => ({ ids: [...ids], ended: false }));
  const cache = options.cache ?? model.createCache();
  let good = past; // how much of the cache belongs to what the caller has been given
  try {
    let logits = await prefill(model, batch, cache, options);
    for (let step = 0; step < limit; step++) {
      await stopIfAborted(options.signal);
      const drawn = draw(rows, logits, step, options);
      good = cache.length;
      yield drawn;
      if (step + 1 === limit || rows.every(({ ended }) => ended)) break;
      const column = rows.map(({ ids, ended }) => [ended ? PADDING_ID : ids.at(-1)!]);
      logits = await lastLogits(model, batch, column, cache);
    }
  } catch (error) {
    if (options.cache !== undefined) takeBack(cache, good);
    throw error;
  } finally {
    if (options.cache === undefined) cache.dispose();
  }
}

/** Runs the prompts through in chunks of columns; only the last column's logits are wanted. */
async function prefill(
  model: LlamaForCausalLM,
  batch: LeftPaddedBatch,
  cache: KvCache,
  options: GenerateTokensOptions,
): Promise<Float32Array> {
  const size = options.chunkTokens ?? 128;
  let logits = new Float32Array();
  for (let start = 0; start < batch.width; start += size) {
    await stopIfAborted(options.signal);
    logits = await lastLogits(model, batch, batch.columns(start, size), cache);
  }
  return logits;
}

/** Lets timers and signals have their turn first: a backend on the CPU would otherwise keep them from ever aborting. */
async function stopIfAborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return;
  await new Promise<void>((resolve) => setTimeout(resolve));
  signal.throwIfAborted();
}

/** Ids `[B, T]` through the model; logits `[B, V]` of their last column. */
async function lastLogits(
  model: LlamaForCausalLM,
  batch: LeftPaddedBatch,
  columns: readonly (readonly number[])[],
  cache: KvCache,
): Promise<Float32Array<ArrayBuffer>> {
  const { backend } = model.lm_head.weight;
  const [rows, count] = [columns.length, columns[0]!.length];
  using logits: Tensor = tidy(() =>
    noGrad(() => {
      const ids = tensor(Int32Array.from(columns.flat()), { shape: [rows, count], backend });
      const attentionMask = batch.mask(cache.length + count, backend);
      return model.forward(ids, { cache, attentionMask, logitsToKeep: 1 });
    })
  );
  return Float32Array.from(await logits.data());
}

/** Draws for each row that goes on, and only then notes what was drawn: when one row cannot draw, none has. */
function draw(
  rows: readonly Row[],
  logits: Float32Array,
  step: number,
  options: GenerateTokensOptions,
): (number | undefined)[] {
  const { maxTokens: _max, endIds, cache: _cache, signal: _signal, chunkTokens: _chunk, ...sampling } = options;
  const words = logits.length / rows.length;
  const first = sampling.row ?? 0;
  const drawn = rows.map(({ ids, ended }, r) =>
    ended
      ? undefined
      : sampleToken(logits.subarray(r * words, (r + 1) * words), { ...sampling, row: first + r }, step, ids)
  );
  for (const [r, id] of drawn.entries()) {
    if (id === undefined) continue;
    rows[r]!.ids.push(id);
    rows[r]!.ended = endIds?.has(id) ?? false;
  }
  return drawn;
}
