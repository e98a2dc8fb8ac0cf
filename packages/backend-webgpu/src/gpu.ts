/**
 * One device with all that recording on it takes: memory, parameters, pipelines, the batch under way, and what went
 * wrong. Kernels see this and nothing below it: `run` records one dispatch.
 */
import { BackendError, showShape } from "../../core/src/errors.ts";
import { ParameterArena } from "./arena.ts";
import { bindOperand, type BoundMemory } from "./binding.ts";
import type { WebGpuOperand } from "./buffer.ts";
import type { AcquiredDevice } from "./device.ts";
import { DeviceLoss } from "./device_loss.ts";
import { Encoder, MAX_BATCHED_DISPATCHES } from "./encoder.ts";
import { Faults, type Recording } from "./faults.ts";
import { IndexFaults } from "./index_faults.ts";
import type { OwnParameters, Parameters } from "./parameters.ts";
import { Pipelines } from "./pipelines.ts";
import { MemoryPool } from "./pool.ts";
import type { Shader } from "./shader.ts";
import { StagingPool } from "./staging.ts";

/** Workgroups along x, y and z. */
export type Grid = readonly [number, number, number];

/** A device, and recording on it. */
export class Gpu implements Recording {
  /** Where it came from. */
  readonly acquired: AcquiredDevice;
  /** The device. */
  readonly device: GPUDevice;
  /** What went wrong. */
  readonly faults: Faults;
  /** Memory of tensors. */
  readonly pool: MemoryPool;
  /** Memory that the host can map. */
  readonly staging: StagingPool;
  /** Indices out of range. */
  readonly indexFaults: IndexFaults;
  /** The batch under way. */
  readonly encoder: Encoder;
  /** Pipelines and bind groups. */
  readonly pipelines: Pipelines;
  /** The device's loss, for those who wait for it. */
  readonly deviceLoss = new DeviceLoss();
  /** Why nothing works any more, once the device is lost or the backend was disposed of. */
  gone: string | undefined;
  readonly #arena: ParameterArena;

  /** Nothing is recorded as yet. */
  constructor(acquired: AcquiredDevice) {
    const { device } = acquired;
    this.acquired = acquired;
    this.device = device;
    this.faults = new Faults(device, this);
    this.encoder = new Encoder(device, this.faults);
    this.pool = new MemoryPool(device, this.faults, this);
    this.staging = new StagingPool(device, this.faults);
    this.indexFaults = new IndexFaults(device, this.pool, this.staging, this.faults);
    this.#arena = new ParameterArena(device, MAX_BATCHED_DISPATCHES);
    this.pipelines = new Pipelines(device, this.faults, this, this.#arena.gpu);
  }

  /** The number of the batch that is being recorded. */
  get batch(): number {
    return this.encoder.batch;
  }

  /**
   * Records a dispatch.
   *
   * @param operands what is bound from 1 on, in the order of the shader's `access`
   * @throws {BackendError} when nothing works any more, the shader did not compile before, or an operand was lost
   */
  run(shader: Shader, operands: readonly WebGpuOperand[], parameters: Parameters | OwnParameters, grid: Grid): void {
    this.checkAlive(`run ${shader.label}`);
    const { encoder } = this;
    const what = { label: shader.label, describe: () => `${shader.label} (${operands.map(show).join(", ")})` };
    const compiled = this.pipelines.get(shader, what.describe);
    const bound: BoundMemory[] = [];
    for (let i = 0; i < operands.length; i++) {
      this.faults.checkKept(operands[i]!.buffer.lastWritten, "run", what.describe);
    }
    for (let i = 0; i < operands.length; i++) bound.push(bindOperand(this, shader.label, operands[i]!));
    const group = this.pipelines.bindGroup(compiled, bound, what.describe);
    const offset = this.#arena.put(parameters, shader.label);
    for (let i = 0; i < bound.length; i++) {
      bound[i]!.memory.lastBatch = encoder.batch;
      if (shader.access[i] === "w") operands[i]!.buffer.lastWritten = encoder.batch;
    }
    encoder.dispatch(what, compiled.pipeline, group, offset, grid);
    if (encoder.pending === MAX_BATCHED_DISPATCHES) this.flush();
  }

  /** @throws {BackendError} when nothing works any more */
  checkAlive(op: string): void {
    if (this.gone !== undefined) throw new BackendError(`Cannot ${op} on webgpu: ${this.gone}`);
  }

  /** Submits what was recorded, and begins another batch. */
  flush(): void {
    if (this.gone !== undefined) return;
    const whenSubmitted = this.indexFaults.record(this.encoder);
    const hadWork = this.encoder.submit(() => this.#arena.send(this.device.queue));
    whenSubmitted();
    this.pool.submitted(this.encoder.batch, hadWork);
  }

  /** Submits what was recorded and gives all memory back to the device; nothing works any more, for the reason given. */
  dispose(reason: string): void {
    this.flush();
    this.gone = reason;
    this.pool.dispose();
    this.staging.dispose();
    this.#arena.dispose();
  }

  /** Waits for all answers of the device so far, and throws the first that is an error. */
  async settle(): Promise<void> {
    await this.answers();
    this.faults.throwFirst();
  }

  /** Waits for the device's answers to all work submitted so far, and not to what is submitted meanwhile. */
  async answers(): Promise<void> {
    await Promise.all([this.faults.settle(), this.indexFaults.settle()]);
  }

  /**
   * The grid for so many workgroups along one line: kernels count them as `y * gridX + x`.
   *
   * @param workgroups at most the square of what the device takes along a dim
   */
  line(workgroups: number): Grid {
    const limit = this.device.limits.maxComputeWorkgroupsPerDimension;
    if (workgroups <= limit) return [workgroups, 1, 1];
    const rows = Math.ceil(workgroups / limit);
    return [Math.ceil(workgroups / rows), rows, 1];
  }
}

function show({ dtype, shape }: WebGpuOperand): string {
  return `${dtype} ${showShape(shape)}`;
}
