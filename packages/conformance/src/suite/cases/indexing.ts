/** Gathering, scattering (repeated indices included), joining and ordering. */
import * as core from "../../../../core/mod.ts";
import { generate, withIndex } from "../../oracle/dense.ts";
import type { PlainDType } from "../../oracle/elements.ts";
import * as oracle from "../../oracle/index.ts";
import { verify } from "../check.ts";
import { layoutsFor } from "../layouts.ts";
import type { AsyncSuiteCase, SuiteCase } from "../suite_case.ts";
import { type Operand, SuiteContext } from "../suite_context.ts";

/** Indices into a dim, of a shape. */
function indexOperand(c: SuiteContext, shape: readonly number[], size: number): Operand {
  const values = generate(shape, () => c.random.integer(0, size)).data;
  return c.operand(shape, { dtype: "i32", values });
}

function gatherCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  return layoutsFor(shape).flatMap((layout) =>
    shape.map((size, dim): SuiteCase => ({
      name: `gather/${dtype} [${shape}] along ${dim} ${layout.name}`,
      needs: [dtype],
      run: (c) => {
        const x = c.operand(shape, { dtype, layout });
        const index = indexOperand(c, withIndex(shape, dim, 4), size);
        const rows = indexOperand(c, [6], size);
        return [
          {
            what: "gather",
            got: core.gather(x.tensor, dim, index.tensor),
            want: oracle.gather(x.dense, dim, index.dense),
          },
          {
            what: "indexSelect",
            got: core.indexSelect(x.tensor, dim, rows.tensor),
            want: oracle.indexSelect(x.dense, dim, rows.dense),
            dtype,
          },
        ];
      },
    }))
  );
}

/** The index itself may lie in any way. */
function indexLayoutCases(): SuiteCase[] {
  return layoutsFor([4, 5]).map((layout) => ({
    name: `gather/index ${layout.name}`,
    run: (c) => {
      const x = c.operand([7, 5]);
      const index = c.operand([4, 5], { dtype: "i32", layout, low: 0, high: 0.7 });
      return { got: core.gather(x.tensor, 0, index.tensor), want: oracle.gather(x.dense, 0, index.dense) };
    },
  }));
}

const EMBEDDING: SuiteCase = {
  name: "gather/embedding",
  run: (c) => {
    const [weight, ids] = [c.operand([11, 3]), indexOperand(c, [2, 4], 11)];
    const rows = oracle.indexSelect(weight.dense, 0, { shape: [8], data: ids.dense.data });
    return { got: core.embedding(weight.tensor, ids.tensor), want: { shape: [2, 4, 3], data: rows.data } };
  },
};

function scatterCases(shape: readonly number[], mode: "add" | "set"): SuiteCase[] {
  const fn = mode === "add" ? core.scatterAdd : core.scatter;
  return layoutsFor(shape).flatMap((layout) =>
    shape.map((size, dim): SuiteCase => ({
      name: `scatter/${mode} [${shape}] along ${dim} ${layout.name}`,
      run: (c) => {
        const [x, source] = [c.operand(shape, { layout }), c.operand(shape, { layout })];
        const index = indexOperand(c, shape, size);
        const want = oracle.scatter(x.dense, dim, index.dense, source.dense, mode);
        return { got: fn(x.tensor, dim, index.tensor, source.tensor), want };
      },
    }))
  );
}

/** How many there are depends on the elements, so these wait for them. */
function searchCases(): AsyncSuiteCase[] {
  return layoutsFor([3, 5]).map((layout) => ({
    name: `search/${layout.name}`,
    runAsync: async (backend) => {
      const c = new SuiteContext(backend, `search ${layout.name}`);
      const { tensor, dense } = core.tidy(() => c.operand([3, 5], { dtype: "bool", layout }));
      using mask = tensor;
      const numbers = generate([3, 5], ([i, j]) => 5 * i! + j!);
      using x = c.tensorOf(numbers, "f32");
      using places = await core.nonzero(mask);
      using chosen = await core.maskedSelect(x, mask);
      const found = [...numbers.data].filter((i) => dense.data[i] !== 0);
      const want = {
        shape: [found.length, 2],
        data: Float64Array.from(found.flatMap((i) => [Math.floor(i / 5), i % 5])),
      };
      const checks = [
        { what: "nonzero", got: places, want, dtype: "i32" as const },
        { what: "maskedSelect", got: chosen, want: { shape: [found.length], data: Float64Array.from(found) } },
      ];
      for (const check of checks) {
        const problem = await verify(check);
        if (problem !== undefined) throw new Error(problem);
      }
    },
  }));
}

/** A call that goes by the index given, which is `[1]`, into `size` places; x is `[1, 3]`. */
interface Indexed {
  readonly size: number;
  readonly call: (x: core.Tensor, index: core.Tensor) => core.Tensor;
}

const INDEXED: Readonly<Record<string, Indexed>> = {
  gather: { size: 3, call: (x, index) => core.gather(x, 1, index.unsqueeze(0)) },
  indexSelect: { size: 3, call: (x, index) => core.indexSelect(x, 1, index) },
  embedding: { size: 1, call: (x, index) => core.embedding(x, index) },
  crossEntropy: { size: 3, call: (x, index) => core.crossEntropy(x, index) },
  scatter: { size: 3, call: (x, index) => core.scatter(x, 1, index.unsqueeze(0), x) },
  scatterAdd: { size: 3, call: (x, index) => core.scatterAdd(x, 1, index.unsqueeze(0), x) },
  indexAdd: { size: 3, call: (x, index) => core.indexAdd(x, 1, index, x.narrow(1, 0, 1)) },
};

