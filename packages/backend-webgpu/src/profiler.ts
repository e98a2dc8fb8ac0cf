/**
 * How long each kernel takes on the device: two timestamps a dispatch, resolved with the batch. While it runs every
 * dispatch has a pass of its own, which costs a little, so the sum is more than the work takes unobserved.
 */
import { MAX_BATCHED_DISPATCHES } from "./encoder.ts";

/** One dispatch on the device's clock. */
export interface ProfiledKernel {
  /** The kernel's label, `<op>_<variant>_<dtype>`. */
  readonly label: string;
  /** When it began, in microseconds after the first one. */
  readonly startMicroseconds: number;
  /** How long it ran, in microseconds. */
  readonly microseconds: number;
}

/** A batch whose times are on the way. */
interface TimedBatch {
  readonly labels: readonly string[];
  readonly resolved: GPUBuffer;
  readonly staging: GPUBuffer;
}

const QUERIES = 2 * MAX_BATCHED_DISPATCHES;

/** Times of the dispatches of one device. */
export class Profiler {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #batches: TimedBatch[] = [];
  #labels: string[] = [];

  /** The device must have `timestamp-query`. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#queries = device.createQuerySet({ type: "timestamp", count: QUERIES });
  }

  /** Where the next dispatch's pass writes its times. */
  writesFor(label: string): GPUComputePassTimestampWrites {
    const at = 2 * this.#labels.length;
    this.#labels.push(label);
    return { querySet: this.#queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** Has the batch's times copied to where they can be read. */
  resolve(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#labels.length;
    if (count === 0) return;
    const size = 8 * count;
    const resolved = this.#device.createBuffer({ size, usage: 0x200 | 0x4 }); // QUERY_RESOLVE, COPY_SRC
    const staging = this.#device.createBuffer({ size, usage: 0x1 | 0x8 }); // MAP_READ, COPY_DST
    encoder.resolveQuerySet(this.#queries, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    this.#batches.push({ labels: this.#labels, resolved, staging });
    this.#labels = [];
  }

  /** All times so far, in order; to be called when the work is done, and the last call. */
  async finish(): Promise<ProfiledKernel[]> {
    const kernels: { label: string; start: bigint; end: bigint }[] = [];
    for (const { labels, resolved, staging } of this.#batches) {
      await staging.mapAsync(0x1); // GPUMapMode.READ
      const times = new BigUint64Array(staging.getMappedRange());
      labels.forEach((label, i) => kernels.push({ label, start: times[2 * i]!, end: times[2 * i + 1]! }));
      staging.destroy();
      resolved.destroy();
    }
    // The query set is left to the collector: Deno 2.9.6 frees one that was destroyed a second time, now and then.
    const origin = kernels[0]?.start ?? 0n;
    return kernels.map(({ label, start, end }) => ({
      label,
      startMicroseconds: Number(start - origin) / 1000,
      microseconds: Number(end - start) / 1000,
    }));
  }
}

/** Profiled kernels as a trace that Chrome's `about:tracing` and Perfetto show: JSON text. */
export function chromeTrace(kernels: readonly ProfiledKernel[]): string {
  const events = kernels.map(({ label, startMicroseconds, microseconds }) => (
    { name: label, ph: "X", ts: startMicroseconds, dur: microseconds, pid: 0, tid: 0 }
  ));
  return JSON.stringify({ traceEvents: events });
}
