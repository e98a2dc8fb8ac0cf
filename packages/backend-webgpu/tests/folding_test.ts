/**
 * Which kernels fold by subgroups. Shaders are only written here, for the software adapter has no subgroups: the conformance
 * suite in Chromium, whose adapter has them, runs them.
 */
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { ReduceOp } from "../../core/src/backend.ts";
import { acquireDevice } from "../src/device.ts";
import { Gpu } from "../src/gpu.ts";
import { multiply } from "../src/kernels/matmul/matmul.ts";
import { reduce } from "../src/kernels/reduce/reduce.ts";
import { rmsNorm } from "../src/kernels/rms_norm/rms_norm.ts";
import { softmax } from "../src/kernels/softmax/softmax.ts";
import type { VariantName } from "../src/kernels/matmul/variants.ts";
import type { Shader } from "../src/shader.ts";
import { filled } from "./operands.ts";

/** The shaders that `record` asks for on a device that says it has these features; nothing is compiled. */
async function shadersOf(features: readonly string[], record: (gpu: Gpu) => void): Promise<string[]> {
  const acquired = await acquireDevice({ softwareAdapter: true, features: [] });
  const codes: string[] = [];
  const gpu = new Gpu({ ...acquired, features: new Set(features) });
  record(Object.assign(gpu, { run: (shader: Shader) => void codes.push(shader.code) }));
  acquired.device.destroy();
  return codes;
}

function operand(gpu: Gpu, shape: readonly [number, number] | readonly [number], transposed = false) {
  const [rows, columns = 1] = shape;
  const strides = shape.length === 1 ? [1] : transposed ? [1, rows] : [columns, 1];
  return filled(gpu, "f32", { shape, strides }, 1).operand;
}

function reduction(op: ReduceOp): (gpu: Gpu) => void {
  return (gpu) => reduce(gpu).run([operand(gpu, [3, 300])], [operand(gpu, [3])], { op, dims: 1 });
}

function product(variant: VariantName): (gpu: Gpu) => void {
  return (gpu) => multiply(gpu, operand(gpu, [1, 64]), operand(gpu, [64, 8], true), operand(gpu, [1, 8]), variant);
}

/** Kernels that fold by subgroups where there are some. */
const BY_SUBGROUPS: Readonly<Record<string, (gpu: Gpu) => void>> = {
  rmsNorm: (gpu) =>
    rmsNorm(gpu).run([operand(gpu, [3, 64]), operand(gpu, [64])], [operand(gpu, [3, 64])], { eps: 1e-5 }),
  softmax: (gpu) => softmax(gpu).run([operand(gpu, [3, 64])], [operand(gpu, [3, 64])], {}),
  sum: reduction("sum"),
  vector_32x1: product("vector_32x1"),
  vector_64x1: product("vector_64x1"),
};

/** Kernels that fold by a tree anyway. */
const BY_TREE: Readonly<Record<string, (gpu: Gpu) => void>> = {
  prod: reduction("prod"),
  argmax: reduction("argmax"),
  vector_16: product("vector_16"),
};

const ENABLED = /^enable subgroups;$/m;
const USED = /\bsubgroup[A-Z]\w*\(/;

for (const [name, record] of Object.entries({ ...BY_SUBGROUPS, ...BY_TREE })) {
  Deno.test(`${name} folds by subgroups only where it may`, async () => {
    for (const features of [["subgroups"], [], ["shader-f16"]]) {
      const codes = await shadersOf(features, record);
      assertEquals(codes.length, 1);
      const matches = features.includes("subgroups") && name in BY_SUBGROUPS ? assertMatch : assertNotMatch;
      matches(codes[0]!, ENABLED);
      matches(codes[0]!, USED);
    }
  });
}
