/**
 * Pipelines by shader and bind groups by the buffers they hold, each made once. All kernels bind alike: their parameters
 * at 0, with a dynamic offset, and buffers from 1 on. So kernels that read and write as many buffers share a layout, and
 * with it their bind groups.
 */
import { SLOT_BYTES } from "./arena.ts";
import type { BoundMemory } from "./binding.ts";
import type { Faults, Recording } from "./faults.ts";
import type { Shader } from "./shader.ts";

/** Bind groups kept: more than a model's step uses; beyond, all are forgotten. */
const MAX_BIND_GROUPS = 8192;

const COMPUTE = 0x4; // GPUShaderStage.COMPUTE

/** A shader on a device. */
export interface Compiled {
  /** The device's pipeline. */
  readonly pipeline: GPUComputePipeline;
  /** The layout it shares with others. */
  readonly bindings: Bindings;
  /** Why it cannot be used, where it did not compile and that is known by now. */
  failed: Error | undefined;
}

/** How one kind of kernels binds, and the bind groups of that kind. */
interface Bindings {
  readonly groupLayout: GPUBindGroupLayout;
  readonly pipelineLayout: GPUPipelineLayout;
  readonly groups: Map<string, GPUBindGroup>;
}

function resourceOf({ memory: { gpu: buffer }, window }: BoundMemory): GPUBufferBinding {
  return window === undefined ? { buffer } : { buffer, offset: window.offsetBytes, size: window.byteLength };
}

/** The pipelines and bind groups of one device. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #recording: Recording;
  readonly #parameters: GPUBuffer;
  readonly #compiled = new Map<Shader, Compiled>();
  readonly #bindings = new Map<string, Bindings>();
  #groupsHeld = 0;
  /** Bind groups created so far. */
  bindGroupsCreated = 0;

  /** Nothing is compiled as yet. `parameters` is the arena's buffer. */
  constructor(device: GPUDevice, faults: Faults, recording: Recording, parameters: GPUBuffer) {
    this.#device = device;
    this.#faults = faults;
    this.#recording = recording;
    this.#parameters = parameters;
  }

  /** Pipelines created so far. */
  get created(): number {
    return this.#compiled.size;
  }

  /**
   * The shader on this device, compiled at its first use; `describe` says of that use what a fault is told with.
   *
   * @throws {BackendError} when it is known that the shader does not compile
   */
  get(shader: Shader, describe: () => string): Compiled {
    const found = this.#compiled.get(shader);
    if (found?.failed !== undefined) throw found.failed;
    if (found !== undefined) return found;
    const compiled = this.#compile(shader, describe);
    this.#compiled.set(shader, compiled);
    return compiled;
  }

  /** In a batch of its own, so that what was recorded before is not lost with it. */
  #compile({ label, access, code }: Shader, describe: () => string): Compiled {
    this.#recording.flush();
    const bindings = this.#bindingsFor(access);
    const pipeline = this.#faults.watch(() => `compile ${describe()}`, () => {
      const module = this.#device.createShaderModule({ label, code });
      return this.#device.createComputePipeline({
        label,
        layout: bindings.pipelineLayout,
        compute: { module, entryPoint: "main" },
      });
    }, (fault) => compiled.failed = fault);
    const compiled: Compiled = { pipeline, bindings, failed: undefined };
    return compiled;
  }

  /** The bind group of these buffers for a kernel, whose use `describe` tells of. */
  bindGroup({ bindings }: Compiled, buffers: readonly BoundMemory[], describe: () => string): GPUBindGroup {
    let key = "";
    for (let i = 0; i < buffers.length; i++) {
      const { memory, window } = buffers[i]!;
      key += window === undefined ? `${memory.id} ` : `${memory.id}:${window.offsetBytes}:${window.byteLength} `;
    }
    const found = bindings.groups.get(key);
    if (found !== undefined) return found;
    if (this.#groupsHeld >= MAX_BIND_GROUPS) this.#forgetGroups();
    const entries = [
      { binding: 0, resource: { buffer: this.#parameters, size: SLOT_BYTES } },
      ...buffers.map((bound, i) => ({ binding: i + 1, resource: resourceOf(bound) })),
    ];
    const group = this.#faults.watch(
      () => `bind the operands of ${describe()}`,
      () => this.#device.createBindGroup({ layout: bindings.groupLayout, entries }),
    );
    bindings.groups.set(key, group);
    this.#groupsHeld++;
    this.bindGroupsCreated++;
    return group;
  }

  #forgetGroups(): void {
    for (const { groups } of this.#bindings.values()) groups.clear();
    this.#groupsHeld = 0;
  }

  #bindingsFor(access: string): Bindings {
    const found = this.#bindings.get(access);
    if (found !== undefined) return found;
    const groupLayout = this.#device.createBindGroupLayout({
      label: access,
      entries: [
        { binding: 0, visibility: COMPUTE, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...Array.from(access, (kind, i): GPUBindGroupLayoutEntry => ({
          binding: i + 1,
          visibility: COMPUTE,
          buffer: { type: kind === "r" ? "read-only-storage" : "storage" },
        })),
      ],
    });
    const pipelineLayout = this.#device.createPipelineLayout({ label: access, bindGroupLayouts: [groupLayout] });
    const bindings: Bindings = { groupLayout, pipelineLayout, groups: new Map() };
    this.#bindings.set(access, bindings);
    return bindings;
  }
}
