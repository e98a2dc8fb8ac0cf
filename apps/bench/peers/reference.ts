/**
 * Whether a result is right: rows of it computed again in doubles, straight from the definitions of work.ts. A dozen rows
 * spread over the output are enough to see a wrong layout, scale or mask; that every element is finite is looked at too.
 */
import {
  addsInputs,
  type AddsWork,
  attentionInputs,
  type AttentionWork,
  matmulInputs,
  type MatmulWork,
  type ModelWork,
  softmaxInput,
  type SoftmaxWork,
  type Work,
} from "./work.ts";

/** Of the largest number of the row: f32 sums of up to 4096 terms, and a fast exponential. */
const TOLERANCE = 1e-4;
const ROWS = 12;

function matmulRow(work: MatmulWork): (row: number) => Float64Array {
  const { a, b } = matmulInputs(work);
  return (row) => {
    const out = new Float64Array(work.n);
    for (let i = 0; i < work.k; i++) {
      const x = a[row * work.k + i]!;
      for (let j = 0; j < work.n; j++) out[j]! += x * b[i * work.n + j]!;
    }
    return out;
  };
}

function attentionRow(work: AttentionWork): (row: number) => Float64Array {
  const { heads, keyHeads, headDim, queries, keys } = work;
  const { query, key, value } = attentionInputs(work);
  return (row) => {
    const first = Math.floor(row / queries / (heads / keyHeads)) * keys * headDim;
    const seen = queries === keys ? row % queries + 1 : keys;
    const scores = Float64Array.from({ length: seen }, (_, s) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += query[row * headDim + d]! * key[first + s * headDim + d]!;
      return dot / Math.sqrt(headDim);
    });
    const highest = scores.reduce((x, y) => Math.max(x, y));
    const powers = scores.map((x) => Math.exp(x - highest));
    const sum = powers.reduce((x, y) => x + y);
    const out = new Float64Array(headDim);
    for (const [s, power] of powers.entries()) {
      for (let d = 0; d < headDim; d++) out[d]! += power / sum * value[first + s * headDim + d]!;
    }
    return out;
  };
}

function softmaxRow(work: SoftmaxWork): (row: number) => Float64Array {
  const x = softmaxInput(work);
  return (row) => {
    const powers = Float64Array.from(x.subarray(row * work.width, (row + 1) * work.width), Math.exp);
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  };
}

/** In f32, as everyone adds. */
function addsRow(work: AddsWork): (row: number) => Float64Array {
  const { x, y } = addsInputs(work);
  for (let i = 0; i < work.count; i++) for (let j = 0; j < x.length; j++) x[j]! += y[j]!;
  return () => Float64Array.from(x);
}

/** Everything but a model, whose text is compared. */
export type CheckedWork = Exclude<Work, ModelWork>;

/** Rows and columns of a result, and how to compute a row. */
function expected(work: CheckedWork): { rows: number; width: number; rowOf: (row: number) => Float64Array } {
  switch (work.kind) {
    case "matmul":
      return { rows: work.m, width: work.n, rowOf: matmulRow(work) };
    case "attention":
      return { rows: work.heads * work.queries, width: work.headDim, rowOf: attentionRow(work) };
    case "softmax":
      return { rows: work.rows, width: work.width, rowOf: softmaxRow(work) };
    case "adds":
      return { rows: 1, width: work.numel, rowOf: addsRow(work) };
  }
}

/** What is wrong with a result ([M, N], [H, T, D], or of the operand's shape), or undefined. */
export function objection(work: CheckedWork, got: Float32Array): string | undefined {
  const { rows, width, rowOf } = expected(work);
  if (got.length !== rows * width) return `${got.length} numbers instead of ${rows * width}`;
  const bad = got.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) return `element ${bad} is ${got[bad]}`;
  for (let i = 0; i < Math.min(ROWS, rows); i++) {
    const row = Math.floor(i * (rows - 1) / Math.max(1, Math.min(ROWS, rows) - 1));
    const want = rowOf(row);
    const allowed = TOLERANCE * want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const wrong = want.findIndex((x, j) => Math.abs(got[row * width + j]! - x) > allowed);
    if (wrong >= 0) {
      return `[${row}, ${wrong}] is ${got[row * width + wrong]} instead of ${want[wrong]!.toPrecision(8)}`;
    }
  }
  return undefined;
}
