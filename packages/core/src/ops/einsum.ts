/**
 * `einsum` in PyTorch's letters: an ellipsis, repeated letters (a diagonal), an implicit output (letters that occur once,
 * in alphabetical order, after the ellipsis), any number of operands, sizes of 1 broadcast.
 *
 * Operands are contracted from left to right. Each step is one batched matmul: letters of both that live on are batch,
 * letters of both that end here are inner, the rest belong to one side.
 */
import { checkTensor } from "../dispatch.ts";
import { ShapeError, showShape, showValue } from "../errors.ts";
import { tidy } from "../memory.ts";
import { numelOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./primitives/matmul.ts";

/** An operand with a letter for each dim; ellipsis dims are named "0", "1", … from the right. */
interface Labelled {
  readonly tensor: Tensor;
  readonly labels: readonly string[];
}

/**
 * Sums of products by index letters (`torch.einsum`).
 *
 * @param equation such as `"bhtd,bhsd->bhts"`; blanks do not count
 * @throws {ShapeError} naming the equation and all shapes, when letters, ranks or sizes do not fit
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { einsum, tensor } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * const a = tensor([[1, 2], [3, 4]], { backend });
 * assertEquals(await einsum("ij,ij->i", [a, a]).toArray(), [5, 25]);
 * ```
 */
export function einsum(equation: string, operands: readonly Tensor[]): Tensor {
  if (!Array.isArray(operands)) { // from JavaScript: PyTorch takes them one by one
    throw new ShapeError(
      `Cannot einsum "${equation}" of ${showValue(operands)}: operands are a list; write einsum("${equation}", [a, b])`,
    );
  }
  for (const x of operands) checkTensor(() => `einsum "${equation}"`, x);
  const refuse = (why: string) =>
    new ShapeError(`Cannot einsum "${equation}" of ${operands.map((x) => showShape(x.shape)).join(" with ")}: ${why}`);
  const { inputs, output } = parse(equation, operands, refuse);
  const sizes = checkSizes(operands, inputs, refuse);
  return tidy(() => {
    const parts = operands.map((tensor, i) => diagonals({ tensor, labels: inputs[i]! }));
    let result = parts[0]!;
    for (let i = 1; i < parts.length; i++) {
      const later = new Set([...output, ...parts.slice(i + 1).flatMap((p) => p.labels)]);
      result = contract(result, parts[i]!, later, sizes);
    }
    return finish(result, output);
  });
}

type Refuse = (why: string) => ShapeError;

function parse(
  equation: string,
  operands: readonly Tensor[],
  refuse: Refuse,
): { inputs: string[][]; output: string[] } {
  const sides = equation.replaceAll(" ", "").split("->");
  if (sides.length > 2) throw refuse("there is more than one arrow");
  const terms = sides[0]!.split(",");
  if (operands.length === 0 || terms.length !== operands.length) {
    throw refuse(`it names ${terms.length} operands, and ${operands.length} are given`);
  }
  const inputs = terms.map((term, i) => labelsOf(term, operands[i]!.rank, refuse));
  const ellipsis = inputs.map((labels) => labels.filter((l) => /\d/.test(l))).reduce((a, b) =>
    b.length > a.length ? b : a
  );
  if (sides[1] === undefined) {
    const all = inputs.flat();
    const once = [...new Set(all)].filter((l) => /[A-Za-z]/.test(l) && all.indexOf(l) === all.lastIndexOf(l)).sort();
    return { inputs, output: [...ellipsis, ...once] };
  }
  const output = labelsOf(sides[1], undefined, refuse, ellipsis);
  const known = new Set(inputs.flat());
  const stray = output.find((l, i) => !known.has(l) || output.indexOf(l) !== i);
  if (stray !== undefined) throw refuse(`the output has "${stray}" twice, or no operand has it`);
  return { inputs, output };
}

/** One label a dim; the ellipsis takes what letters leave of the rank. */
function labelsOf(term: string, rank: number | undefined, refuse: Refuse, ellipsis: readonly string[] = []): string[] {
  if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term)) throw refuse(`"${term}" holds more than letters and one "..."`);
  const [before, after] = term.split("...");
  if (after === undefined) {
    if (rank !== undefined && rank !== term.length) {
      throw refuse(`"${term}" has ${term.length} letters for ${rank} dims`);
    }
    return [...term];
  }
  const covered = rank === undefined ? ellipsis.length : rank - before!.length - after.length;
  if (covered < 0) throw refuse(`"${term}" has more letters than the operand has dims, ${rank}`);
  return [...before!, ...Array.from({ length: covered }, (_, i) => String(covered - 1 - i)), ...after];
}

