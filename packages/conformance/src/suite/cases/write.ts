/** Writing through views: the view's elements change, what lies around them in the base stays, and every other view sees it. */
import { arange, copy_, fill_, full } from "../../../../core/mod.ts";
import { type Dense, generate, indices, position } from "../../oracle/dense.ts";
import type { PlainDType } from "../../oracle/elements.ts";
import { type LayoutCase, layoutsFor } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";
import { castTo, PLAIN_DTYPES } from "./choose_cast.ts";

/** The base with the elements of a view replaced. */
function written(base: Dense, layout: LayoutCase, shape: readonly number[], value: (i: number) => number): Dense {
  const data = base.data.slice();
  let i = 0;
  for (const index of indices(shape)) data[position(base.shape, layout.place(index))] = value(i++);
  return { shape: base.shape, data };
}

function writeCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  const layouts = layoutsFor(shape).filter(({ name }) => name !== "stride 0"); // such a view cannot be written to
  return layouts.flatMap((layout): SuiteCase[] => [{
    name: `write/copy_ ${dtype} [${shape}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const base = c.operand(layout.base(shape), { dtype });
      const source = c.operand(shape, { low: 0 });
      copy_(layout.view(base.tensor, shape), source.tensor);
      const want = written(base.dense, layout, shape, (i) => castTo(dtype, source.dense.data[i]!));
      return { got: base.tensor, want, dtype };
    },
  }, {
    name: `write/fill_ ${dtype} [${shape}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const base = c.operand(layout.base(shape), { dtype });
      fill_(layout.view(base.tensor, shape), 1);
      return { got: base.tensor, want: written(base.dense, layout, shape, () => 1), dtype };
    },
  }]);
}

const BROADCAST: SuiteCase = {
  name: "write/copy_ broadcasts",
  run: (c) => {
    const [target, row] = [c.operand([3, 5]), c.operand([5])];
    copy_(target.tensor, row.tensor);
    return { got: target.tensor, want: generate([3, 5], ([, j]) => row.dense.data[j!]!) };
  },
};

/** Source and target share a storage. */
const OVERLAP: SuiteCase = {
  name: "write/copy_ onto itself, shifted",
  run: (c) => {
    const x = c.operand([7]);
    copy_(x.tensor.narrow(0, 1, 6), x.tensor.narrow(0, 0, 6));
    return { got: x.tensor, want: generate([7], ([i]) => x.dense.data[Math.max(0, i! - 1)]!) };
  },
};

function fullCase(dtype: PlainDType): SuiteCase {
  return {
    name: `write/full ${dtype}`,
    needs: [dtype],
    run: ({ backend }) => [
      { got: full([3, 5], 1, { dtype, backend }), want: generate([3, 5], () => 1), dtype },
      { got: full([], 1, { dtype, backend }), want: generate([], () => 1), dtype },
      { got: full([0, 5], 1, { dtype, backend }), want: generate([0, 5], () => 1), dtype },
    ],
  };
}

const ARANGE: SuiteCase = {
  name: "write/arange",
  run: ({ backend }) => [
    { got: arange(3, 20, 2, { backend }), want: generate([9], ([i]) => 3 + 2 * i!), dtype: "i32" },
    { got: arange(0, 1, 0.125, { backend }), want: generate([8], ([i]) => i! / 8), dtype: "f32" },
    { got: arange(5, -5, -3, { backend }), want: generate([4], ([i]) => 5 - 3 * i!), dtype: "i32" },
  ],
};

/** Cases of writing. */
export const WRITE_CASES: readonly SuiteCase[] = [
  ...[[7], [3, 5], [2, 3, 5], [0, 3]].flatMap((shape) => writeCases(shape, "f32")),
  ...PLAIN_DTYPES.flatMap((dtype) => writeCases([3, 5], dtype).map((it) => ({ ...it, name: `${it.name}, cast` }))),
  BROADCAST,
  OVERLAP,
  ...PLAIN_DTYPES.map(fullCase),
  ARANGE,
];
