/**
 * jax-js on its WebAssembly backend, jitted, as its own `nn.dotProductAttention`. It computes when a result is awaited (on
 * its workers) or read at once (on the caller's thread), so both are ways. An array is used up by a call unless `ref` is taken.
 */
import type { Peer, PeerOptions, Way } from "./peer.ts";
import { attentionInputs, type AttentionWork, matmulInputs, type MatmulWork, swapHeads, type Work } from "./work.ts";

interface JaxArray {
  readonly ref: JaxArray;
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

/** Starts jax-js. It makes as many workers as the machine has cores, which host.ts sets to the threads wanted. */
export async function start({ base, threads }: PeerOptions): Promise<Peer> {
  const jax: Jax = await import(`${base}node_modules/@jax-js/jax/dist/index.js`);
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  return {
    summary: `jax-js, ${threads} worker(s)`,
    ways: (work: Work): Promise<Way[]> => {
      if (work.kind === "matmul") return Promise.resolve(waysOf(matmul(jax, work)));
      return Promise.resolve(work.kind === "attention" ? waysOf(attention(jax, work)) : []);
    },
  };
}
