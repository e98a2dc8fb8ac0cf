/** A case of the suite: a name, what it needs of a backend, and a function that gives results beside what they should be. */
import type { Backend } from "../../../core/mod.ts";
import type { Capability } from "../capability.ts";
import type { Check } from "./check.ts";
import type { SuiteContext } from "./suite_context.ts";

/** One thing that a backend must get right. */
export interface SuiteCase {
  /** `group/what of it`. */
  readonly name: string;
  /** Capabilities without which it is skipped. */
  readonly needs?: readonly Capability[];
  /** Gives results to check, or throws what is wrong; what it makes on the way is disposed of. */
  readonly run: (context: SuiteContext) => Check | readonly Check[];
}

/** A case that has to wait for results; it disposes of what it makes, and throws what is wrong. */
export interface AsyncSuiteCase {
  /** As in {@linkcode SuiteCase}. */
  readonly name: string;
  /** As in {@linkcode SuiteCase}. */
  readonly needs?: readonly Capability[];
  /** Runs it. */
  readonly runAsync: (backend: Backend) => Promise<void>;
}
