/** Picking, placing, joining and ordering, element by element. */
import { at, type Dense, generate, indices, position, withIndex } from "./dense.ts";

/** `out[i] = x[…, index[i], …]` with the index put in at `dim`. */
export function gather(x: Dense, dim: number, index: Dense): Dense {
  return generate(index.shape, (place) => at(x, withIndex(place, dim, at(index, place))));
}

/** Whole slices of x along a dim. */
export function indexSelect(x: Dense, dim: number, index: Dense): Dense {
  const shape = withIndex(x.shape, dim, index.data.length);
  return generate(shape, (place) => at(x, withIndex(place, dim, index.data[place[dim]!]!)));
}

/** x with the source's elements added, or put, where the index says; later ones win. */
export function scatter(x: Dense, dim: number, index: Dense, source: Dense, mode: "add" | "set"): Dense {
  const data = x.data.slice();
  for (const place of indices(index.shape)) {
    const target = position(x.shape, withIndex(place, dim, at(index, place)));
    data[target] = at(source, place) + (mode === "add" ? data[target]! : 0);
  }
  return { shape: x.shape, data };
}

/** One after another along a dim that exists. */
export function cat(parts: readonly Dense[], dim: number): Dense {
  const total = parts.reduce((n, part) => n + part.shape[dim]!, 0);
  return generate(withIndex(parts[0]!.shape, dim, total), (place) => {
    let rest = place[dim]!;
    const part = parts.find((candidate) => {
      if (rest < candidate.shape[dim]!) return true;
      rest -= candidate.shape[dim]!;
      return false;
    });
    return at(part!, withIndex(place, dim, rest));
  });
}

/** Side by side along a new dim. */
export function stack(parts: readonly Dense[], dim: number): Dense {
  const shape = [...parts[0]!.shape];
  shape.splice(dim, 0, parts.length);
  return generate(shape, (place) => at(parts[place[dim]!]!, place.filter((_, d) => d !== dim)));
}

/** Stable order along a dim, NaN the largest: the values, and where each was. */
export function sort(x: Dense, dim: number, descending: boolean): { values: Dense; places: Dense } {
  const order = new Map<string, number[]>();
  const orderOf = (place: readonly number[]): number[] => {
    const key = withIndex(place, dim, 0).join();
    const known = order.get(key);
    if (known !== undefined) return known;
    const row = Array.from({ length: x.shape[dim]! }, (_, i) => at(x, withIndex(place, dim, i)));
    const sign = descending ? -1 : 1;
    const sorted = row.map((_, i) => i).sort((i, j) => sign * compare(row[i]!, row[j]!) || i - j);
    order.set(key, sorted);
    return sorted;
  };
  const places = generate(x.shape, (place) => orderOf(place)[place[dim]!]!);
  return { places, values: gather(x, dim, places) };
}

function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : Number(a > b);
}
