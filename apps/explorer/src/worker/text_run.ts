/**
 * A text that a model is reading or writing: its ids, the cache, the logits of what may come next, and each layer's input
 * for every token, which is all that is needed to look at any layer's attention later.
 *
 * Inputs and logits are kept on the host: they outlive a backend, be it switched or lost.
 */
import { type KvCache, type LlamaForCausalLM, noGrad, stack, tensor, tidy } from "../../../../packages/heed/mod.ts";

/** Tokens of one pass. */
const CHUNK_TOKENS = 128;

/** The inputs of all layers for some tokens, `[layers, count, E]`. */
interface Inputs {
  readonly values: Float32Array;
  readonly count: number;
}

/** A text, and where a model stands in it. */
export class TextRun {
  /** What the model has read. */
  readonly ids: number[] = [];
  /** Logits of the next token, `[V]`; empty before the first. */
  logits: Float32Array<ArrayBuffer> = new Float32Array();
  readonly #model: LlamaForCausalLM;
  readonly #cache: KvCache;
  readonly #inputs: Inputs[] = [];

  constructor(model: LlamaForCausalLM) {
    this.#model = model;
    this.#cache = model.createCache();
  }

  /** Bytes of the keys and values that it holds. */
  get cacheBytes(): number {
    const { numHiddenLayers, numKeyValueHeads, headDim } = this.#model.config;
    return this.ids.length * numHiddenLayers * numKeyValueHeads * headDim * 2 * Float32Array.BYTES_PER_ELEMENT;
  }

  /** Reads tokens. @throws {ShapeError} when they do not fit the model; {BackendError} when the backend is gone */
  async feed(ids: readonly number[]): Promise<void> {
    for (let start = 0; start < ids.length; start += CHUNK_TOKENS) {
      await this.#pass(ids.slice(start, start + CHUNK_TOKENS));
    }
  }

  async #pass(ids: readonly number[]): Promise<void> {
    const { numHiddenLayers, hiddenSize } = this.#model.config;
    const { logits, states } = tidy(() =>
      noGrad(() => {
        const input = tensor(Int32Array.from(ids), {
          shape: [1, ids.length],
          backend: this.#model.lm_head.weight.backend,
        });
        const outputs = this.#model.outputs(input, { cache: this.#cache, logitsToKeep: 1, returns: ["hiddenStates"] });
        return { logits: outputs.logits, states: stack(outputs.hiddenStates!.slice(0, numHiddenLayers)) };
      })
    );
    using _logits = logits, _states = states;
    const values = Float32Array.from(await states.data()); // [layers, 1, T, E]
    this.logits = Float32Array.from(await logits.data());
    if (values.length !== numHiddenLayers * ids.length * hiddenSize) {
      throw new Error("Internal: inputs of layers are missing");
    }
    this.#inputs.push({ values, count: ids.length });
    this.ids.push(...ids);
  }

  /** What a layer was given for each token so far, `[T, E]`. */
  inputsOf(layer: number): Float32Array<ArrayBuffer> {
    const { hiddenSize } = this.#model.config;
    const all = new Float32Array(this.ids.length * hiddenSize);
    let at = 0;
    for (const { values, count } of this.#inputs) {
      const size = count * hiddenSize;
      all.set(values.subarray(layer * size, (layer + 1) * size), at);
      at += size;
    }
    return all;
  }

  /** Frees the cache. */
  dispose(): void {
    this.#cache.dispose();
  }
}
