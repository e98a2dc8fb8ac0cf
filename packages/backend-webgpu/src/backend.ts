/**
 * The WebGPU backend: kernels are recorded in the order of the calls and submitted in batches; only reading waits.
 *
 * What a user may meet: reading is asynchronous (there is no `downloadSync`), f64 is not there, and what goes wrong on the
 * device (an index out of range, no room, a lost device) is thrown at the next `flush`, `settled` or read.
 */
import type { AllocateOptions, Backend, BackendDescription, Kernels } from "../../core/src/backend.ts";
import type { DType } from "../../core/src/dtype.ts";
import { BackendError } from "../../core/src/errors.ts";
import { MemoryAccount } from "../../core/src/memory.ts";
import type { WebGpuBuffer } from "./buffer.ts";
import { type AcquiredDevice, acquireDevice, freshAdapter } from "./device.ts";
import { Gpu } from "./gpu.ts";
import { kernelsOn } from "./kernels/mod.ts";
import { tuneMatmul } from "./kernels/matmul/tuner.ts";
import { pack } from "./packing.ts";
import { PACKED_DOT_PRODUCT, type WebGpuBackendOptions } from "./options.ts";
import { type ProfiledKernel, Profiler } from "./profiler.ts";
import { download, upload } from "./transfer.ts";

/** What was created on the device so far: a loop that repeats itself must not make these grow. */
export interface CreatedOnDevice {
  /** Buffers, those for reading included. */
  readonly buffers: number;
  /** Bind groups. */
  readonly bindGroups: number;
  /** Compiled kernels. */
  readonly pipelines: number;
}

/**
 * A backend on a WebGPU device.
 *
 * @throws {BackendError} when there is no device, or only a software one that was not asked for
 * @throws {ShapeError} when an option is out of its range
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { createWebGpuBackend } from "@heed/heed/backend-webgpu";
 * import { BackendError } from "@heed/heed/core";
 *
 * const adapter = { requestDevice: () => Promise.reject(new Error("none left")) } as unknown as GPUAdapter;
 * const broken = Object.assign(adapter, { features: new Set(), limits: {}, info: { description: "broken" } });
 * await assertRejects(() => createWebGpuBackend({ adapter: broken }), BackendError, "none left");
 * ```
 */
export async function createWebGpuBackend(options: WebGpuBackendOptions = {}): Promise<WebGpuBackend> {
  const acquired = await acquireDevice(options);
  if (options.tuneMatmul ?? acquired.software === false) await tuneMatmul(acquired);
  return new WebGpuBackend(acquired, options);
}

/** The backend that {@linkcode createWebGpuBackend} makes. */
export class WebGpuBackend implements Backend<WebGpuBuffer> {
  /** `"webgpu"`. */
  readonly name = "webgpu";
  /** What is alive. */
  readonly memory: MemoryAccount;
  /** Every primitive, and the fused kernels that save passes over memory. */
  readonly kernels: Kernels<WebGpuBuffer>;
  readonly #options: WebGpuBackendOptions;
  readonly #gpu: Gpu;
  readonly #int8: boolean;

  /** @ignore Use {@linkcode createWebGpuBackend}. */
  constructor(acquired: AcquiredDevice, options: WebGpuBackendOptions = {}) {
    this.memory = new MemoryAccount(options.memoryBudgetBytes);
    this.#options = options;
    this.#gpu = new Gpu(acquired);
    this.#int8 = options.matmulActivations === "int8" && acquired.features.has(PACKED_DOT_PRODUCT);
    this.kernels = kernelsOn(this.#gpu, this.#int8);
    void this.#watchLoss(acquired.device);
  }

  async #watchLoss(device: GPUDevice): Promise<void> {
    const { reason, message } = await device.lost;
    this.#gpu.gone ??=
      `the device was lost (${reason}${message === "" ? "" : `: ${message}`}), and all tensors with it; ` +
      "await backend.restore() gives another backend, to load them on again";
    this.#gpu.deviceLoss.tell(new BackendError(`Cannot read on webgpu: ${this.#gpu.gone}`));
  }

  /** The device, for those who share it. */
  get device(): GPUDevice {
    return this.#gpu.device;
  }

  /** What was created on the device so far. */
  get created(): CreatedOnDevice {
    const { pool, staging, pipelines } = this.#gpu;
    return {
      buffers: pool.created + staging.created,
      bindGroups: pipelines.bindGroupsCreated,
      pipelines: pipelines.created,
    };
  }

  /** Every dtype but f64 can live here. */
  hasDType(dtype: DType): boolean {
    this.#gpu.checkAlive("look up a dtype");
    return dtype !== "f64";
  }

  /** The most bytes on the device that one buffer can have; weights, which can be bound in parts, may have more. */
  largestBuffer({ constant }: AllocateOptions = {}): number {
    const { pool } = this.#gpu;
    return constant === true ? pool.largestWeight : pool.largestBuffer;
  }

  /** A buffer of `numel` elements. @throws {BackendError} beyond the device's limits, when it is lost or disposed of */
  allocate(dtype: DType, numel: number, options: { readonly constant?: boolean } = {}): WebGpuBuffer {
    this.#gpu.checkAlive("allocate");
    return this.#gpu.pool.allocate(dtype, numel, options.constant);
  }

