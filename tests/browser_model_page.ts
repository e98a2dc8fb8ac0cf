/** A page that generates on WebGPU, for browser_model_test.ts: greedy ids of a model that is served beside it. */
import {
  bytesSource,
  createBackend,
  generateTokens,
  type LlamaForCausalLM,
  loadModel,
  openGguf,
  openSafetensors,
} from "../packages/heed/mod.ts";

/** What to generate, and with what. */
export interface Wanted {
  /** The file's address: GGUF, or safetensors with a config.json beside it. */
  readonly model: string;
  /** Optional features to use; all that there are when left out. */
  readonly features?: readonly string[];
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number;
}

/** What came of it. */
export interface Generated {
  /** What the backend says of itself. */
  readonly adapter: string;
  readonly features: string;
  /** New ids, by prompt. */
  readonly ids: readonly (readonly number[])[];
  /** Live storages once all was disposed of. */
  readonly left: number;
}

declare global {
  /** Generates; called by the test. */
  var generate: (wanted: Wanted) => Promise<Generated>;
  /** How many tokens there are so far. */
  var generated: number;
}

async function fetched(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot fetch ${url}: ${response.status}`);
  return response;
}

async function load(url: string, backend: Awaited<ReturnType<typeof createBackend>>): Promise<LlamaForCausalLM> {
  const source = bytesSource(new Uint8Array(await (await fetched(url)).arrayBuffer()), url);
  if (url.endsWith(".gguf")) return await loadModel({ file: await openGguf(source) }, { backend });
  const config = await (await fetched(url.replace(/[^/]+$/, "config.json"))).json();
  return await loadModel({ file: await openSafetensors(source), config }, { backend });
}

globalThis.generated = 0;
globalThis.generate = async ({ model: url, features, prompts, maxTokens }) => {
  const options = features === undefined ? {} : { features };
  const backend = await createBackend("webgpu", { softwareAdapter: true, ...options });
  const { summary, details } = backend.describe();
  const rows: number[][] = [];
  const model = await load(url, backend);
  for (const prompt of prompts) {
    const ids: number[] = [];
    for await (const [id] of generateTokens(model, [prompt], { temperature: 0, maxTokens })) {
      ids.push(id!); // one row, which has no end tokens
      globalThis.generated++;
    }
    rows.push(ids);
  }
  model.dispose();
  const left = backend.memory.liveStorages;
  backend.dispose();
  return { adapter: summary, features: `${details["features"]}`, ids: rows, left };
};
