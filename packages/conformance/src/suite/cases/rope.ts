/** Rotary embedding: both pairings, both directions, part of the head, angles for all rows or for each, in all layouts. */
import * as core from "../../../../core/mod.ts";
import type { RopeOptions } from "../../../../core/mod.ts";
import { map } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import { rope } from "../../oracle/rows.ts";
import { layoutsFor } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";

/** `x [B,H,T,D]`; the angles' last dim is half of what rotates. */
const SHAPES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[2, 3, 5, 8], [5, 4]],
  [[2, 3, 5, 8], [2, 5, 4]],
  [[2, 3, 5, 8], [1, 5, 2]],
  [[1, 1, 1, 2], [1, 1]],
  [[2, 3, 0, 8], [0, 4]],
];

/** Both pairings, and the first one backwards. */
const WAYS: readonly RopeOptions[] = [{}, { interleaved: true }, { inverse: true }];

function casesOf(shape: readonly number[], angles: readonly number[], dtype: PlainDType): SuiteCase[] {
  return layoutsFor(shape).flatMap((layout) =>
    WAYS.map((way): SuiteCase => ({
      name: `rope/${dtype} [${shape}] by [${angles}] ${
        Object.keys(way).map((key) => `${key} `).join("")
      }${layout.name}`,
      needs: [dtype],
      run: (c) => {
        const [x, cos, sin] = [c.operand(shape, { dtype, layout }), c.operand(angles), c.operand(angles)];
        const turned = way.inverse ? map(sin.dense, (v) => -v) : sin.dense;
        const want = map(rope(x.dense, cos.dense, turned, way.interleaved ?? false), (v) => roundTo(dtype, v));
        return { got: core.applyRope(x.tensor, cos.tensor, sin.tensor, way), want, dtype };
      },
    }))
  );
}

/** Cases of rotary embedding. */
export const ROPE_CASES: readonly SuiteCase[] = [
  ...SHAPES.flatMap(([shape, angles]) => casesOf(shape, angles, "f32")),
  ...(["f16", "bf16"] as const).flatMap((dtype) => casesOf([1, 2, 3, 4], [3, 2], dtype)),
];