/** An index out of range is told at once or when the result is read, with what was called. */
function outsideCases(): AsyncSuiteCase[] {
  return Object.entries(INDEXED).flatMap(([op, { size, call }]) =>
    [3, -1].map((outside): AsyncSuiteCase => ({
      name: `errors/${op} by the index ${outside} of ${size}`,
      runAsync: async (backend) => {
        using x = core.ones([1, 3], { backend });
        using index = core.tensor([outside], { backend, dtype: "i32" });
        let told = "nothing";
        try {
          using got = core.tidy(() => call(x, index));
          await got.data();
        } catch (error) {
          if (!(error instanceof core.ShapeError)) throw error;
          told = error.message;
        }
        const wanted = new RegExp(`^Cannot ${op} \\[.*: the index ${outside} .*out of range for size ${size}$`);
        if (!wanted.test(told)) throw new Error(`told ${told}`);
      },
    }))
  );
}

/** All into one place. */
const REPEATED_INDEX: SuiteCase = {
  name: "scatter/add 1000 elements into one",
  run: (c) => {
    const [x, source] = [c.operand([3]), c.operand([1000])];
    const index = c.operand([1000], { dtype: "i32", values: new Float64Array(1000).fill(1) });
    const want = oracle.scatter(x.dense, 0, index.dense, source.dense, "add");
    return { got: core.scatterAdd(x.tensor, 0, index.tensor, source.tensor), want };
  },
};

/** More places than some devices' loops have turns. */
const LONG_INDEX: SuiteCase = {
  name: "scatter/add 70000 elements in turns into two",
  run: (c) => {
    const n = 70_000;
    const x = c.operand([2], { dtype: "i32" });
    const source = c.operand([n], { dtype: "i32", values: new Float64Array(n).fill(1) });
    const index = c.operand([n], { dtype: "i32", values: Float64Array.from({ length: n }, (_, i) => i % 2) });
    const want = oracle.scatter(x.dense, 0, index.dense, source.dense, "add");
    return { got: core.scatterAdd(x.tensor, 0, index.tensor, source.tensor), want, dtype: "i32" };
  },
};

function sortCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  return layoutsFor(shape).flatMap((layout) =>
    shape.flatMap((size, dim) =>
      [false, true].map((descending): SuiteCase => ({
        name: `sort/${dtype} [${shape}] along ${dim} ${descending ? "descending " : ""}${layout.name}`,
        needs: [dtype],
        run: (c) => {
          const x = c.operand(shape, { dtype, layout, low: -0.5, high: 0.5 }); // few ints: equal ones keep their order
          const { values, indices } = core.sort(x.tensor, { dim, descending });
          const want = oracle.sort(x.dense, dim, descending);
          const k = Math.ceil(size / 2);
          const top = core.topk(x.tensor, k, { dim, largest: descending });
          const first = c.operand([k], { dtype: "i32", values: [...Array(k).keys()] }).dense;
          return [
            { what: "values", got: values, want: want.values, dtype },
            { what: "indices", got: indices, want: want.places, dtype: "i32" },
            { what: "argsort", got: core.argsort(x.tensor, { dim, descending }), want: want.places, dtype: "i32" },
            { what: "topk values", got: top.values, want: oracle.indexSelect(want.values, dim, first), dtype },
            { what: "topk indices", got: top.indices, want: oracle.indexSelect(want.places, dim, first), dtype: "i32" },
          ];
        },
      }))
    )
  );
}

function joinCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  return layoutsFor(shape).flatMap((layout) =>
    shape.map((_, dim): SuiteCase => ({
      name: `join/${dtype} [${shape}] along ${dim} ${layout.name}`,
      needs: [dtype],
      run: (c) => {
        const parts = [c.operand(shape, { dtype, layout }), c.operand(shape, { dtype, layout })];
        const longer = c.operand(withIndex(shape, dim, 3), { dtype });
        const [tensors, arrays] = [parts.map((p) => p.tensor), parts.map((p) => p.dense)];
        return [
          {
            what: "cat",
            got: core.cat([...tensors, longer.tensor], dim),
            want: oracle.cat([...arrays, longer.dense], dim),
            dtype,
          },
          { what: "stack", got: core.stack(tensors, dim), want: oracle.stack(arrays, dim), dtype },
        ];
      },
    }))
  );
}

const SHAPES: readonly (readonly number[])[] = [[7], [3, 5], [2, 3, 5]];

/** Cases of gathering, scattering, ordering and joining. */
export const INDEXING_CASES: readonly (SuiteCase | AsyncSuiteCase)[] = [
  ...SHAPES.flatMap((shape) => gatherCases(shape, "f32")),
  ...(["f16", "i32", "u8", "bool"] as const).flatMap((dtype) => gatherCases([3, 5], dtype)),
  ...indexLayoutCases(),
  EMBEDDING,
  ...SHAPES.flatMap((shape) => [...scatterCases(shape, "add"), ...scatterCases(shape, "set")]),
  REPEATED_INDEX,
  LONG_INDEX,
  ...searchCases(),
  ...outsideCases(),
  ...SHAPES.flatMap((shape) => [...sortCases(shape, "f32"), ...sortCases(shape, "i32")]),
  ...[...SHAPES, [2, 0, 3]].flatMap((shape) => joinCases(shape, "f32")),
  ...(["f16", "i32", "bool"] as const).flatMap((dtype) => joinCases([3, 5], dtype)),
];
