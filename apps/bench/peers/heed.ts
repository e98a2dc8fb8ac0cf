/** Heed, through what it exports to everyone. */
import {
  type Backend,
  blobSource,
  createBackend,
  type CreateBackendOptions,
  type KvCache,
  type LlamaForCausalLM,
  loadModel,
  openGguf,
  scaledDotProductAttention,
  type Tensor,
  tensor,
  tensorFromPieces,
  tidy,
  type Tokenizer,
  tokenizerFromGguf,
} from "../../../packages/heed/mod.ts";
import type { Peer, PeerOptions, PromptOf, Way } from "./peer.ts";
import {
  addsInputs,
  type AddsWork,
  attentionInputs,
  type AttentionWork,
  DECODE_PROMPT,
  matmulInputs,
  type MatmulWork,
  type ModelWork,
  softmaxInput,
  type SoftmaxWork,
  type Work,
} from "./work.ts";

async function read(result: Tensor): Promise<Float32Array> {
  using owned = result;
  return Float32Array.from(await owned.data());
}

/** A way that makes one tensor of others; where that is only recorded, it is done when it has been read. */
function way(name: string, operands: readonly Tensor[], make: () => Tensor): Way {
  const isRecorded = operands[0]!.backend.name === "webgpu";
  return {
    name,
    run: isRecorded ? async () => void await read(make()) : () => make().dispose(),
    result: () => read(make()),
    free: () => operands.forEach((x) => x.dispose()),
  };
}

async function* whole(values: Float32Array<ArrayBuffer>): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(new Uint8Array(values.buffer));
}

async function matmulWay(backend: Backend, work: MatmulWork): Promise<Way> {
  const { m, k, n, constant } = work;
  const inputs = matmulInputs(work);
  const a = tensor(inputs.a, { shape: [m, k], backend });
  const b = await tensorFromPieces([k, n], "f32", whole(inputs.b), { backend, constant });
  return way("matmul", [a, b], () => a.matmul(b));
}

function attentionWay(backend: Backend, work: AttentionWork): Way {
  const { heads, keyHeads, headDim, queries, keys } = work;
  const inputs = attentionInputs(work);
  const query = tensor(inputs.query, { shape: [1, heads, queries, headDim], backend });
  const [key, value] = [inputs.key, inputs.value].map((x) =>
    tensor(x, { shape: [1, keyHeads, keys, headDim], backend })
  ) as [Tensor, Tensor]; // as many as there were
  const options = { causal: "lower-right" } as const;
  return way("attention", [query, key, value], () => scaledDotProductAttention(query, key, value, options));
}

function softmaxWay(backend: Backend, work: SoftmaxWork): Way {
  const x = tensor(softmaxInput(work), { shape: [work.rows, work.width], backend });
  return way("softmax", [x], () => x.softmax(-1));
}

function addsWay(backend: Backend, work: AddsWork): Way {
  const inputs = addsInputs(work);
  const [x, y] = [tensor(inputs.x, { backend }), tensor(inputs.y, { backend })];
  return way("add", [x, y], () =>
    tidy(() => {
      let sum = x;
      for (let i = 0; i < work.count; i++) sum = sum.add(y);
      return sum;
    }));
}

/** A model with its cache. */
class LoadedModel {
  readonly #cache: KvCache;
  constructor(readonly backend: Backend, readonly model: LlamaForCausalLM, readonly tokenizer: Tokenizer) {
    this.#cache = model.createCache();
  }

  clear(length: number): void {
    this.#cache.truncate(length);
  }

  /** The likeliest token after `ids`. */
  async next(ids: readonly number[]): Promise<number> {
    using best = tidy(() => {
      const input = tensor(Int32Array.from(ids), { shape: [1, ids.length], backend: this.backend });
      return this.model.forward(input, { cache: this.#cache, logitsToKeep: 1 }).argmax({ dim: -1 });
    });
    return Number((await best.data())[0]);
  }

  async greedy(first: number, count: number): Promise<number[]> {
    const ids = [first];
    while (ids.length < count) ids.push(await this.next([ids.at(-1)!]));
    return ids;
  }
}

/** Prefill leaves the last token's logits behind, decoding takes `tokens` steps from the prompt's end. */
function modelWay(loaded: LoadedModel, { kind, tokens }: ModelWork, prompt: PromptOf): Way {
  const { ids } = prompt(kind === "prefill" ? tokens : DECODE_PROMPT);
  let first = 0;
  const reset = async (): Promise<void> => {
    loaded.clear(0);
    if (kind === "decode") first = await loaded.next(ids);
  };
  const run = async (): Promise<void> => {
    if (kind === "prefill") first = await loaded.next(ids);
    else await loaded.greedy(first, tokens + 1);
  };
  const result = async (): Promise<string> => {
    loaded.clear(0);
    return loaded.tokenizer.decode(await loaded.greedy(await loaded.next(ids), 8));
  };
  return { name: "model", reset, run, result };
}

/** Starts Heed's backend. */
export async function start({ name, backend: backendName, threads }: PeerOptions): Promise<Peer> {
  const activations = name === "heed" ? "int8" : "f32";
  const options: CreateBackendOptions & Record<string, unknown> = backendName === "webgpu"
    ? { softwareAdapter: true }
    : { threads, matmulActivations: activations };
  const backend = await createBackend(backendName, options);
  let loaded: LoadedModel | undefined;
  const { summary, precision } = backend.describe();
  return {
    summary: `${backend.name}: ${summary}; ${precision}`,
    async ways(work: Work, prompt: PromptOf): Promise<Way[]> {
      if (work.kind === "matmul") return [await matmulWay(backend, work)];
      if (work.kind === "attention") return [attentionWay(backend, work)];
      if (work.kind === "softmax") return [softmaxWay(backend, work)];
      if (work.kind === "adds") return [addsWay(backend, work)];
      return loaded === undefined ? [] : [modelWay(loaded, work, prompt)];
    },
    async loadModel(blob: Blob): Promise<void> {
      const file = await openGguf(blobSource(blob));
      loaded = new LoadedModel(backend, await loadModel({ file }, { backend }), tokenizerFromGguf(file.metadata));
      file.close();
    },
  };
}
