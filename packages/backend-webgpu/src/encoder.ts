/**
 * Recorded work: one command encoder and one compute pass at a time, submitted when enough has gathered, when somebody
 * reads, before what is likely to fail (a compile, much memory), and when the device tells of an error. A batch has a
 * number; memory remembers which batch used it last, and a buffer which one wrote it last.
 */
import type { DeviceMemory } from "./buffer.ts";
import type { Faults } from "./faults.ts";
import type { Profiler } from "./profiler.ts";

/** Dispatches of a batch. Measured with 1024 trivial ones on llvmpipe: 1 a submit 103-136 ms, 8 36-50, 64 39-42. */
export const MAX_BATCHED_DISPATCHES = 64;

/** One dispatch, as messages and profiles tell of it. */
export interface Recorded {
  /** The kernel's label. */
  readonly label: string;
  /** Its operands in words; asked for only in a message. */
  readonly describe: () => string;
}

/** The work of one device that was not submitted yet. */
export class Encoder {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  /** The pass' pipeline: many dispatches in a row have the same. */
  #pipeline: GPUComputePipeline | undefined;
  #recorded: Recorded[] = [];
  /** The number of the batch that is being recorded. */
  batch = 1;
  /** Where times go while somebody profiles. */
  profiler: Profiler | undefined;

  /** Records for a device. */
  constructor(device: GPUDevice, faults: Faults) {
    this.#device = device;
    this.#faults = faults;
  }

  /** Dispatches recorded and not submitted. */
  get pending(): number {
    return this.#recorded.length;
  }

  /** Records a dispatch. */
  dispatch(
    what: Recorded,
    pipeline: GPUComputePipeline,
    group: GPUBindGroup,
    parametersOffset: number,
    [x, y, z]: readonly [number, number, number],
  ): void {
    this.#recorded.push(what);
    const pass = this.#passFor(what);
    if (pipeline !== this.#pipeline) pass.setPipeline(this.#pipeline = pipeline);
    pass.setBindGroup(0, group, [parametersOffset]);
    pass.dispatchWorkgroups(x, y, z);
    if (this.profiler !== undefined) this.#endPass();
  }

  /** Records a copy between buffers; bytes in whole words. */
  copy(from: DeviceMemory, fromBytes: number, to: GPUBuffer, toBytes: number, byteLength: number): void {
    this.#endPass();
    from.lastBatch = this.batch;
    this.#commands().copyBufferToBuffer(from.gpu, fromBytes, to, toBytes, byteLength);
  }

  /**
   * Submits what was recorded, and begins another batch.
   *
   * @param prepare runs before, with what must be on the device by then
   * @returns whether there was anything
   */
  submit(prepare: () => void): boolean {
    const encoder = this.#encoder;
    if (encoder !== undefined) this.#submit(encoder, this.#recorded, prepare);
    this.#encoder = undefined;
    this.#recorded = [];
    this.batch++;
    return encoder !== undefined;
  }

  #submit(encoder: GPUCommandEncoder, recorded: readonly Recorded[], prepare: () => void): void {
    this.#endPass();
    const run = (): void => {
      this.profiler?.resolve(encoder);
      const commands = encoder.finish();
      prepare();
      this.#device.queue.submit([commands]);
    };
    if (recorded.length === 0) this.#faults.watchRead(() => "copy what is read", run);
    else this.#faults.watchSubmit(() => `run ${recorded.map((it) => it.describe()).join(", ")}`, run);
  }

  #commands(): GPUCommandEncoder {
    return this.#encoder ??= this.#device.createCommandEncoder();
  }

  #passFor({ label }: Recorded): GPUComputePassEncoder {
    if (this.#pass !== undefined) return this.#pass;
    const timestampWrites = this.profiler?.writesFor(label);
    return this.#pass = this.#commands().beginComputePass(timestampWrites === undefined ? {} : { timestampWrites });
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = this.#pipeline = undefined;
  }
}