function checkSizes(
  operands: readonly Tensor[],
  inputs: readonly string[][],
  refuse: Refuse,
): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((labels, k) => {
    labels.forEach((label, i) => {
      const size = operands[k]!.shape[i]!;
      const have = sizes.get(label) ?? 1;
      const repeated = labels.indexOf(label) !== i && operands[k]!.shape[labels.indexOf(label)] !== size;
      if (repeated || (have !== 1 && size !== 1 && have !== size)) {
        throw refuse(`"${label}" has sizes ${have} and ${size}`);
      }
      if (have === 1) sizes.set(label, size);
    });
  });
  return sizes;
}

/** Takes the diagonal of every letter that an operand has twice. */
function diagonals({ tensor, labels }: Labelled): Labelled {
  const twice = labels.findIndex((l, i) => labels.indexOf(l) !== i);
  if (twice < 0) return { tensor, labels };
  const label = labels[twice]!;
  const first = labels.indexOf(label);
  return diagonals({
    tensor: tensor.diagonal(0, first, twice),
    labels: [...labels.filter((_, i) => i !== first && i !== twice), label],
  });
}

/** Sums away letters nobody else wants, then one batched matmul of what is left of both. */
function contract(a: Labelled, b: Labelled, later: ReadonlySet<string>, sizes: ReadonlyMap<string, number>): Labelled {
  const left = sumAway(a, new Set([...later, ...b.labels]));
  const right = sumAway(b, new Set([...later, ...a.labels]));
  const shared = left.labels.filter((l) => right.labels.includes(l));
  const batch = shared.filter((l) => later.has(l));
  const inner = shared.filter((l) => !later.has(l));
  const rows = left.labels.filter((l) => !shared.includes(l));
  const columns = right.labels.filter((l) => !shared.includes(l));
  const full = (x: Labelled, labels: readonly string[]) => labels.map((l) => x.tensor.shape[x.labels.indexOf(l)]!);
  const spread = (x: Labelled) => aligned(x, sizes, new Set(shared));
  const [l, r] = [spread(left), spread(right)];
  const batchShape = batch.map((label) => sizes.get(label)!);
  const k = numelOf(inner.map((label) => sizes.get(label)!));
  const x = order(l, [...batch, ...rows, ...inner]).reshape([...batchShape, numelOf(full(l, rows)), k]);
  const y = order(r, [...batch, ...inner, ...columns]).reshape([...batchShape, k, numelOf(full(r, columns))]);
  const product = matmul(x, y).reshape([...batchShape, ...full(l, rows), ...full(r, columns)]);
  return { tensor: product, labels: [...batch, ...rows, ...columns] };
}

function sumAway(x: Labelled, wanted: ReadonlySet<string>): Labelled {
  const dims = x.labels.map((_, i) => i).filter((i) => !wanted.has(x.labels[i]!));
  if (dims.length === 0) return x;
  return { tensor: x.tensor.sum({ dim: dims, dtype: x.tensor.dtype }), labels: x.labels.filter((l) => wanted.has(l)) };
}

/** Dims of size 1 expanded to the size their letter has elsewhere. */
function aligned(x: Labelled, sizes: ReadonlyMap<string, number>, shared: ReadonlySet<string>): Labelled {
  const shape = x.labels.map((l, i) => shared.has(l) ? sizes.get(l)! : x.tensor.shape[i]!);
  return { tensor: x.tensor.expand(shape), labels: x.labels };
}

function order(x: Labelled, labels: readonly string[]): Tensor {
  return x.tensor.permute(labels.map((l) => x.labels.indexOf(l)));
}

function finish(x: Labelled, output: readonly string[]): Tensor {
  const summed = sumAway(x, new Set(output));
  return order(summed, output).clone();
}
