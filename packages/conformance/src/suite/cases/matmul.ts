/** Matrix products: ranks, batches, layouts, and right operands of every storage dtype, blocks included. */
import {
  type BlockDType,
  dequantizeBlocks,
  dtypeInfo,
  embedding,
  fromBytes,
  matmul,
  quantizeBlocks,
  type Tensor,
  tensorFromPieces,
} from "../../../../core/mod.ts";
import { mismatch } from "../../compare.ts";
import { type Dense, generate } from "../../oracle/dense.ts";
import { indexSelect } from "../../oracle/index.ts";
import { matmul as oracleMatmul } from "../../oracle/matmul.ts";
import { CONTRACTION_LIMITS } from "../check.ts";
import { layoutsFor } from "../layouts.ts";
import { RandomSource } from "../random_source.ts";
import type { AsyncSuiteCase, SuiteCase } from "../suite_case.ts";
import { SuiteContext } from "../suite_context.ts";

const SHAPES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[3], [3]],
  [[5], [5, 4]],
  [[4, 5], [5]],
  [[1, 1], [1, 1]],
  [[2, 3], [3, 4]],
  [[17, 19], [19, 23]],
  [[64, 65], [65, 66]],
  [[2, 3, 5], [5, 7]],
  [[3, 5], [2, 5, 7]],
  [[2, 3, 5], [2, 5, 7]],
  [[4, 1, 3, 5], [2, 5, 7]],
  [[5], [2, 5, 7]],
  [[2, 3, 5], [5]],
  [[0, 3], [3, 4]],
  [[2, 0], [0, 4]], // an empty sum is 0
  [[0, 2, 3], [3, 4]],
];

function shapeCase(left: readonly number[], right: readonly number[]): SuiteCase {
  return {
    name: `matmul/[${left}] [${right}]`,
    run: (c) => {
      const [a, b] = [c.operand(left), c.operand(right)];
      const want = oracleMatmul(a.dense, b.dense);
      return { got: matmul(a.tensor, b.tensor), want, dtype: "f32", normalizedLimit: CONTRACTION_LIMITS.f32 };
    },
  };
}

/** Every pair of layouts. */
function layoutCases(left: readonly number[], right: readonly number[]): SuiteCase[] {
  return layoutsFor(left).flatMap((first) =>
    layoutsFor(right).map((second): SuiteCase => ({
      name: `matmul/[${left}] [${right}] ${first.name}, ${second.name}`,
      run: (c) => {
        const [a, b] = [c.operand(left, { layout: first }), c.operand(right, { layout: second })];
        const want = oracleMatmul(a.dense, b.dense);
        return { got: matmul(a.tensor, b.tensor), want, normalizedLimit: CONTRACTION_LIMITS.f32 };
      },
    }))
  );
}

function dtypeCases(left: "f32" | "f16" | "bf16" | "f64", right: "f32" | "f16" | "bf16" | "f64"): SuiteCase[] {
  return layoutsFor([7, 5]).map((layout) => ({
    name: `matmul/${left} by ${right} ${layout.name}`,
    needs: [left, right],
    run: (c) => {
      const [a, b] = [c.operand([3, 7], { dtype: left }), c.operand([7, 5], { dtype: right, layout })];
      const want = oracleMatmul(a.dense, b.dense);
      const normalizedLimit = CONTRACTION_LIMITS[left === "f32" || left === "f64" ? left : "half"];
      return { got: matmul(a.tensor, b.tensor), want, dtype: left, normalizedLimit };
    },
  }));
}

const ENCODED: readonly BlockDType[] = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"];

/** Where a block without an encoder keeps its half-precision scales, in bytes; the rest may be any bytes. */
const SCALES: Partial<Readonly<Record<BlockDType, readonly number[]>>> = {
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
  iq4_nl: [0],
  iq4_xs: [0],
};

const BLOCKS: readonly BlockDType[] = [...ENCODED, ...Object.keys(SCALES) as BlockDType[]]; // keys() forgets the key type

/**
 * A block-quantised matrix, and its elements. They come from the reference decoder, which the golden vectors of group `quant`
 * hold against gguf.
 */
function blockMatrix(
  c: SuiteContext,
  dtype: BlockDType,
  rows: number,
  columns: number,
): { tensor: Tensor; dense: Dense } {
  const { bytes, dense } = blockBytes(c, dtype, rows, columns);
  return { tensor: fromBytes(bytes, [rows, columns], dtype, { backend: c.backend }), dense };
}

