/**
 * Runs golden vectors on a backend: a group at a time is read, its ops mapped onto the public API, its cases compared. Those
 * run that this version covers, or those asked for by group or filter: of other groups, what has no mapping is skipped and
 * says so.
 */
import type { Backend } from "../../../core/mod.ts";
import { type CaseResult, describeError, type RunSummary, Tally } from "../result.ts";
import { COVERED_GROUPS, findMapping } from "./groups/mod.ts";
import type { GoldenCase } from "./manifest.ts";
import { groupNames, type VectorReader } from "./reader.ts";
import { runCase } from "./run_case.ts";
import { loadGroup, type VectorGroup } from "./vector_group.ts";

/** Settings of {@linkcode runGolden}. */
export interface GoldenOptions {
  /** The backend to run on. */
  readonly backend: Backend;
  /** Where the vectors are. */
  readonly reader: VectorReader;
  /** The groups to run, also ones that this version knows nothing of; those it covers when left out, and with a filter all that the reader lists. */
  readonly groups?: readonly string[];
  /** Run only cases whose `group/case` holds this text. */
  readonly filter?: string;
  /** Called with each result as it comes. */
  readonly onResult?: (result: CaseResult) => void;
}

/**
 * Runs golden vectors.
 *
 * @returns how many cases passed, failed and were skipped
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { runGolden } from "@heed/heed/conformance";
 *
 * const reader = { json: () => Promise.reject(new Error("gone")), bytes: () => Promise.reject(new Error("gone")) };
 * const summary = await runGolden({ backend: createScalarBackend(), reader, groups: ["matmul"] });
 * assertEquals(summary, { passed: 0, failed: 1, skipped: 0 }); // a group that cannot be read has failed
 * ```
 */
export async function runGolden(options: GoldenOptions): Promise<RunSummary> {
  const tally = new Tally(options.onResult);
  const { reader, filter = "" } = options;
  for (const name of await groupsOf(options)) {
    let group: VectorGroup;
    try {
      group = await loadGroup(reader, name, (golden) => `${name}/${golden.name}`.includes(filter));
    } catch (error) {
      tally.add({ name, status: "failed", message: `cannot be read: ${describeError(error)}` });
      continue;
    }
    for (const golden of group.cases) tally.add(await runOne(group, golden, options.backend));
  }
  return tally.summary();
}

/** A filter may ask for any case of the folder, where it can be listed. */
async function groupsOf({ groups, filter, reader }: GoldenOptions): Promise<readonly string[]> {
  if (groups !== undefined) return groups;
  return filter === undefined || reader.list === undefined ? COVERED_GROUPS : groupNames(await reader.list());
}

/** The result of one case: in a covered group every op has a mapping, elsewhere one without is skipped. */
async function runOne(group: VectorGroup, golden: GoldenCase, backend: Backend): Promise<CaseResult> {
  const mapping = findMapping(group.name, golden.op);
  if (mapping !== undefined) return await runCase(backend, group, golden, mapping);
  const status = COVERED_GROUPS.includes(group.name) ? "failed" : "skipped";
  return { name: `${group.name}/${golden.name}`, status, message: `no mapping for op ${golden.op}` };
}
