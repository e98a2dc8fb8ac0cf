/** The shapes in which products of floats are computed; matmul.ts has the ladder, each `.wgsl` file its strategy. */

/** One of them: a kernel and its sizes, which become the shader's constants. */
export interface Variant {
  /** The file. */
  readonly kernel: "naive" | "registers" | "tiled" | "vector" | "split";
  /** Its constants. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Rows and columns of the result that a workgroup computes; `naive` counts elements. */
  readonly tile: readonly [rows: number, columns: number];
}

/** All of them. */
export const VARIANTS = {
  naive: { kernel: "naive", sizes: {}, tile: [1, 64] },
  registers_4: { kernel: "registers", sizes: { ROW_BLOCKS: 1 }, tile: [4, 64] },
  registers_8: { kernel: "registers", sizes: { ROW_BLOCKS: 2 }, tile: [8, 64] },
  registers_16: { kernel: "registers", sizes: { ROW_BLOCKS: 4 }, tile: [16, 64] },
  tiled_32: { kernel: "tiled", sizes: { TILE_M: 32, TILE_N: 32, DEPTH: 16, ROW_BLOCKS: 1 }, tile: [32, 32] },
  tiled_64: { kernel: "tiled", sizes: { TILE_M: 64, TILE_N: 64, DEPTH: 16, ROW_BLOCKS: 2 }, tile: [64, 64] },
  tiled_128: { kernel: "tiled", sizes: { TILE_M: 128, TILE_N: 64, DEPTH: 16, ROW_BLOCKS: 2 }, tile: [128, 64] },
  vector_16: { kernel: "vector", sizes: { LANES: 16, COLUMNS: 4 }, tile: [4, 4] },
  vector_32: { kernel: "vector", sizes: { LANES: 32, COLUMNS: 4 }, tile: [4, 4] },
  vector_64: { kernel: "vector", sizes: { LANES: 64, COLUMNS: 2 }, tile: [4, 2] },
  vector_32x1: { kernel: "vector", sizes: { LANES: 32, COLUMNS: 1 }, tile: [4, 1] },
  vector_64x1: { kernel: "vector", sizes: { LANES: 64, COLUMNS: 1 }, tile: [4, 1] },
  split: { kernel: "split", sizes: {}, tile: [4, 32] },
} as const satisfies Readonly<Record<string, Variant>>;

/** The name of a variant. */
export type VariantName = keyof typeof VARIANTS;

/** Rows up to which a product reads every weight once for all of them. */
export const FEW_ROWS = 4;
