/**
 * wllama, llama.cpp in WebAssembly: versions 2 with calls for a pass and for sampling, versions 3 with a completion as
 * llama.cpp's server offers it (`timings` are of its own clock, so here the time is taken from the first piece on).
 */
import type { Peer, PeerOptions, PromptOf, Way } from "./peer.ts";
import { DECODE_PROMPT, type ModelWork, type Work } from "./work.ts";

const CONTEXT = 1024;

/** What is used of either version. */
interface Wllama {
  loadModel(files: Blob[], options: object): Promise<void>;
  getNumThreads(): number;
}

/** Versions 2. */
interface Wllama2 extends Wllama {
  kvClear(): Promise<void>;
  decode(tokens: number[], options: object): Promise<unknown>;
  samplingInit(options: object): Promise<void>;
  samplingSample(): Promise<{ token: number }>;
  samplingAccept(tokens: number[]): Promise<void>;
  detokenize(tokens: number[], asString: true): Promise<string>;
}

/** Versions 3, which take a prompt as text only. */
interface Wllama3 extends Wllama {
  createCompletion(options: Record<string, unknown> & { stream: true }): Promise<AsyncIterable<unknown>>;
  createCompletion(options: object): Promise<{ choices: { text: string }[]; usage: { prompt_tokens: number } }>;
}

async function greedy(wllama: Wllama2, count: number): Promise<number[]> {
  const ids: number[] = [];
  while (ids.length < count) {
    const { token } = await wllama.samplingSample();
    ids.push(token);
    await wllama.decode([token], {});
  }
  return ids;
}

function way2(wllama: Wllama2, { kind, tokens }: ModelWork, prompt: PromptOf): Way {
  const { ids } = prompt(kind === "prefill" ? tokens : DECODE_PROMPT);
  const restart = async (): Promise<void> => {
    await wllama.kvClear();
    await wllama.samplingInit({ temp: 0 });
  };
  return {
    name: "decode",
    reset: async () => {
      await restart();
      if (kind === "decode") await wllama.decode(ids, {});
    },
    run: async () => {
      if (kind === "decode") await greedy(wllama, tokens);
      else {
        await wllama.decode(ids, {});
        await wllama.samplingSample();
      }
    },
    result: async () => {
      await restart();
      await wllama.decode(ids, {});
      return await wllama.detokenize(await greedy(wllama, 8), true);
    },
  };
}

function way3(wllama: Wllama3, { kind, tokens }: ModelWork, prompt: PromptOf): Way {
  const { ids, text } = prompt(kind === "prefill" ? tokens : DECODE_PROMPT);
  const settings = { prompt: text, temperature: 0, top_k: 1, cache_prompt: false, ignore_eos: true };
  const stream = (count: number): Promise<AsyncIterable<unknown>> =>
    wllama.createCompletion({ ...settings, max_tokens: count, stream: true });
  let rest: AsyncIterator<unknown> | undefined;
  return {
    name: "createCompletion",
    reset: async () => {
      if (kind === "prefill") return;
      rest = (await stream(tokens + 1))[Symbol.asyncIterator]();
      await rest.next();
    },
    run: async () => {
      if (kind === "prefill") await wllama.createCompletion({ ...settings, max_tokens: 1 });
      else while (!(await rest!.next()).done); // reset has made it
    },
    result: async () => {
      const { choices, usage } = await wllama.createCompletion({ ...settings, max_tokens: 8 });
      const count = usage.prompt_tokens;
      if (count !== ids.length) throw new Error(`the prompt has ${count} tokens instead of ${ids.length}`);
      return choices[0]!.text;
    },
  };
}

/** Starts one of the versions, which its name says. */
export async function start({ name, base, threads }: PeerOptions): Promise<Peer> {
  const version = name.split(" ")[1]!;
  const esm = `${base}node_modules/wllama-${version}/esm/`;
  const { Wllama } = await import(`${esm}index.js`);
  const isNew = !version.startsWith("2.");
  const paths = isNew ? { default: `${esm}wasm/wllama.wasm` } : {
    "single-thread/wllama.wasm": `${esm}single-thread/wllama.wasm`,
    "multi-thread/wllama.wasm": `${esm}multi-thread/wllama.wasm`,
  };
  const wllama = new Wllama(paths, { suppressNativeLog: true });
  return {
    summary: `wllama ${version}, ${threads} thread(s)`,
    ways: (work: Work, prompt: PromptOf): Promise<Way[]> => {
      if (work.kind !== "prefill" && work.kind !== "decode") return Promise.resolve([]);
      return Promise.resolve([isNew ? way3(wllama, work, prompt) : way2(wllama, work, prompt)]);
    },
    loadModel: (file: Blob): Promise<void> =>
      wllama.loadModel([file], { n_ctx: CONTEXT, n_batch: 512, n_threads: threads, n_gpu_layers: 0 }),
  };
}
