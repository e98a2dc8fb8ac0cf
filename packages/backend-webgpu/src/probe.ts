/**
 * Whether features that a device lists can be compiled: an engine's compiler may lag behind its list, and the driver's
 * behind both. A kernel of one line tells, once a device.
 */

/** A kernel for each feature that shaders enable. */
const KERNELS: Readonly<Record<string, string>> = {
  "shader-f16": "enable f16; @compute @workgroup_size(1) fn main() { data[0] = u32(f16(data[0])); }",
  subgroups: "enable subgroups; @compute @workgroup_size(32) fn main() { data[0] = subgroupAdd(data[0]); }",
};

const DATA = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;";

/** Those of the features that the device compiles, in their order; what no shader enables is believed. */
export async function compilable(device: GPUDevice, features: readonly string[]): Promise<string[]> {
  const compiles = await Promise.all(features.map((name) => {
    const kernel = KERNELS[name];
    return kernel === undefined || isCompiled(device, name, `${kernel}\n${DATA}`);
  }));
  return features.filter((_, i) => compiles[i]);
}

async function isCompiled(device: GPUDevice, name: string, code: string): Promise<boolean> {
  device.pushErrorScope("internal"); // what drivers refuse
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: `probe_${name}`, code });
  device.createComputePipeline({ label: `probe_${name}`, layout: "auto", compute: { module, entryPoint: "main" } });
  const answers = await Promise.all([device.popErrorScope(), device.popErrorScope()].map(unlessLost));
  return answers.every((error) => error === null);
}

/** A lost device has no answer; its loss is told of elsewhere. */
function unlessLost(answer: Promise<GPUError | null>): Promise<GPUError | null> {
  return answer.catch(() => null);
}
