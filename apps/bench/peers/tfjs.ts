/** TensorFlow.js on its WebAssembly or WebGPU backend: it has no fused attention, so it is the three ops that tutorials show. */
import type { Peer, PeerOptions, Way } from "./peer.ts";
import {
  addsInputs,
  type AddsWork,
  attentionInputs,
  type AttentionWork,
  matmulInputs,
  type MatmulWork,
  softmaxInput,
  type SoftmaxWork,
  type Work,
} from "./work.ts";

interface TfTensor {
  dispose(): void;
  data(): Promise<Float32Array>;
}

/** What is used of `@tensorflow/tfjs-core` and of the backends; threads are those of WebAssembly. */
interface Tf {
  readonly version_core: string;
  env(): { set(flag: string, value: boolean): void; setPlatform(name: string, platform: object): void };
  setWasmPaths(prefix: string, usePlatformFetch: boolean): void;
  setThreadsCount(threads: number): void;
  getThreadsCount(): number;
  getBackend(): string;
  setBackend(name: string): Promise<boolean>;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  tensor(values: Float32Array, shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  softmax(x: TfTensor): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: number): TfTensor;
  tidy(make: () => TfTensor): TfTensor;
}

/** WebGPU is done when the result has been read. */
function way(tf: Tf, name: string, operands: readonly TfTensor[], make: () => TfTensor): Way {
  const result = async (): Promise<Float32Array> => {
    const out = tf.tidy(make);
    const values = await out.data();
    out.dispose();
    return values;
  };
  return {
    name,
    run: tf.getBackend() === "webgpu" ? async () => void await result() : () => tf.tidy(make).dispose(),
    result,
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

function softmaxWay(tf: Tf, work: SoftmaxWork): Way {
  const x = tf.tensor(softmaxInput(work), [work.rows, work.width]);
  return way(tf, "softmax", [x], () => tf.softmax(x));
}

function addsWay(tf: Tf, work: AddsWork): Way {
  const inputs = addsInputs(work);
  const [x, y] = [tf.tensor(inputs.x, [work.numel]), tf.tensor(inputs.y, [work.numel])];
  return way(tf, "add", [x, y], () => {
    let sum = x;
    for (let i = 0; i < work.count; i++) sum = tf.add(sum, y);
    return sum;
  });
}

function waysOf(tf: Tf, work: Work): Way[] {
  if (work.kind === "matmul") return [matmulWay(tf, work)];
  if (work.kind === "attention") return [attentionWay(tf, work)];
  if (work.kind === "softmax") return [softmaxWay(tf, work)];
  return work.kind === "adds" ? [addsWay(tf, work)] : [];
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
export async function start({ base, threads, backend }: PeerOptions): Promise<Peer> {
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * threads, configurable: true });
  const inDeno = "Deno" in globalThis;
  if (inDeno) Reflect.deleteProperty(globalThis, "process");
  const tf: Tf = await import(backend === "webgpu" ? `${base}tfjs_webgpu.js` : `${base}tfjs.js`);
  if (inDeno) tf.env().setPlatform("deno", DENO_PLATFORM);
  const ways = (work: Work): Promise<Way[]> => Promise.resolve(waysOf(tf, work));
  if (backend === "webgpu") {
    tf.env().set("WEBGPU_CPU_FORWARD", false); // it would take small operands back and compute on the processor
    if (!await tf.setBackend("webgpu")) throw new Error("its webgpu backend does not start here");
    return { summary: `tfjs-core ${tf.version_core}, webgpu`, ways };
  }
  if (threads === 1) tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.setWasmPaths(`${base}node_modules/@tensorflow/tfjs-backend-wasm/dist/`, inDeno);
  tf.setThreadsCount(threads);
  if (!await tf.setBackend("wasm")) throw new Error("its wasm backend does not start here");
  const started = tf.getThreadsCount();
  if (threads > 1 && started !== threads) throw new Error(`it started ${started} thread(s) instead of ${threads}`);
  return { summary: `tfjs-core ${tf.version_core}, ${threads} thread(s)`, ways };
}
