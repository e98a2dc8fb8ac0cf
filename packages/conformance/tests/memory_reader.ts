/** A folder of vectors in memory: groups made of cases and tensors, as a reader gives them. */
import { writeSafetensors } from "../../formats/mod.ts";
import type { VectorReader } from "../mod.ts";
import { encode, type PlainDType } from "../src/oracle/elements.ts";

/** A tensor for a test. */
export interface TestTensor {
  readonly dtype?: PlainDType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A group for a test. */
export interface TestGroup {
  readonly cases: readonly unknown[];
  readonly tensors: Readonly<Record<string, TestTensor>>;
}

/** A reader of the groups given. */
export function memoryReader(groups: Readonly<Record<string, TestGroup>>): VectorReader {
  return {
    json: (path) => {
      const group = groups[path.replace(".json", "")];
      return group === undefined
        ? Promise.reject(new Error(`${path} is not there`))
        : Promise.resolve({ cases: group.cases });
    },
    bytes: async (path) => {
      const { tensors } = groups[path.replace(".safetensors", "")]!;
      const data = Object.entries(tensors).map(([name, { dtype = "f32", shape, values }]) =>
        [name, { dtype, shape, bytes: encode(dtype, values) }] as const
      );
      return new Uint8Array(await new Response(writeSafetensors(new Map(data))).arrayBuffer());
    },
  };
}
