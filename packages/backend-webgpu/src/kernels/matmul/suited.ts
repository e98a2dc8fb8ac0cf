/**
 * Which variants of matmul suit a device: GPUs get what suits GPUs and software adapters what suits processors, unless they
 * were measured (see tuner.ts).
 */
import type { AcquiredDevice } from "../../device.ts";
import type { VariantName } from "./variants.ts";

/** Variants by what there is to do. */
export interface Suited {
  /** Up to four rows. */
  readonly few: VariantName;
  /** More rows, and enough elements to fill the device. */
  readonly many: VariantName;
  /** More rows, and not enough. */
  readonly small: VariantName;
}

const FOR_GPUS: Suited = { few: "vector_16", many: "tiled_64", small: "tiled_32" };
const FOR_PROCESSORS: Suited = { few: "registers_4", many: "registers_16", small: "registers_8" };

/** What was chosen for devices that were measured. */
const CHOSEN = new WeakMap<AcquiredDevice, Suited>();

/** The variants for a device. */
export function suitedTo(acquired: AcquiredDevice): Suited {
  return CHOSEN.get(acquired) ?? (acquired.software === true ? FOR_PROCESSORS : FOR_GPUS);
}

/** Notes what was measured. */
export function suit(acquired: AcquiredDevice, suited: Suited): void {
  CHOSEN.set(acquired, suited);
}
