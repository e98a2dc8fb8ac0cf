/** Layouts as values: strides, reach, which views need no copy, and how dims merge. */
import { assertEquals } from "@std/assert";
import { Layout } from "../mod.ts";
import { collapse, contiguousStrides, viewStrides } from "../src/layout.ts";

Deno.test("row-major strides count a size of 0 as 1", () => {
  assertEquals(contiguousStrides([]), []);
  assertEquals(contiguousStrides([2, 3, 4]), [12, 4, 1]);
  assertEquals(contiguousStrides([2, 0, 4]), [4, 4, 1]);
});

Deno.test("contiguous: strides of size-1 dims do not matter, nor do any without elements", () => {
  assertEquals(new Layout([2, 1, 3], [3, 99, 1], 5).isContiguous, true);
  assertEquals(new Layout([0, 3], [7, 7], 0).isContiguous, true);
  assertEquals(new Layout([2, 3], [1, 2], 0).isContiguous, false);
  assertEquals(new Layout([2, 3], [0, 1], 0).isContiguous, false);
  assertEquals(new Layout([2, 3], [4, 1], 0).isContiguous, false);
});

Deno.test("end is one past the last element reached", () => {
  assertEquals(Layout.contiguous([2, 3]).end, 6);
  assertEquals(Layout.contiguous([]).end, 1);
  assertEquals(new Layout([2, 3], [10, 2], 5).end, 20);
  assertEquals(new Layout([4, 3], [0, 1], 2).end, 5);
  assertEquals(new Layout([0, 3], [3, 1], 7).end, 0);
});

Deno.test("blocks are kept by layouts that step over whole ones, beside one dim along them", () => {
  const kept = (shape: number[], strides: number[], offset = 0) => new Layout(shape, strides, offset).keepsBlocks(32);
  assertEquals(new Layout([2, 3], [1, 7], 5).keepsBlocks(1), true);
  const whole = [kept([2, 64], [64, 1], 32), kept([64, 2], [1, 64]), kept([3, 64], [0, 1]), kept([1, 64], [5, 1])];
  assertEquals(whole, [true, true, true, true]);
  assertEquals(kept([0, 5], [7, 1], 3), true); // no elements
  assertEquals([kept([2, 48], [64, 1]), kept([48, 2], [1, 64])], [false, false]);
  assertEquals(kept([2, 64], [64, 1], 16), false);
  assertEquals([kept([3, 32], [16, 1]), kept([32], [2])], [false, false]);
  assertEquals([kept([2], [64]), kept([1, 1], [64, 1]), kept([], [])], [false, false, false]); // an element of a block
  assertEquals(kept([32, 32], [1, 1]), false); // blocks from every place on
});

interface ViewCase {
  readonly name: string;
  readonly from: readonly [shape: number[], strides: number[]];
  readonly to: number[];
  readonly strides: number[] | undefined;
}

const VIEWS: readonly ViewCase[] = [
  { name: "contiguous, anything", from: [[2, 6], [6, 1]], to: [3, 4], strides: [4, 1] },
  { name: "contiguous, to a flat list", from: [[2, 6], [6, 1]], to: [12], strides: [1] },
  { name: "no elements", from: [[0, 6], [1, 9]], to: [3, 0, 2], strides: [2, 2, 1] },
  { name: "one element to no dims", from: [[1, 1], [5, 5]], to: [], strides: [] },
  { name: "transposed, kept apart", from: [[6, 2], [1, 6]], to: [2, 3, 2], strides: [3, 1, 6] },
  { name: "transposed, merged", from: [[6, 2], [1, 6]], to: [12], strides: undefined },
  { name: "transposed, cut across", from: [[6, 2], [1, 6]], to: [4, 3], strides: undefined },
  { name: "columns of a wider matrix", from: [[4, 3], [8, 1]], to: [2, 2, 3], strides: [16, 8, 1] },
  { name: "columns of a wider matrix, merged", from: [[4, 3], [8, 1]], to: [12], strides: undefined },
  { name: "every second element", from: [[6], [2]], to: [2, 3], strides: [6, 2] },
  { name: "every second element, merged", from: [[2, 3], [6, 2]], to: [6], strides: [2] },
  { name: "a 1 put in at the end", from: [[4, 3], [1, 4]], to: [4, 3, 1], strides: [1, 4, 4] },
  { name: "a 1 taken out", from: [[4, 1, 3], [8, 5, 1]], to: [4, 3], strides: [8, 1] },
  { name: "expanded, split", from: [[4, 3], [0, 1]], to: [2, 2, 3], strides: [0, 0, 1] },
  { name: "expanded, merged", from: [[4, 3], [0, 1]], to: [12], strides: undefined },
  { name: "an expanded scalar, merged", from: [[4, 3], [0, 0]], to: [12], strides: [0] },
];

for (const { name, from: [shape, strides], to, strides: wanted } of VIEWS) {
  Deno.test(`viewStrides: ${name}`, () => {
    const found = viewStrides(new Layout(shape, strides, 0), to);
    assertEquals(found === undefined, wanted === undefined);
    // the stride of a size-1 dim is never stepped, so any will do
    if (found !== undefined) assertEquals(used(to, found), used(to, wanted!));
  });
}

function used(shape: readonly number[], strides: readonly number[]): (number | undefined)[] {
  return strides.map((stride, i) => shape[i] === 1 ? undefined : stride);
}

Deno.test("collapse merges what steps evenly in every operand, and drops dims of size 1", () => {
  const plain = Layout.contiguous([2, 1, 3, 4]);
  const [merged] = collapse([plain]);
  assertEquals([merged!.shape, merged!.strides], [[24], [1]]);

  const row = new Layout([2, 1, 3, 4], [0, 0, 4, 1], 7); // broadcast over the first dim
  const [a, b] = collapse([plain, row]);
  assertEquals([a!.shape, a!.strides], [[2, 12], [12, 1]]);
  assertEquals([b!.shape, b!.strides, b!.offset], [[2, 12], [0, 1], 7]);
});
