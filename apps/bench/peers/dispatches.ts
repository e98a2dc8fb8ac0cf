/**
 * The adds of work.ts by bare WebGPU: one pipeline, two bind groups that go to and fro, 64 dispatches a submission as Heed has
 * it, and the result read back. What a library takes beyond this is its own.
 */
import type { Peer, Way } from "./peer.ts";
import { addsInputs, type AddsWork, type Work } from "./work.ts";

const SHADER = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64) fn add(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&out)) { out[id.x] = x[id.x] + y[id.x]; }
}`;

/** Heed's MAX_BATCHED_DISPATCHES. */
const BATCH = 64;

function bufferOf(device: GPUDevice, values: Float32Array<ArrayBuffer>): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: values.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

function way(device: GPUDevice, work: AddsWork): Way {
  const { numel, count } = work;
  const { x, y } = addsInputs(work);
  const module = device.createShaderModule({ code: SHADER });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "add" } });
  const [first, added, ...others] = [x, y, x, x].map((values) => bufferOf(device, values)) as [
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
  ]; // as many as there were
  const staging = device.createBuffer({ size: 4 * numel, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const group = (from: GPUBuffer, to: GPUBuffer): GPUBindGroup =>
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [from, added, to].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
  const [one, two] = others as [GPUBuffer, GPUBuffer]; // the last two of four
  const groups = [group(first, one), group(one, two), group(two, one)] as const;
  const submit = (from: number): void => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    for (let i = from; i < Math.min(from + BATCH, count); i++) {
      pass.setBindGroup(0, i === 0 ? groups[0] : groups[i % 2 === 1 ? 1 : 2]);
      pass.dispatchWorkgroups(Math.ceil(numel / 64));
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  };
  const result = async (): Promise<Float32Array> => {
    for (let from = 0; from < count; from += BATCH) submit(from);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(count % 2 === 1 ? one : two, 0, staging, 0, 4 * numel);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    return values;
  };
  const free = (): void => [first, added, one, two, staging].forEach((buffer) => buffer.destroy());
  return { name: "dispatches", run: async () => void await result(), result, free };
}

/** Starts WebGPU on the adapter that is there. */
export async function start(): Promise<Peer> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("there is no WebGPU adapter");
  const device = await adapter.requestDevice();
  const { vendor, architecture, description } = adapter.info;
  return {
    summary: `WebGPU adapter: ${[vendor, architecture, description].filter((it) => it !== "").join(", ")}`,
    ways: (work: Work): Promise<Way[]> => Promise.resolve(work.kind === "adds" ? [way(device, work)] : []),
  };
}