function blockBytes(c: SuiteContext, dtype: BlockDType, rows: number, columns: number): {
  bytes: Uint8Array;
  dense: Dense;
} {
  const bytes = ENCODED.includes(dtype) ? encoded(c, dtype, rows * columns) : scaled(c, dtype, rows * columns);
  return { bytes, dense: { shape: [rows, columns], data: Float64Array.from(dequantizeBlocks(dtype, bytes)) } };
}

function encoded(c: SuiteContext, dtype: BlockDType, numel: number): Uint8Array {
  return quantizeBlocks(dtype, Float32Array.from({ length: numel }, () => c.random.between(-2, 2)));
}

/** Random bytes, with 2^-5 or 2^-6 as the scales. */
function scaled(c: SuiteContext, dtype: BlockDType, numel: number): Uint8Array {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const bytes = Uint8Array.from({ length: numel / blockSize * blockBytes }, () => c.random.integer(0, 256));
  for (let block = 0; block < bytes.length; block += blockBytes) {
    for (const at of SCALES[dtype] ?? []) bytes.set([0, c.random.integer(0, 2) === 0 ? 0x28 : 0x24], block + at);
  }
  return bytes;
}

function transposed({ shape, data }: Dense): Dense {
  const [rows, columns] = [shape[0]!, shape[1]!];
  return generate([columns, rows], ([i, j]) => data[j! * columns + i!]!);
}

/** `x · w^T`, the linear layer, where blocks lie along the inner dim; and `x · w`, where they lie along the columns. */
function blockCases(dtype: BlockDType): SuiteCase[] {
  const columns = 2 * dtypeInfo(dtype).blockSize;
  const linear = (rows: readonly number[]): SuiteCase => ({
    name: `matmul/f32 [${rows}, ${columns}] by ${dtype} [${columns}, 5], transposed`,
    needs: [dtype],
    run: (c) => {
      const [x, w] = [c.operand([...rows, columns]), blockMatrix(c, dtype, 5, columns)];
      const want = oracleMatmul(x.dense, transposed(w.dense));
      const got = matmul(x.tensor, w.tensor.transpose(0, 1));
      return { got, want, dtype: "f32", normalizedLimit: CONTRACTION_LIMITS.f32 };
    },
  });
  const plain: SuiteCase = {
    name: `matmul/f32 [3, 5] by ${dtype} [5, ${columns}]`,
    needs: [dtype],
    run: (c) => {
      const [x, w] = [c.operand([3, 5]), blockMatrix(c, dtype, 5, columns)];
      const want = oracleMatmul(x.dense, w.dense);
      return { got: matmul(x.tensor, w.tensor), want, dtype: "f32", normalizedLimit: CONTRACTION_LIMITS.f32 };
    },
  };
  return [
    linear([1]),
    linear([3]),
    linear([2, 3]),
    plain,
    blockGatherCase(dtype, columns),
    blockCastCase(dtype, columns),
  ];
}

function blockGatherCase(dtype: BlockDType, columns: number): SuiteCase {
  return {
    name: `gather/rows of ${dtype}`,
    needs: [dtype],
    run: (c) => {
      const [ids, w] = [c.operand([4], { dtype: "i32", values: [3, 0, 4, 3] }), blockMatrix(c, dtype, 5, columns)];
      return { got: embedding(w.tensor, ids.tensor), want: indexSelect(w.dense, 0, ids.dense), dtype: "f32" };
    },
  };
}

function blockCastCase(dtype: BlockDType, columns: number): SuiteCase {
  return {
    name: `cast/${dtype} to f32`,
    needs: [dtype],
    run: (c) => {
      const w = blockMatrix(c, dtype, 3, columns);
      return [
        { got: w.tensor.to("f32"), want: w.dense, dtype: "f32" },
        {
          what: "rows",
          got: w.tensor.narrow(0, 1, 2).to("f32"),
          want: indexSelect(w.dense, 0, rowsFrom1()),
          dtype: "f32",
        },
      ];
    },
  };
}

function rowsFrom1(): Dense {
  return { shape: [2], data: Float64Array.of(1, 2) };
}

/** The weights' gradient of a batch that is followed by NaN: both operands lie along the result's dims, K as it comes. */
function nanBehindCase(k: number): SuiteCase {
  return {
    name: `matmul/K ${k} along the result's dims, NaN behind`,
    run: (c) => {
      const part = ([rows, columns]: readonly [number, number]): { tensor: Tensor; dense: Dense } => {
        const values = Array.from(
          { length: rows * columns },
          (_, i) => i < k * columns ? c.random.between(-2, 2) : NaN,
        );
        const { tensor } = c.operand([rows, columns], { values });
        const data = Float64Array.from(values.slice(0, k * columns), Math.fround);
        return { tensor: tensor.narrow(0, 0, k), dense: { shape: [k, columns], data } };
      };
      const [a, b] = [part([k + 4, 12]), part([k + 4, 64])];
      const want = oracleMatmul(transposed(a.dense), b.dense);
      const got = matmul(a.tensor.transpose(0, 1), b.tensor);
      return { got, want, dtype: "f32", normalizedLimit: CONTRACTION_LIMITS.f32 };
    },
  };
}

