/** View operations as vectors write them, `["transpose", 0, 1]`, on the public API. Arguments that are null are left out. */
import type { Tensor } from "../../../core/mod.ts";

type Argument = number | number[] | undefined;
type Step = (x: Tensor, args: readonly Argument[]) => Tensor;

function one(args: readonly Argument[], i: number): number {
  const value = args[i];
  if (typeof value !== "number") throw new Error(`the vector's view lacks a number as argument ${i}`);
  return value;
}

function maybe(args: readonly Argument[], i: number): number | undefined {
  return args[i] === undefined ? undefined : one(args, i);
}

function many(args: readonly Argument[], i: number): number[] {
  const value = args[i];
  if (!Array.isArray(value)) throw new Error(`the vector's view lacks a list as argument ${i}`);
  return value;
}

/** Numbers given one by one, or as one list. */
function rest(args: readonly Argument[]): number[] {
  return Array.isArray(args[0]) ? args[0] : args.map((_, i) => one(args, i));
}

function oneOrMany(args: readonly Argument[], i: number): number | number[] {
  return Array.isArray(args[i]) ? many(args, i) : one(args, i);
}

function piece(pieces: readonly Tensor[], index: number): Tensor {
  const found = pieces.at(index);
  if (found === undefined) throw new Error(`the vector's view takes piece ${index} of ${pieces.length}`);
  return found;
}

const STEPS: Readonly<Record<string, Step>> = {
  view: (x, a) => x.view(rest(a)),
  reshape: (x, a) => x.reshape(rest(a)),
  permute: (x, a) => x.permute(rest(a)),
  transpose: (x, a) => x.transpose(one(a, 0), one(a, 1)),
  t: (x) => x.t(),
  movedim: (x, a) => x.movedim(one(a, 0), one(a, 1)),
  expand: (x, a) => x.expand(rest(a)),
  slice: (x, a) => x.slice(one(a, 0), maybe(a, 1) ?? null, maybe(a, 2) ?? null, maybe(a, 3) ?? 1),
  narrow: (x, a) => x.narrow(one(a, 0), one(a, 1), one(a, 2)),
  select: (x, a) => x.select(one(a, 0), one(a, 1)),
  unsqueeze: (x, a) => x.unsqueeze(one(a, 0)),
  squeeze: (x, a) => a.length === 0 ? x.squeeze() : x.squeeze(oneOrMany(a, 0)),
  flatten: (x, a) => x.flatten(maybe(a, 0) ?? 0, maybe(a, 1) ?? -1),
  unflatten: (x, a) => x.unflatten(one(a, 0), many(a, 1)),
  diagonal: (x, a) => x.diagonal(maybe(a, 0) ?? 0, maybe(a, 1) ?? 0, maybe(a, 2) ?? 1),
  unfold: (x, a) => x.unfold(one(a, 0), one(a, 1), one(a, 2)),
  split: (x, a) => piece(x.split(oneOrMany(a, 0), one(a, 1)), one(a, 2)),
  chunk: (x, a) => piece(x.chunk(one(a, 0), one(a, 1)), one(a, 2)),
  as_strided: (x, a) => x.asStrided(many(a, 0), many(a, 1), maybe(a, 2) ?? x.offset),
  repeat: (x, a) => x.repeat(rest(a)),
  repeat_interleave: (x, a) => x.repeatInterleave(one(a, 0), one(a, 1)),
  contiguous: (x) => x.contiguous(),
};

function parseArgument(value: unknown): Argument {
  if (value === null) return undefined;
  if (typeof value === "number") return value;
  if (Array.isArray(value) && value.every((item) => typeof item === "number")) return value;
  throw new Error(`the vector's view has an argument ${JSON.stringify(value)}`);
}

/**
 * Applies a chain of views.
 *
 * @param chain as in `attrs.chain`: a list of `[name, ...arguments]`; nothing when undefined
 */
export function applyViews(x: Tensor, chain: unknown): Tensor {
  if (chain === undefined) return x;
  if (!Array.isArray(chain)) throw new Error(`the vector's views should be a list, found ${JSON.stringify(chain)}`);
  let out = x;
  for (const entry of chain) {
    if (!Array.isArray(entry)) throw new Error(`the vector's view should be a list, found ${JSON.stringify(entry)}`);
    const [name, ...args] = entry;
    const step = typeof name === "string" && Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
    if (step === undefined) throw new Error(`no mapping for view ${JSON.stringify(name)}`);
    out = step(out, args.map(parseArgument));
  }
  return out;
}
