/**
 * What is measured: the rows of the comparison. Everyone computes the same thing from the same drawn numbers.
 *
 *     matmul     [M, K] x [K, N] -> [M, N]                          2MKN operations; `constant`: the right side is a weight
 *     softmax    [rows, width] along the last dim
 *     adds       x = x + y, `count` times, of `numel` numbers: what an op costs
 *     attention  q [H, T, D], k and v [Hkv, S, D] -> [H, T, D]      4HTSD, counting the full square also where it is causal
 *     prefill    a prompt of `tokens` through the model
 *     decode     `tokens` greedy tokens after a prompt of 128, one at a time
 *
 * Causal rows have T = S; where T = 1 every key is seen. On WebGPU, which has work of its own, results are read back within
 * the time: nothing else tells for all libraries alike that the work is done.
 */

/** A product of two f32 matrices. */
export interface MatmulWork {
  readonly kind: "matmul";
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Whether the right side is a weight: known before and always the same. */
  readonly constant: boolean;
}

/** Attention with grouped heads, f32, one sequence. */
export interface AttentionWork {
  readonly kind: "attention";
  readonly name: string;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly queries: number;
  readonly keys: number;
}

/** Softmax of rows. */
export interface SoftmaxWork {
  readonly kind: "softmax";
  readonly name: string;
  readonly rows: number;
  readonly width: number;
}

/** Many small sums, each of the one before. */
export interface AddsWork {
  readonly kind: "adds";
  readonly name: string;
  readonly count: number;
  readonly numel: number;
}

/** A model at work. */
export interface ModelWork {
  readonly kind: "prefill" | "decode";
  readonly name: string;
  readonly tokens: number;
}

/** One row. */
export type Work = MatmulWork | AttentionWork | SoftmaxWork | AddsWork | ModelWork;

/** Whether it is a model's, and no op. */
export function isModelWork(work: Work): work is ModelWork {
  return work.kind === "prefill" || work.kind === "decode";
}

/** Tokens of the prompt before decoding. */
export const DECODE_PROMPT = 128;

/** SmolLM2-135M: parameters in its products, each read once a token, and the bytes they take in Q4_1 and Q8_0. */
export const MODEL = { products: 134_515_008, bytes: 98_362_432 };

const cube = (n: number): MatmulWork => ({
  ...{ kind: "matmul", name: `matmul ${n}x${n}x${n}`, m: n, k: n, n, constant: false },
});
const matvec = (k: number, n: number): MatmulWork => ({
  ...{ kind: "matmul", name: `matvec 1x${k}·${k}x${n}`, m: 1, k, n, constant: true },
});
const attend = (
  name: string,
  heads: number,
  keyHeads: number,
  headDim: number,
  t: number,
  s: number,
): AttentionWork => ({
  ...{ kind: "attention", name: `attention ${name}, ${heads}/${keyHeads} heads of ${headDim}` },
  ...{ heads, keyHeads, headDim, queries: t, keys: s },
});

/** The rows, in the report's order. */
export const WORK: readonly Work[] = [
  cube(512),
  cube(1024),
  matvec(576, 1536),
  matvec(2048, 2048),
  ...[512, 1024].map((n) => attend(`causal prefill ${n}`, 9, 3, 64, n, n)),
  ...[512, 1024, 4096].map((n) => attend(`decode at ${n}`, 9, 3, 64, 1, n)),
  ...[512, 1024, 4096].map((n) => attend(`decode at ${n}`, 32, 8, 128, 1, n)),
  ...[128, 512].map((tokens): ModelWork => ({ kind: "prefill", name: `SmolLM2 Q4_1 prefill ${tokens}`, tokens })),
  { kind: "decode", name: "SmolLM2 Q4_1 decode 64", tokens: 64 },
];

const softmax = (rows: number, width: number): SoftmaxWork => ({
  ...{ kind: "softmax", name: `softmax ${rows}x${width}`, rows, width },
});
const adds = (count: number, numel: number): AddsWork => ({
  ...{ kind: "adds", name: `${count} adds of ${numel} numbers`, count, numel },
});

/** The rows on WebGPU. */
export const WEBGPU_WORK: readonly Work[] = [
  ...[256, 512, 1024].map(cube),
  softmax(1024, 1024),
  ...[128, 256].map((n) => attend(`causal prefill ${n}`, 9, 3, 64, n, n)),
  attend("decode at 512", 9, 3, 64, 1, 512),
  adds(1000, 256),
];