  /** Writes canonical bytes. @throws {BackendError} when the device is lost or disposed of */
  write(buffer: WebGpuBuffer, offsetBytes: number, bytes: Uint8Array): void {
    this.#gpu.checkAlive("write");
    upload(this.#gpu, buffer, offsetBytes, bytes);
  }

  /** Packs the blocks of a weight, where kernels gain by it. @throws {BackendError} when the device is lost or disposed of */
  freeze(buffer: WebGpuBuffer): void {
    this.#gpu.checkAlive("freeze");
    buffer.frozen = true;
    pack(this.#gpu, buffer);
  }

  /** Canonical bytes of some elements. @returns a promise that rejects with what went wrong on the device */
  download(buffer: WebGpuBuffer, start: number, numel: number): Promise<Uint8Array> {
    try {
      this.#gpu.checkAlive("read");
      return download(this.#gpu, buffer, start, numel);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Takes a buffer back; after a loss and after `dispose` too. */
  free(buffer: WebGpuBuffer): void {
    this.#gpu.pool.free(buffer);
  }

  /** Submits recorded work. @throws {BackendError} {ShapeError} what went wrong on the device and is known by now */
  flush(): void {
    this.#gpu.checkAlive("flush");
    this.#gpu.flush();
    this.#gpu.faults.throwFirst();
  }

  /**
   * Resolves when submitted work is done. Nothing else holds back a loop that reads nothing: what it submits piles up.
   *
   * @returns a promise that rejects with what went wrong on the device
   */
  async settled(): Promise<void> {
    this.flush();
    const { device: { queue }, deviceLoss } = this.#gpu;
    await deviceLoss.orLost(queue.onSubmittedWorkDone());
    await deviceLoss.orLost(this.#gpu.settle());
  }

  /**
   * How long each kernel takes that `work` records, on the device's clock; see {@linkcode chromeTrace}.
   *
   * @param work what to observe; whatever was recorded before it is submitted first
   * @throws {BackendError} when the device has no `timestamp-query`, or somebody profiles already
   */
  async profile(work: () => void | Promise<void>): Promise<ProfiledKernel[]> {
    this.flush();
    const { acquired: { features }, encoder, device } = this.#gpu;
    if (!features.has("timestamp-query")) {
      throw new BackendError("Cannot profile on webgpu: the device has no timestamp-query, or it was forced off");
    }
    if (encoder.profiler !== undefined) throw new BackendError("Cannot profile on webgpu: it is profiled already");
    const profiler = encoder.profiler = new Profiler(device);
    try {
      await work();
      await this.settled();
    } finally {
      encoder.profiler = undefined;
    }
    return await profiler.finish();
  }

  /**
   * Another backend by the same settings, on a fresh device: after a loss, the one to load a model on again.
   *
   * @throws {BackendError} when the device was injected, there is none any more, or the adapter was injected and the
   * platform gives another
   */
  async restore(): Promise<WebGpuBackend> {
    if (this.#options.device !== undefined) {
      throw new BackendError("Cannot restore webgpu: its device was injected; inject another into createWebGpuBackend");
    }
    const options = this.#options;
    if (options.adapter === undefined) return await createWebGpuBackend(options);
    return await createWebGpuBackend({ ...options, adapter: await freshAdapter(options, this.#gpu.acquired) });
  }

  /** What it is. @throws {BackendError} when the device is lost or disposed of */
  describe(): BackendDescription {
    this.#gpu.checkAlive("describe it");
    const { acquired: { adapterName, software, features }, device: { limits }, pool } = this.#gpu;
    const activations = this.#int8 ? "more than four rows of activations are rounded to int8" : "activations stay f32";
    return {
      name: this.name,
      summary: `WebGPU on ${adapterName}${software === true ? ", software" : ""}`,
      precision: `arithmetic and sums in f32; ${activations} where they meet block-quantised weights`,
      details: {
        adapter: adapterName,
        ...(software === undefined ? {} : { software }),
        features: [...features].join(" "),
        matmulActivations: this.#matmulActivations,
        maxBufferBytes: pool.largestBuffer,
        maxWeightBytes: pool.largestWeight,
        maxWorkgroupMemoryBytes: limits.maxComputeWorkgroupStorageSize,
        maxWorkgroupInvocations: limits.maxComputeInvocationsPerWorkgroup,
        deviceBytes: pool.deviceBytes,
        memoryBudgetBytes: this.memory.budgetBytes,
      },
    };
  }

  /** What matmul does with activations, and why it is not what was asked for. */
  get #matmulActivations(): string {
    if (this.#int8) return "int8";
    if (this.#options.matmulActivations !== "int8") return "f32";
    return "f32 (the device's language has no packed int8 dot product, or it was forced off)";
  }

  /** Ends it, and gives all memory back: from now on every method but `free` throws. A device that was injected stays. */
  dispose(): void {
    if (this.#gpu.gone !== undefined) return;
    this.#gpu.dispose("the backend was disposed of");
    if (this.#gpu.acquired.owned) this.#gpu.device.destroy();
  }
}
