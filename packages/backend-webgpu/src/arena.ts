/**
 * One uniform buffer that holds the parameters of all dispatches of a batch, a slot each, found by dynamic offset. The
 * host fills its copy while recording; submitting sends the slots used in one `writeBuffer`. The queue keeps order, so
 * the next batch may use the same buffer again.
 */
import { type OwnParameters, PARAMETER_WORDS, type Parameters, writeParameters } from "./parameters.ts";

/** Bytes of a slot: the largest alignment of dynamic offsets that a device may demand. */
export const SLOT_BYTES = 4 * PARAMETER_WORDS;

/** The parameters of one batch. */
export class ParameterArena {
  /** The device's buffer. */
  readonly gpu: GPUBuffer;
  readonly #words: Uint32Array<ArrayBuffer>;
  #used = 0;

  /** Room for so many dispatches. */
  constructor(device: GPUDevice, slots: number) {
    const size = slots * SLOT_BYTES;
    this.gpu = device.createBuffer({ label: "parameters", size, usage: 0x40 | 0x8 }); // UNIFORM, COPY_DST
    this.#words = new Uint32Array(size / 4);
  }

  /** Takes a slot. @returns its dynamic offset in bytes */
  put(parameters: Parameters | OwnParameters, label: string): number {
    const offset = this.#used * SLOT_BYTES;
    writeParameters(this.#words, offset / 4, parameters, label);
    this.#used++;
    return offset;
  }

  /** Gives its memory back; the last call. */
  dispose(): void {
    this.gpu.destroy();
  }

  /** Sends the slots used; all are free again. */
  send(queue: GPUQueue): void {
    if (this.#used > 0) queue.writeBuffer(this.gpu, 0, this.#words, 0, this.#used * PARAMETER_WORDS);
    this.#used = 0;
  }
}
