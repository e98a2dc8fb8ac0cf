/** Choosing by a condition, casts from every dtype to every other, and copies. */
import { clone, contiguous, maskedFill, where } from "../../../../core/mod.ts";
import { map } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import { choose } from "../../oracle/elementwise.ts";
import { layoutsFor, SHAPES } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";

function whereCases(shape: readonly number[]): SuiteCase[] {
  return layoutsFor(shape).flatMap((layout): SuiteCase[] => [{
    name: `where/[${shape}] ${layout.name}`,
    run: (c) => {
      const condition = c.operand(shape, { dtype: "bool", layout });
      const [a, b] = [c.operand(shape, { layout }), c.operand([shape.at(-1) ?? 1].slice(0, shape.length))];
      const want = choose(condition.dense, a.dense, b.dense);
      return { got: where(condition.tensor, a.tensor, b.tensor), want, dtype: "f32" };
    },
  }, {
    name: `maskedFill/[${shape}] ${layout.name}`,
    run: (c) => {
      const [x, mask] = [c.operand(shape, { layout }), c.operand(shape, { dtype: "bool", layout })];
      const want = choose(mask.dense, map(x.dense, () => 0.25), x.dense);
      return { got: maskedFill(x.tensor, mask.tensor, 0.25), want, dtype: "f32" };
    },
  }]);
}

/** The plain dtypes. */
export const PLAIN_DTYPES: readonly PlainDType[] = ["f32", "f16", "bf16", "f64", "i32", "u8", "bool"];

/** What a cast makes of a number that the target's range holds: to ints it truncates toward zero. */
export function castTo(dtype: PlainDType, x: number): number {
  return dtype === "i32" || dtype === "u8" ? Math.trunc(x) : roundTo(dtype, x);
}

function castCases(from: PlainDType, to: PlainDType): SuiteCase[] {
  return layoutsFor([3, 5]).map((layout) => ({
    name: `cast/${from} to ${to} ${layout.name}`,
    needs: [from, to],
    run: (c) => {
      const x = c.operand([3, 5], { dtype: from, layout, low: to === "u8" ? 0 : -9, high: 9 });
      return {
        got: x.tensor.to(to),
        want: map(x.dense, (v) => castTo(to, v)),
        dtype: to,
        tolerance: { rtol: 0, atol: 0 },
      };
    },
  }));
}

function copyCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  return layoutsFor(shape).map((layout) => ({
    name: `copy/${dtype} [${shape}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const x = c.operand(shape, { dtype, layout });
      const check = { want: x.dense, dtype, tolerance: { rtol: 0, atol: 0 } };
      return [{ got: clone(x.tensor), ...check }, { got: contiguous(x.tensor), ...check }];
    },
  }));
}

/** Cases of choosing, casting and copying. */
export const CHOOSE_CAST_CASES: readonly SuiteCase[] = [
  ...SHAPES.flatMap(whereCases),
  ...PLAIN_DTYPES.flatMap((from) => PLAIN_DTYPES.flatMap((to) => castCases(from, to))),
  ...SHAPES.flatMap((shape) => copyCases(shape, "f32")),
  ...PLAIN_DTYPES.flatMap((dtype) => copyCases([2, 3, 5], dtype)),
];
