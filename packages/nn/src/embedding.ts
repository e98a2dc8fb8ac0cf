/** Rows of a table by their indices (`torch.nn.Embedding`): `[…] -> […, E]`. Fresh rows are standard normal, as in PyTorch. */
import { embedding, ShapeError, type Tensor, tidy, where } from "../../core/mod.ts";
import { checkNames } from "../../core/src/errors.ts";
import { type Initializer, normal } from "./init.ts";
import { Module } from "./module.ts";
import { checkSource, type ParameterSource } from "./parameter_source.ts";

/** What an {@linkcode Embedding} is made of. */
export interface EmbeddingOptions {
  /** Rows, V. */
  readonly numEmbeddings: number;
  /** Size of a row, E. */
  readonly embeddingDim: number;
  /** Row that stays as it is in training: looking it up gives it no gradient. Below 0 it counts from the end. */
  readonly paddingIdx?: number | undefined;
  /** Draws a fresh table. */
  readonly initWeight?: Initializer | undefined;
}

const OPTIONS = {
  numEmbeddings: true,
  embeddingDim: true,
  paddingIdx: true,
  initWeight: true,
} as const satisfies Record<keyof EmbeddingOptions, true>;
const FOREIGN = { num_embeddings: "numEmbeddings", embedding_dim: "embeddingDim", padding_idx: "paddingIdx" };

/** Rows of a table (`torch.nn.Embedding`). */
export class Embedding extends Module {
  /** `[V, E]`, of any storage dtype. */
  readonly weight: Tensor;

  readonly #paddingIdx: number | undefined;

  /** Takes `weight`; a fresh table has zeros in the padding's row. @throws {ShapeError} when there is no such row */
  constructor(options: EmbeddingOptions, source: ParameterSource) {
    super();
    checkNames("make Embedding", options, OPTIONS, FOREIGN);
    checkSource("make Embedding", source);
    const { numEmbeddings, embeddingDim, paddingIdx, initWeight = normal() } = options;
    this.#paddingIdx = rowOf(paddingIdx, numEmbeddings);
    this.weight = source.take("weight", [numEmbeddings, embeddingDim], withZeroRow(initWeight, this.#paddingIdx));
  }

  /** `[…] -> […, E]`, ids in i32. @throws {ShapeError} when an id is not in `[0, V)` */
  forward(ids: Tensor): Tensor {
    const padding = this.#paddingIdx;
    if (padding === undefined || !this.weight.requiresGrad) return embedding(this.weight, ids);
    return tidy(() => {
      const rows = embedding(this.weight, ids);
      return where(ids.eq(padding).unsqueeze(-1), rows.detach(), rows);
    });
  }
}

function rowOf(index: number | undefined, rows: number): number | undefined {
  if (index === undefined) return undefined;
  if (Number.isInteger(index) && index >= -rows && index < rows) return index < 0 ? index + rows : index;
  throw new ShapeError(`Cannot make an Embedding of ${rows} rows with paddingIdx ${index}: there is no such row`);
}

function withZeroRow(initial: Initializer, row: number | undefined): Initializer {
  if (row === undefined) return initial;
  return (shape, options) => {
    const table = initial(shape, options);
    using padding = table.narrow(0, row, 1);
    padding.fill_(0);
    return table;
  };
}
