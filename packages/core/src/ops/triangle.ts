/** The parts of matrices on one side of a diagonal, and counting masks. */
import { ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import { filled } from "./primitives/fill.ts";
import { where } from "./primitives/where.ts";

/** `column - row` of the last two dims, i32 `[rows, columns]`. */
function fromDiagonal(op: string, x: Tensor): Tensor {
  const [rows, columns] = [x.shape.at(-2), x.shape.at(-1)];
  if (rows === undefined || columns === undefined) {
    throw new ShapeError(`Cannot ${op} ${showShape(x.shape)}: it takes matrices, of at least 2 dims`);
  }
  const row = filled(x.backend, [rows, 1], "i32", 0, 1);
  return filled(x.backend, [1, columns], "i32", 0, 1).sub(row);
}

/** Zeros above the diagonal (`torch.tril`). @param diagonal 0 the main one, above 0 further right */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return tidy(() => where(fromDiagonal("tril", x).le(diagonal), x, filled(x.backend, [], x.dtype, 0)));
}

/** Zeros below the diagonal (`torch.triu`). @param diagonal 0 the main one, above 0 further right */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return tidy(() => where(fromDiagonal("triu", x).ge(diagonal), x, filled(x.backend, [], x.dtype, 0)));
}

/** One-hot rows (i32) of class indices, `[…] -> […, classes]`. @throws {ShapeError} unless classes >= 1 */
export function oneHot(ids: Tensor, classes: number): Tensor {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new ShapeError(`Cannot oneHot ${showShape(ids.shape)} into ${classes} classes: there must be at least one`);
  }
  return tidy(() => ids.unsqueeze(-1).eq(filled(ids.backend, [classes], "i32", 0, 1)).to("i32"));
}
