/**
 * What a backend must get right: golden vectors from independent implementations, and a suite that runs every op over a table
 * of layouts against loops of its own. Neither knows a backend or a test framework; tests and pages are thin adapters.
 *
 * @module
 */
export type { CaseResult, RunSummary } from "./src/result.ts";
export type { Capability } from "./src/capability.ts";
export { groupNames, type VectorReader } from "./src/golden/reader.ts";
export { type GoldenOptions, runGolden } from "./src/golden/run_golden.ts";
export { poisoned } from "./src/suite/poisoned.ts";
export { runSuite, type SuiteOptions } from "./src/suite/run_suite.ts";
