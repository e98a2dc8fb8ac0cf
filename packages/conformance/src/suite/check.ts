/** A result beside what the oracle says, and whether it is near enough. Tolerances are those of the project's numbers. */
import type { DType, Tensor } from "../../../core/mod.ts";
import { EXACT, mismatch, normalizedError, type Tolerance } from "../compare.ts";
import type { Dense } from "../oracle/dense.ts";

/** What a case gives. */
export interface Check {
  /** What of the case it is, for messages. */
  readonly what?: string;
  /** The backend's result. */
  readonly got: Tensor;
  /** The oracle's. */
  readonly want: Dense;
  /** The dtype it must have; any when left out. */
  readonly dtype?: DType;
  /** Limits for each element; by dtype when left out. */
  readonly tolerance?: Tolerance;
  /** For contractions: the limit of `sum((got - want)^2) / sum(want^2)`, instead of limits for each element. */
  readonly normalizedLimit?: number;
}

/** Elementwise and row-wise results may be off by this: 2e-5 and 1e-5 in f32, a last place in what stores fewer bits. */
const TOLERANCES: Readonly<Record<string, Tolerance>> = {
  f64: { rtol: 1e-10, atol: 1e-12 },
  f32: { rtol: 2e-5, atol: 1e-5 },
  f16: { rtol: 1e-3, atol: 1e-5 },
  bf16: { rtol: 8e-3, atol: 1e-5 },
};

/** The tolerance of elementwise and row-wise results in a dtype; exact for ints and bools. */
export function toleranceOf(dtype: DType): Tolerance {
  return TOLERANCES[dtype] ?? EXACT;
}

/** Limits of the normalised error of contractions, by the dtype of what is stored. */
export const CONTRACTION_LIMITS: Readonly<Record<"f32" | "f64" | "half", number>> = {
  f32: 1e-10,
  f64: 1e-20,
  half: 1e-5,
};

/** What is wrong with a result, or undefined. */
export async function verify({ what, got, want, ...limits }: Check): Promise<string | undefined> {
  const problem = await findProblem(got, want, limits);
  return problem === undefined || what === undefined ? problem : `${what}: ${problem}`;
}

async function findProblem(
  got: Tensor,
  want: Dense,
  { dtype = got.dtype, tolerance = toleranceOf(dtype), normalizedLimit }: Omit<Check, "what" | "got" | "want">,
): Promise<string | undefined> {
  if (got.shape.join() !== want.shape.join()) return `got shape [${got.shape}], want [${want.shape}]`;
  if (got.dtype !== dtype) return `got ${got.dtype}, want ${dtype}`;
  const values = await got.data();
  if (normalizedLimit === undefined) return mismatch(values, want.data, want.shape, tolerance);
  const error = normalizedError(values, want.data);
  if (error < normalizedLimit) return undefined;
  return `normalised error ${error}, limit ${normalizedLimit}; worst ${mismatch(values, want.data, want.shape, EXACT)}`;
}
