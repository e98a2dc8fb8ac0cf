/** TensorFlow.js on its WebAssembly backend: it has no fused attention, so it is the three ops that tutorials show. */
import type { Peer, PeerOptions, Way } from "./peer.ts";
import { attentionInputs, type AttentionWork, matmulInputs, type MatmulWork, type Work } from "./work.ts";

interface TfTensor {
  dispose(): void;
  data(): Promise<Float32Array>;
}

/** What is used of `@tensorflow/tfjs-core` and of the backend. */
interface Tf {
  readonly version_core: string;
  env(): { set(flag: string, value: boolean): void; setPlatform(name: string, platform: object): void };
  setWasmPaths(prefix: string, usePlatformFetch: boolean): void;
  setThreadsCount(threads: number): void;
  getThreadsCount(): number;
  setBackend(name: string): Promise<boolean>;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  tensor(values: Float32Array, shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  softmax(x: TfTensor): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: number): TfTensor;
  tidy(make: () => TfTensor): TfTensor;
}

function way(tf: Tf, name: string, operands: readonly TfTensor[], make: () => TfTensor): Way {
  return {
    name,
    run: () => tf.tidy(make).dispose(),
    result: async () => {
      const out = tf.tidy(make);
      const values = await out.data();
      out.dispose();
      return values;
    },
    free: () => operands.forEach((x) => x.dispose()),
  };
}

function matmulWay(tf: Tf, work: MatmulWork): Way {
  const inputs = matmulInputs(work);
  const [a, b] = [tf.tensor(inputs.a, [work.m, work.k]), tf.tensor(inputs.b, [work.k, work.n])];
  return way(tf, "matMul", [a, b], () => tf.matMul(a, b));
}

/** A group's query heads are rows of one product with their key head, so that no head is repeated. */
function attentionWay(tf: Tf, work: AttentionWork): Way {
  const { heads, keyHeads, headDim, queries, keys } = work;
  const group = heads / keyHeads;
  const inputs = attentionInputs(work);
  const query = tf.tensor(inputs.query, [keyHeads, group * queries, headDim]);
  const key = tf.tensor(inputs.key, [keyHeads, keys, headDim]);
  const value = tf.tensor(inputs.value, [keyHeads, keys, headDim]);
  const hidden = Float32Array.from({ length: queries * keys }, (_, i) => i % keys > Math.floor(i / keys) ? -1e9 : 0);
  const mask = queries === keys ? tf.tensor(hidden, [1, 1, queries, keys]) : undefined;
  const make = (): TfTensor => {
    let scores = tf.matMul(tf.mul(query, headDim ** -0.5), key, false, true);
    if (mask !== undefined) {
      const masked = tf.add(tf.reshape(scores, [keyHeads, group, queries, keys]), mask);
      scores = tf.reshape(masked, [keyHeads, group * queries, keys]);
    }
    return tf.matMul(tf.softmax(scores), value);
  };
  return way(tf, "matMul, softmax, matMul", [query, key, value, ...(mask === undefined ? [] : [mask])], make);
}

/** What TensorFlow.js asks of a platform, and knows of Node and of pages only. */
const DENO_PLATFORM = {
  fetch: (path: string): Promise<Response> => fetch(path),
  now: (): number => performance.now(),
  encode: (text: string): Uint8Array => new TextEncoder().encode(text),
  decode: (bytes: Uint8Array): string => new TextDecoder().decode(bytes),
  isTypedArray: (value: unknown): boolean => ArrayBuffer.isView(value),
};

/**
 * Starts TensorFlow.js. It uses half as many threads as there are cores, so it is told of twice as many as are wanted, and
 * for one thread its build without any. In Deno it goes for Node by `process` and then fails, so that is taken away; its
 * threads are classic workers, which Deno has not.
 */
export async function start({ base, threads }: PeerOptions): Promise<Peer> {
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * threads, configurable: true });
  const inDeno = "Deno" in globalThis;
  if (inDeno) Reflect.deleteProperty(globalThis, "process");
  const tf: Tf = await import(`${base}tfjs.js`);
  if (inDeno) tf.env().setPlatform("deno", DENO_PLATFORM);
  if (threads === 1) tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.setWasmPaths(`${base}node_modules/@tensorflow/tfjs-backend-wasm/dist/`, inDeno);
  tf.setThreadsCount(threads);
  if (!await tf.setBackend("wasm")) throw new Error("its wasm backend does not start here");
  const started = tf.getThreadsCount();
  if (threads > 1 && started !== threads) throw new Error(`it started ${started} thread(s) instead of ${threads}`);
  return {
    summary: `tfjs-core ${tf.version_core}, ${threads} thread(s)`,
    ways: (work: Work): Promise<Way[]> => {
      if (work.kind === "matmul") return Promise.resolve([matmulWay(tf, work)]);
      return Promise.resolve(work.kind === "attention" ? [attentionWay(tf, work)] : []);
    },
  };
}
