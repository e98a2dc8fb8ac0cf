/**
 * What Llama is told of its tokens, checked and brought into one form: masks as `[B, 1, T, S]`, positions as `[B, T]`.
 *
 * Letters: B batch, T new tokens, S all tokens, those in the cache included.
 */
import { type DType, DTypeError, isFloat, ShapeError, type Tensor } from "../../core/mod.ts";
import { showShape } from "../../core/src/errors.ts";
import { sameShape } from "../../core/src/shape.ts";

/** B and T of hidden states. @throws {ShapeError} when x is no `[B, T, E]` */
export function tokensOf(op: string, x: Tensor, hiddenSize: number): [batch: number, length: number] {
  const [batch, length, size] = x.shape;
  if (x.rank === 3 && size === hiddenSize) return [batch!, length!];
  throw new ShapeError(`Cannot run ${op} on ${showShape(x.shape)}: it takes [B, T, E] with E = ${hiddenSize}`);
}

/**
 * Checks a mask of scores.
 *
 * @param op who takes it
 * @param input the shape of what it runs on
 * @param want `[B, 1, T, S]`
 * @throws {ShapeError} with both shapes, when the mask has another
 * @throws {DTypeError} when it is neither bool nor float
 */
export function checkMask(op: string, input: readonly number[], mask: Tensor, want: readonly number[]): void {
  if (!sameShape(mask.shape, want)) {
    throw new ShapeError(
      `Cannot run ${op} on ${showShape(input)} with a mask ${showShape(mask.shape)}: ` +
        `it should be [B, 1, T, S] = ${showShape(want)}`,
    );
  }
  if (mask.dtype === "bool" || isFloat(mask.dtype)) return;
  throw new DTypeError(
    `Cannot run ${op} on ${showShape(input)} with a mask ${mask.dtype} ${showShape(mask.shape)}: ` +
      `it is bool (true: may attend) or float (added to the scores)`,
  );
}

const FLAGS: readonly DType[] = ["bool", "i32", "u8"];

/**
 * Checks the mask a model is given: `[B, S]` of 0 (padding) and 1, or `[B, 1, T, S]`.
 *
 * @throws {ShapeError} {DTypeError} as {@linkcode checkMask}
 */
export function checkModelMask(ids: Tensor, mask: Tensor, tokens: number): void {
  const [batch, length] = [ids.shape[0]!, ids.shape[1]!];
  if (mask.rank === 4) return checkMask("a Llama", ids.shape, mask, [batch, 1, length, tokens]);
  const shapes = `ids ${showShape(ids.shape)} and an attention mask ${showShape(mask.shape)}`;
  if (!sameShape(mask.shape, [batch, tokens])) {
    throw new ShapeError(
      `Cannot run a Llama on ${shapes}: it should be [B, S] = ${showShape([batch, tokens])} ` +
        `or [B, 1, T, S] = ${showShape([batch, 1, length, tokens])}`,
    );
  }
  if (FLAGS.includes(mask.dtype)) return;
  throw new DTypeError(
    `Cannot run a Llama on ${shapes} of ${mask.dtype}: [B, S] is of 0 and 1, in i32, u8 or bool`,
  );
}

/** A mask of padding `[B, S]` as one of scores, a bool view `[B, 1, T, S]`; one of scores as it is. */
export function scoreMask(mask: Tensor, length: number): Tensor {
  if (mask.rank === 4) return mask;
  const [batch, tokens] = mask.shape as [number, number]; // checked
  return mask.to("bool").reshape([batch, 1, 1, tokens]).expand([batch, 1, length, tokens]);
}

/** Positions of the new tokens, i32 `[B, T]`, counting what is not padding; padding itself has any. */
export function paddedPositions(mask: Tensor, length: number): Tensor {
  const counted = mask.to("bool").to("i32").cumsum(1).sub(1).clamp({ min: 0 }); // [B, S]
  return counted.narrow(1, mask.shape[1]! - length, length);
}

/**
 * The error of a failed lookup of ids, in words of tokens: which one and where, on backends that read at once.
 *
 * @param cause the lookup's own error
 */
export function outsideVocabulary(ids: Tensor, vocabSize: number, cause: ShapeError): ShapeError {
  const token = strayToken(ids, vocabSize);
  if (token === undefined) return cause; // the ids are not what is wrong
  return new ShapeError(
    `Cannot run a Llama on ids ${showShape(ids.shape)}: ${token} is outside the vocabulary of ` +
      `${vocabSize}, whose ids run from 0; use the tokenizer that belongs to the model`,
    { cause },
  );
}

function strayToken(ids: Tensor, vocabSize: number): string | undefined {
  let tokens: ArrayLike<number>;
  try {
    tokens = ids.dataSync();
  } catch {
    return "a token"; // where reading is asynchronous
  }
  const at = Array.from(tokens).findIndex((id) => id < 0 || id >= vocabSize);
  if (at < 0) return undefined;
  const length = ids.shape[1]!;
  return `token ${tokens[at]} at ${showShape([Math.floor(at / length), at % length])}`;
}

/** @throws {ShapeError} {DTypeError} unless positions are i32 `[B, T]` or `[T]` */
export function checkPositions(ids: Tensor, positions: Tensor): void {
  const shapes = `ids ${showShape(ids.shape)} and position ids ${showShape(positions.shape)}`;
  if (!sameShape(positions.shape, ids.shape) && !sameShape(positions.shape, ids.shape.slice(1))) {
    throw new ShapeError(`Cannot run a Llama on ${shapes}: they are [B, T], or [T] for all rows`);
  }
  if (positions.dtype !== "i32") {
    throw new DTypeError(`Cannot run a Llama on ${shapes} of ${positions.dtype}: positions are i32`);
  }
}
