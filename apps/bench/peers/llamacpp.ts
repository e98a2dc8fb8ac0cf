/**
 * llama.cpp as compiled for this processor, through node-llama-cpp's prebuilt addon: what the machine can do outside of
 * WebAssembly. It runs in a process of its own wherever the others run.
 */
import type { Peer, PeerOptions, PromptOf, Way } from "./peer.ts";
import { DECODE_PROMPT, isModelWork, type ModelWork, type Work } from "./work.ts";

const CONTEXT = 1024;

interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: object): AsyncGenerator<number>;
}

interface Model {
  createContext(options: object): Promise<{ getSequence(): Sequence }>;
  detokenize(tokens: number[]): string;
}

/** What is used of `node-llama-cpp`. */
interface NodeLlamaCpp {
  readonly LlamaLogLevel: { readonly error: string };
  getLlama(options: object): Promise<{ loadModel(options: { modelPath: string }): Promise<Model> }>;
}

const GREEDY = { temperature: 0, topK: 1, yieldEogToken: true };

async function take(tokens: AsyncGenerator<number>, count: number): Promise<number[]> {
  const ids: number[] = [];
  while (ids.length < count) ids.push((await tokens.next()).value);
  return ids;
}

/** A token is decoded when the one after it is asked for. */
function way(model: Model, sequence: Sequence, { kind, tokens }: ModelWork, prompt: PromptOf): Way {
  const { ids } = prompt(kind === "prefill" ? tokens : DECODE_PROMPT);
  let stream: AsyncGenerator<number> | undefined;
  const restart = async (): Promise<AsyncGenerator<number>> => {
    await stream?.return(undefined);
    await sequence.clearHistory();
    return sequence.evaluate(ids, GREEDY);
  };
  return {
    name: "evaluate",
    reset: async () => {
      stream = await restart();
      if (kind === "decode") await stream.next();
    },
    run: async () => void await take(stream!, kind === "decode" ? tokens : 1), // reset has made it
    result: async () => {
      stream = await restart();
      return model.detokenize(await take(stream, 8));
    },
  };
}

/** Starts it on the processor alone. */
export async function start({ base, threads }: PeerOptions): Promise<Peer> {
  const library: NodeLlamaCpp = await import(`${base}native/node_modules/node-llama-cpp/dist/index.js`);
  const llama = await library.getLlama({
    ...{ gpu: false, build: "never", skipDownload: true, maxThreads: threads },
    logLevel: library.LlamaLogLevel.error,
  });
  let loaded: { model: Model; sequence: Sequence } | undefined;
  return {
    summary: `llama.cpp, native, ${threads} thread(s)`,
    ways: (work: Work, prompt: PromptOf): Promise<Way[]> => {
      return Promise.resolve(isModelWork(work) && loaded ? [way(loaded.model, loaded.sequence, work, prompt)] : []);
    },
    async loadModel(_file: Blob, url: string): Promise<void> {
      const model = await llama.loadModel({ modelPath: decodeURIComponent(new URL(url).pathname) });
      const context = await model.createContext({
        ...{ contextSize: CONTEXT, batchSize: 512, threads: { ideal: threads, min: threads } },
        batching: { dispatchSchedule: (dispatch: () => void) => dispatch() }, // not at the next turn of the event loop
      });
      loaded = { model, sequence: context.getSequence() };
    },
  };
}