/** Views of one constant weight, as of keys' and values' in a fused projection: what is packed for one is not another's. */
function constantViewCase(rows: number): AsyncSuiteCase {
  const name = `matmul/[${rows}, 32] by views of a constant [64, 40]`;
  return {
    name,
    runAsync: async (backend) => {
      const random = new RandomSource(name);
      const draw = (shape: readonly number[]): Dense => generate(shape, () => Math.fround(random.between(-2, 2)));
      const [x, w] = [draw([rows, 32]), draw([64, 40])];
      const bytesOf = ({ data }: Dense): Uint8Array => new Uint8Array(Float32Array.from(data).buffer);
      using left = fromBytes(bytesOf(x), x.shape, "f32", { backend });
      using weight = await tensorFromPieces([64, 40], "f32", onePiece(bytesOf(w)), { backend });
      for (const [start, column, columns] of [[32, 0, 40], [32, 16, 24], [0, 0, 40], [3, 8, 9]] as const) {
        using lines = weight.narrow(0, start, 32);
        using view = lines.narrow(1, column, columns);
        using got = matmul(left, view);
        const part = generate([32, columns], ([i, j]) => w.data[(start + i!) * 40 + column + j!]!);
        const want = oracleMatmul(x, part);
        const problem = mismatch(await got.data(), want.data, want.shape, { rtol: 1e-5, atol: 1e-4 });
        if (problem !== undefined) throw new Error(`rows from ${start}, ${columns} columns from ${column}: ${problem}`);
      }
    },
  };
}

/** A constant weight of blocks, which a backend may repack: multiplied whole, by rows of it, and then gathered from. */
function constantBlocksCase(dtype: BlockDType): AsyncSuiteCase {
  const name = `matmul/f32 by views of a constant ${dtype}`;
  return {
    name,
    needs: [dtype],
    runAsync: async (backend) => {
      const c = new SuiteContext(backend, name);
      const [rows, columns] = [19, 2 * dtypeInfo(dtype).blockSize];
      const { bytes, dense } = blockBytes(c, dtype, rows, columns);
      using weight = await tensorFromPieces([rows, columns], dtype, onePiece(bytes), { backend });
      const check = async (what: string, got: Tensor, want: Dense): Promise<void> => {
        const problem = mismatch(await got.data(), want.data, want.shape, { rtol: 1e-5, atol: 1e-3 });
        if (problem !== undefined) throw new Error(`${what}: ${problem}`);
      };
      for (const count of [1, 5, 40]) {
        const data = Float64Array.from({ length: count * columns }, () => Math.fround(c.random.between(-2, 2)));
        const x: Dense = { shape: [count, columns], data };
        using left = c.tensorOf(x, "f32");
        for (const [start, length] of [[0, rows], [3, 9], [18, 1]] as const) {
          using view = weight.narrow(0, start, length);
          using right = view.transpose(0, 1);
          using got = matmul(left, right);
          const part = {
            shape: [length, columns],
            data: dense.data.slice(start * columns, (start + length) * columns),
          };
          await check(`${count} rows by ${length} from ${start}`, got, oracleMatmul(x, transposed(part)));
        }
      }
      using ids = c.tensorOf({ shape: [3], data: Float64Array.of(18, 0, 7) }, "i32");
      using gathered = embedding(weight, ids);
      await check("gathered", gathered, indexSelect(dense, 0, { shape: [3], data: Float64Array.of(18, 0, 7) }));
    },
  };
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

const FLOATS = ["f32", "f16", "bf16"] as const;

/** Cases of matrix products, and of what else reads blocks. */
export const MATMUL_CASES: readonly (SuiteCase | AsyncSuiteCase)[] = [
  ...SHAPES.map(([left, right]) => shapeCase(left, right)),
  ...layoutCases([3, 5], [5, 7]),
  ...layoutCases([2, 3, 5], [2, 5, 7]),
  ...FLOATS.flatMap((left) => FLOATS.flatMap((right) => dtypeCases(left, right))),
  ...dtypeCases("f64", "f64"),
  ...BLOCKS.flatMap(blockCases),
  ...[25, 33, 150, 250].map(nanBehindCase),
  ...[1, 3, 5, 8, 130].map(constantViewCase),
  ...BLOCKS.map(constantBlocksCase),
];