/** What the first result in a fresh page is the result of. */
export const FIRST_WORK: MatmulWork = cube(256);

/** What tries out the harness itself in a second: `--tiny`. */
export const TINY_WORK: readonly Work[] = [
  cube(64),
  matvec(64, 96),
  attend("causal prefill 32", 9, 3, 64, 32, 32),
  attend("decode at 48", 9, 3, 64, 1, 48),
];

/** The same on WebGPU. */
export const TINY_WEBGPU_WORK: readonly Work[] = [
  cube(64),
  softmax(32, 48),
  attend("causal prefill 32", 9, 3, 64, 32, 32),
  attend("decode at 48", 9, 3, 64, 1, 48),
  adds(20, 256),
];

/** Operations, as the figures count them; a model's are tokens, and of softmax and adds the whole is one. */
export function amountOf(work: Work): number {
  if (work.kind === "softmax" || work.kind === "adds") return 1;
  if (work.kind === "matmul") return 2 * work.m * work.k * work.n;
  if (work.kind === "attention") return 4 * work.heads * work.queries * work.keys * work.headDim;
  return work.tokens;
}

/** What the machine must at least do. */
export interface Demand {
  /** Operations: of a causal row its triangle only. */
  readonly operations: number;
  /** Bytes of weights, or of keys and values. */
  readonly bytes: number;
  /** How often these are read. */
  readonly passes: number;
}

/** What a piece of work demands of the machine. */
export function demandOf(work: Work): Demand {
  if (work.kind === "matmul") return { operations: amountOf(work), bytes: 4 * work.k * work.n, passes: 1 };
  if (work.kind === "attention") {
    const { queries, keys, keyHeads, headDim } = work;
    const seen = queries === keys ? (queries + 1) / (2 * queries) : 1;
    return { operations: amountOf(work) * seen, bytes: 2 * 4 * keyHeads * keys * headDim, passes: 1 };
  }
  if (work.kind === "softmax") return { operations: 0, bytes: 4 * work.rows * work.width, passes: 2 };
  if (work.kind === "adds") return { operations: work.count * work.numel, bytes: 0, passes: 1 };
  const passes = work.kind === "decode" ? work.tokens : 1;
  return { operations: 2 * MODEL.products * work.tokens, bytes: MODEL.bytes, passes };
}

/** Numbers in [-1, 1), the same for everyone: xorshift32. */
export function draw(length: number, seed: number): Float32Array<ArrayBuffer> {
  let state = 0x9e3779b9 ^ (seed * 0x85ebca6b);
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
}

/** The two matrices of a product. */
export function matmulInputs({ m, k, n }: MatmulWork): { a: Float32Array<ArrayBuffer>; b: Float32Array<ArrayBuffer> } {
  return { a: draw(m * k, 1), b: draw(k * n, 2) };
}

/** The rows of softmax. */
export function softmaxInput({ rows, width }: SoftmaxWork): Float32Array<ArrayBuffer> {
  return draw(rows * width, 6).map((x) => 4 * x);
}

/** What is added to, and what is added. */
export function addsInputs({ numel }: AddsWork): { x: Float32Array<ArrayBuffer>; y: Float32Array<ArrayBuffer> } {
  return { x: draw(numel, 7), y: draw(numel, 8) };
}

/** Queries [H, T, D], keys and values [Hkv, S, D]. */
export interface AttentionInputs {
  readonly query: Float32Array<ArrayBuffer>;
  readonly key: Float32Array<ArrayBuffer>;
  readonly value: Float32Array<ArrayBuffer>;
}

/** The operands of attention. */
export function attentionInputs({ heads, keyHeads, headDim, queries, keys }: AttentionWork): AttentionInputs {
  const [q, kv] = [heads * queries * headDim, keyHeads * keys * headDim];
  return { query: draw(q, 3), key: draw(kv, 4), value: draw(kv, 5) };
}

/** [H, T, D] to [T, H, D], for those who keep positions first, or back with the counts swapped. */
export function swapHeads(x: Float32Array, heads: number, length: number, headDim: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(x.length);
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < length; t++) {
      const row = (h * length + t) * headDim;
      out.set(x.subarray(row, row + headDim), (t * heads + h) * headDim);
    }
  }
  return out;
}
