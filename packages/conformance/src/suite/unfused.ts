/** A backend without its fused kernels, so that the compositions that define them run: these are held to the same oracle. */
import type { Backend, FusedKernels, Kernels } from "../../../core/mod.ts";
import type { SuiteCase } from "./suite_case.ts";
import { SuiteContext } from "./suite_context.ts";

const FUSED: ReadonlySet<string> = new Set<keyof FusedKernels<unknown>>([
  "softmax",
  "rmsNorm",
  "rope",
  "siluMul",
  "attention",
]);

/** The backend with primitives alone; it must be a plain object, as a poisoned one is. */
export function unfused(backend: Backend): Backend {
  const primitives = Object.entries(backend.kernels).filter(([name]) => !FUSED.has(name));
  const kernels = Object.fromEntries(primitives) as Kernels; // fromEntries forgets the names; only optional ones are left out
  return { ...backend, kernels };
}

/** The same cases, through compositions. */
export function withoutFused(cases: readonly SuiteCase[]): SuiteCase[] {
  return cases.map((it) => ({
    ...it,
    name: `${it.name}, composed`,
    run: ({ backend }) => it.run(new SuiteContext(unfused(backend), it.name)),
  }));
}
