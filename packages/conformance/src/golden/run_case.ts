/**
 * One case: its inputs on the backend, each way to its results, what they must be, and nothing left behind. Whatever goes wrong
 * becomes the result's message.
 */
import { type Backend, BackendError, DTypeError, gradients, ShapeError, type Tensor, tidy } from "../../../core/mod.ts";
import { type Capability, missingCapability } from "../capability.ts";
import { type CaseResult, describeError } from "../result.ts";
import {
  type AsyncGoldenOp,
  Call,
  flattenKeys,
  type GoldenOp,
  type Mapping,
  type Results,
  storedTensor,
} from "./call.ts";
import { checkTensor, checkView } from "./check.ts";
import type { GoldenCase } from "./manifest.ts";
import type { VectorGroup } from "./vector_group.ts";

/** Runs one case on a backend through the ways a mapping gives. */
export async function runCase(
  backend: Backend,
  group: VectorGroup,
  golden: GoldenCase,
  mapping: Mapping,
): Promise<CaseResult> {
  const name = `${group.name}/${golden.name}`;
  try {
    const missing = missingCapability(backend, needsOf(group, golden));
    if (missing !== undefined) return { name, status: "skipped", message: `needs ${missing}` };
    const ways: readonly (GoldenOp | AsyncGoldenOp)[] = Array.isArray(mapping) ? mapping : [mapping];
    for (const way of ways) {
      const problem = await tryWay(backend, group, golden, way);
      if (problem !== undefined) return { name, status: "failed", message: `${golden.op}: ${problem}` };
    }
    return { name, status: "passed" };
  } catch (error) {
    return { name, status: "failed", message: `${golden.op}: ${describeError(error)}` };
  }
}

/** The dtypes of its inputs, and nonFinite where any of its numbers is not finite. */
function needsOf(group: VectorGroup, golden: GoldenCase): Capability[] {
  const inputs = [...flattenKeys(golden.inputs).values()].map((key) => storedTensor(group, key));
  const outputs = [...flattenKeys(golden.outputs ?? {}).values()].map((key) => storedTensor(group, key));
  const finite = [...inputs, ...outputs].every(({ values }) => values.every((x) => Number.isFinite(x)));
  return [...inputs.map(({ dtype }) => dtype), ...(finite ? [] : ["nonFinite" as const])];
}

/** One way to the results; what is wrong with them, or with what is left alive, or undefined. */
async function tryWay(
  backend: Backend,
  group: VectorGroup,
  golden: GoldenCase,
  way: GoldenOp | AsyncGoldenOp,
): Promise<string | undefined> {
  const before = backend.memory.liveStorages;
  const problem = await runAndCheck(backend, group, golden, way);
  if (problem !== undefined) return problem;
  const left = backend.memory.liveStorages - before;
  return left <= 0 ? undefined : `it leaks: ${left} more storages alive than before`;
}

async function runAndCheck(
  backend: Backend,
  group: VectorGroup,
  golden: GoldenCase,
  way: GoldenOp | AsyncGoldenOp,
): Promise<string | undefined> {
  const wantsGrad = gradientsOf(golden);
  const call = new Call(backend, group, golden, new Set(wantsGrad.values()));
  let results: Results = {};
  try {
    results = typeof way === "function" ? tidy(() => withGradients(call, way, wantsGrad)) : await way.runAsync(call);
    return await checkResults(call, group, golden, results);
  } catch (error) {
    if (golden.error === undefined) return describeError(error);
    return isTyped(error) ? undefined : `threw none of the library's errors: ${describeError(error)}`;
  } finally {
    for (const tensor of Object.values(results).flat()) tensor.dispose();
    for (const leaf of call.leaves.values()) leaf.dispose();
  }
}

/** The three errors a caller may meet; "Internal:" marks a broken promise. */
function isTyped(error: unknown): boolean {
  const typed = error instanceof ShapeError || error instanceof DTypeError || error instanceof BackendError;
  return typed && !error.message.startsWith("Internal:");
}

/** The inputs whose gradients a case wants, by their names in `outputs.grads`: there a state dict's go without its name. */
function gradientsOf({ inputs, outputs }: GoldenCase): Map<string, string> {
  const given = flattenKeys(inputs);
  const wanted = flattenKeys({ grads: outputs?.["grads"] ?? {} }).keys();
  const names = Array.from(wanted, (name) => name.slice("grads.".length));
  return new Map(names.map((name) => [name, given.has(name) ? name : `state_dict.${name}`]));
}

/** The results, with `grads.<input>` where the case wants gradients. */
function withGradients(call: Call, op: GoldenOp, wantsGrad: ReadonlyMap<string, string>): Results {
  const results = op(call);
  if (wantsGrad.size === 0) return results;
  const loss = Object.values(results).flat()[0];
  if (loss === undefined) throw new Error("the mapping gave no result to go backward from");
  const names = [...wantsGrad.keys()];
  const gradient = call.leaves.get("grad_output");
  const grads = gradients(
    loss,
    Array.from(wantsGrad.values(), (name) => call.leaves.get(name)!),
    gradient === undefined ? {} : { gradient },
  );
  return { ...results, ...Object.fromEntries(names.map((name, i) => [`grads.${name}`, grads[i]!])) };
}

async function checkResults(
  call: Call,
  group: VectorGroup,
  golden: GoldenCase,
  results: Results,
): Promise<string | undefined> {
  const flat = flattenResults(results);
  if (golden.error !== undefined) {
    for (const tensor of flat.values()) await tensor.data(); // a device may throw only when read
    return `it should throw: ${golden.error}`;
  }
  if (golden.expect !== undefined) {
    const problem = checkView(flat.get("output")!, call.leaves.get("base")!, golden.expect);
    if (problem !== undefined) return problem;
  }
  return await checkOutputs(group, golden, flat);
}

async function checkOutputs(
  group: VectorGroup,
  golden: GoldenCase,
  results: ReadonlyMap<string, Tensor>,
): Promise<string | undefined> {
  const wanted = flattenKeys(golden.outputs ?? {});
  for (const [name, key] of wanted) {
    const got = results.get(name);
    if (got === undefined) return `there is no result ${name}`;
    const dtype = name === "output" ? golden.outDtype : undefined;
    const problem = await checkTensor(got, storedTensor(group, key), golden.tolerance, dtype);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  const extra = [...results.keys()].find((name) => !wanted.has(name));
  return extra === undefined ? undefined : `there is one result too many: ${extra}`;
}

function flattenResults(results: Results): Map<string, Tensor> {
  const flat = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(results)) {
    if (Array.isArray(value)) value.forEach((tensor: Tensor, i) => flat.set(`${name}.${i}`, tensor));
    else flat.set(name, value as Tensor); // not a list, so the other half of the union (isArray does not narrow readonly)
  }
  return flat;
}
