/**
 * Printing as PyTorch prints (`torch._tensor_str`): columns aligned over the whole tensor, four digits, scientific where
 * magnitudes ask for it, the middle of long dims left out; then shape and dtype, which PyTorch leaves to the reader.
 */
import { type DType, isBlock, isFloat } from "./dtype.ts";
import { showShape } from "./errors.ts";
import { noGrad } from "./grad/no_grad.ts";
import { tidy } from "./memory.ts";
import { read } from "./read.ts";
import type { Tensor } from "./tensor.ts";

/** How much to print. */
export interface FormatOptions {
  /** Digits after the point; 4 when left out. */
  readonly precision?: number;
  /** Elements from which the middle is left out; 1000 when left out. */
  readonly threshold?: number;
  /** Elements kept at each end then; 3 when left out. */
  readonly edgeItems?: number;
  /** Characters a line; 80 when left out. */
  readonly lineWidth?: number;
}

/** Shape, dtype and backend in one line. */
export function header(x: Tensor): string {
  const state = x.isDisposed ? ", disposed" : x.requiresGrad ? ", requiresGrad" : "";
  return `Tensor(shape=${showShape(x.shape)}, dtype=${x.dtype}, backend=${x.backend.name}${state})`;
}

/** The elements as PyTorch shows them, with shape and dtype. */
export async function format(x: Tensor, options: FormatOptions = {}): Promise<string> {
  const { precision = 4, threshold = 1000, edgeItems = 3, lineWidth = 80 } = options;
  const elided = x.numel > threshold;
  using shown = noGrad(() =>
    tidy(() => edges(isBlock(x.dtype) ? x.to("f32") : x.detach(), elided ? edgeItems : Infinity).keep())
  );
  const data = await read(shown);
  const { cells, width } = column(x.dtype, data, precision);
  const padded = cells.map((c) => c.padStart(width));
  const body = x.rank === 0 ? cells[0]! : rows(padded, shown.shape, x.shape, elided ? edgeItems : Infinity, lineWidth);
  return `tensor(${x.numel === 0 ? "[]" : body}, shape=${showShape(x.shape)}, dtype=${x.dtype})`;
}

/** The first and last `count` elements of every dim that has more than twice as many. */
function edges(x: Tensor, count: number): Tensor {
  let out = x;
  for (let dim = 0; dim < x.rank; dim++) {
    const size = x.shape[dim]!;
    if (size > 2 * count) out = out.narrow(dim, 0, count).cat([out.narrow(dim, size - count, count)], dim);
  }
  return out;
}

/** Every element's text, and the width they are aligned to. */
interface Column {
  readonly cells: readonly string[];
  readonly width: number;
}

function column(dtype: DType, data: ArrayLike<number>, precision: number): Column {
  if (isFloat(dtype) || isBlock(dtype)) return floats(data, precision);
  const cells = Array.from(data, dtype === "bool" ? (v) => v === 0 ? "False" : "True" : String);
  return { cells, width: Math.max(0, ...cells.map((c) => c.length)) };
}

/** Floats in one style for all: whole as `1.`, fixed, or scientific; as in PyTorch, only finite ones but 0 set the width. */
function floats(data: ArrayLike<number>, precision: number): Column {
  const finite = Array.from(data).filter((v) => Number.isFinite(v) && v !== 0);
  const sizes = finite.map(Math.abs);
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  const whole = finite.every(Number.isInteger);
  const scientific = finite.length > 0 && (high > 1e8 || high / low > 1000 || (!whole && low < 1e-4));
  const show = (v: number): string => {
    if (Number.isNaN(v)) return "nan";
    if (!Number.isFinite(v)) return v > 0 ? "inf" : "-inf";
    if (scientific) return exponential(v, precision);
    const text = whole ? `${Math.abs(v)}.` : Math.abs(v).toFixed(precision);
    return v < 0 || Object.is(v, -0) ? `-${text}` : text;
  };
  return { cells: Array.from(data, show), width: Math.max(1, ...finite.map((v) => show(v).length)) };
}

/** Python's `1.0000e-05`: two digits of exponent at least. */
function exponential(v: number, precision: number): string {
  return v.toExponential(precision).replace(/e([+-])(\d)$/, "e$10$2");
}

/** Nested brackets; a row that is too long wraps under its first element. */
function rows(
  cells: readonly string[],
  shown: readonly number[],
  full: readonly number[],
  edgeItems: number,
  lineWidth: number,
): string {
  let next = 0;
  const level = (dim: number, indent: number): string => {
    const items: string[] = [];
    const elided = full[dim]! > shown[dim]! ? edgeItems : -1;
    for (let i = 0; i < shown[dim]!; i++) {
      if (i === elided) items.push(dim === shown.length - 1 ? " ..." : "...");
      items.push(dim === shown.length - 1 ? cells[next++]! : level(dim + 1, indent + 1));
    }
    if (dim === shown.length - 1) return `[${wrap(items, indent, lineWidth)}]`;
    const gap = ",".padEnd(shown.length - dim, "\n") + " ".repeat(indent + 1);
    return `[${items.join(gap)}]`;
  };
  return level(0, "tensor(".length);
}

function wrap(items: readonly string[], indent: number, lineWidth: number): string {
  const perLine = Math.max(1, Math.floor((lineWidth - indent) / ((items[0]?.length ?? 1) + 2)));
  const lines: string[] = [];
  for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
  return lines.join(`,\n${" ".repeat(indent + 1)}`);
}
