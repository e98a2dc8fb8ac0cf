/**
 * jax-js on its WebAssembly or WebGPU backend, jitted, as its own `nn.dotProductAttention`. It computes when a result is awaited (on
 * its workers) or read at once (on the caller's thread), so both are ways. An array is used up by a call unless `ref` is taken.
 */
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
  swapHeads,
  type Work,
} from "./work.ts";

interface JaxArray {
  readonly ref: JaxArray;
  add(other: JaxArray): JaxArray;
  reshape(shape: number[]): JaxArray;
  blockUntilReady(): Promise<JaxArray>;
  data(): Promise<Float32Array>;
  dataSync(): Float32Array;
  dispose(): void;
}

/** What is used of `@jax-js/jax`. */
interface Jax {
  init(device: string): Promise<string[]>;
  defaultDevice(device: string): void;
  jit(make: (...operands: JaxArray[]) => JaxArray): (...operands: JaxArray[]) => JaxArray;
  readonly numpy: { array(values: Float32Array): JaxArray; matmul(a: JaxArray, b: JaxArray): JaxArray };
  readonly nn: {
    softmax(x: JaxArray, axis: number): JaxArray;
    dotProductAttention(q: JaxArray, k: JaxArray, v: JaxArray, options: { isCausal: boolean }): JaxArray;
  };
}

interface Product {
  readonly name: string;
  readonly operands: readonly JaxArray[];
  readonly make: () => JaxArray;
  /** To the order that reference.ts wants. */
  readonly order: (values: Float32Array) => Float32Array;
}

/** WebGPU is done when the result has been read, and cannot be read at once. */
function webgpuWays({ name, operands, make, order }: Product): Way[] {
  const free = (): void => operands.forEach((x) => x.dispose());
  return [{
    ...{ name, free },
    run: async () => void await make().data(),
    result: async () => order(await make().data()),
  }];
}

function waysOf({ name, operands, make, order }: Product): Way[] {
  const free = (): void => operands.forEach((x) => x.dispose());
  const awaited = async (): Promise<void> => (await make().blockUntilReady()).dispose();
  const atOnce = (): void => void make().dataSync();
  return [
    { name: `${name}, awaited`, run: awaited, result: async () => order(await make().data()), free },
    { name: `${name}, read at once`, run: atOnce, result: () => Promise.resolve(order(make().dataSync())) },
  ];
}

function matmul(jax: Jax, work: MatmulWork): Product {
  const inputs = matmulInputs(work);
  const a = jax.numpy.array(inputs.a).reshape([work.m, work.k]);
  const b = jax.numpy.array(inputs.b).reshape([work.k, work.n]);
  const product = jax.jit((x, y) => jax.numpy.matmul(x, y));
  return { name: "numpy.matmul", operands: [a, b], make: () => product(a.ref, b.ref), order: (x) => x };
}

function attention(jax: Jax, work: AttentionWork): Product {
  const { heads, keyHeads, headDim, queries, keys } = work;
  const inputs = attentionInputs(work);
  const query = jax.numpy.array(swapHeads(inputs.query, heads, queries, headDim)).reshape([1, queries, heads, headDim]);
  const [key, value] = [inputs.key, inputs.value].map((x) =>
    jax.numpy.array(swapHeads(x, keyHeads, keys, headDim)).reshape([1, keys, keyHeads, headDim])
  ) as [JaxArray, JaxArray]; // as many as there were
  const isCausal = queries === keys;
  const attend = jax.jit((q, k, v) => jax.nn.dotProductAttention(q, k, v, { isCausal }));
  return {
    name: "nn.dotProductAttention",
    operands: [query, key, value],
    make: () => attend(query.ref, key.ref, value.ref),
    order: (x) => swapHeads(x, queries, heads, headDim),
  };
}

function softmax(jax: Jax, work: SoftmaxWork): Product {
  const x = jax.numpy.array(softmaxInput(work)).reshape([work.rows, work.width]);
  const make = jax.jit((values) => jax.nn.softmax(values, -1));
  return { name: "nn.softmax", operands: [x], make: () => make(x.ref), order: (y) => y };
}

/** Op by op: jitted, the sums would be one kernel. */
function adds(jax: Jax, work: AddsWork): Product {
  const inputs = addsInputs(work);
  const [x, y] = [jax.numpy.array(inputs.x), jax.numpy.array(inputs.y)];
  const make = (): JaxArray => {
    let sum = x.ref;
    for (let i = 0; i < work.count; i++) sum = sum.add(y.ref);
    return sum;
  };
  return { name: "add", operands: [x, y], make, order: (values) => values };
}

function productOf(jax: Jax, work: Work): Product | undefined {
  if (work.kind === "matmul") return matmul(jax, work);
  if (work.kind === "attention") return attention(jax, work);
  if (work.kind === "softmax") return softmax(jax, work);
  return work.kind === "adds" ? adds(jax, work) : undefined;
}

/** Starts jax-js. It makes as many workers as the machine has cores, which host.ts sets to the threads wanted. */
export async function start({ base, threads, backend }: PeerOptions): Promise<Peer> {
  const jax: Jax = await import(`${base}node_modules/@jax-js/jax/dist/index.js`);
  const isWebGpu = backend === "webgpu";
  const device = isWebGpu ? "webgpu" : "wasm";
  if (!(await jax.init(device)).includes(device)) throw new Error(`its ${device} backend does not start here`);
  jax.defaultDevice(device);
  return {
    summary: isWebGpu ? "jax-js, webgpu" : `jax-js, ${threads} worker(s)`,
    ways: (work: Work): Promise<Way[]> => {
      const product = productOf(jax, work);
      if (product === undefined) return Promise.resolve([]);
      return Promise.resolve(isWebGpu ? webgpuWays(product) : waysOf(product));
    },
  };
}
