/**
 * What a case may need that not every backend has. A backend says that it lacks `nonFinite` by `describe().details.nonFinite
 * === false`; dtypes it names by `hasDType`.
 */
import type { Backend, DType } from "../../core/mod.ts";

/** A dtype, or `nonFinite`: contractions keep NaN and infinities as IEEE 754 has it. */
export type Capability = "nonFinite" | DType;

/** The first capability that the backend lacks, or undefined when it has all. */
export function missingCapability(backend: Backend, needs: readonly Capability[]): Capability | undefined {
  return needs.find((need) =>
    need === "nonFinite" ? backend.describe().details["nonFinite"] === false : !backend.hasDType(need)
  );
}
