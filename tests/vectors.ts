/** The golden vectors of whole models, for the tests of the whole: their folder, their groups, and logits to compare with them. */
import { assertEquals } from "@std/assert";
import { mismatch, type Tolerance } from "../packages/conformance/src/compare.ts";
import type { GoldenCase } from "../packages/conformance/src/golden/manifest.ts";
import { loadGroup, type StoredTensor, type VectorGroup } from "../packages/conformance/src/golden/vector_group.ts";
import { type KvCache, type LlamaForCausalLM, tensor } from "../packages/heed/mod.ts";
import { ROOT } from "../scripts/files.ts";

/** The folder of the vectors. */
export const VECTORS = `${ROOT}packages/conformance/vectors`;

/** A group of the folder, or those of its cases that are wanted. */
export async function readGroup(name: string, wants?: (golden: GoldenCase) => boolean): Promise<VectorGroup> {
  const reader = {
    json: async (path: string): Promise<unknown> => JSON.parse(await Deno.readTextFile(`${VECTORS}/${path}`)),
    bytes: (path: string): Promise<Uint8Array> => Deno.readFile(`${VECTORS}/${path}`),
  };
  return await loadGroup(reader, name, wants);
}

/** An input or an output of a case that is one tensor. */
export function stored(group: VectorGroup, golden: GoldenCase, name: string): StoredTensor {
  const key = golden.inputs[name] ?? golden.outputs?.[name];
  const found = typeof key === "string" ? group.tensors.get(key) : undefined;
  if (found === undefined) throw new Error(`${golden.name} has no tensor ${name}`);
  return found;
}

/** A tensor's rows, as arrays of numbers. */
export function rowsOf({ shape, values }: StoredTensor): number[][] {
  const width = shape.at(-1)!;
  return Array.from({ length: values.length / width }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
}

/** The logits of some ids, `[T * V]`. */
export async function logitsOf(
  model: LlamaForCausalLM,
  ids: readonly number[],
  cache?: KvCache,
): Promise<Float32Array> {
  using input = tensor(Int32Array.from(ids), { shape: [1, ids.length], backend: model.lm_head.weight.backend });
  using logits = model.forward(input, { cache });
  return Float32Array.from(await logits.data());
}

/** Fails with the worst element unless all are near enough. */
export function assertNear(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  assertEquals(mismatch(got, want, [want.length], tolerance), undefined, what);
}
