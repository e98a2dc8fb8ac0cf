/** Settings of the WebGPU backend, and the checks that they pass before anything is asked of the platform. */
import type { MatmulActivations } from "../../core/src/backend.ts";
import { checkNames, ShapeError, showValue } from "../../core/src/errors.ts";
import { checkMemoryBudget } from "../../core/src/memory.ts";
import { WEBGPU_OPTIONS } from "./option_names.ts";

/** Settings of the WebGPU backend. */
export interface WebGpuBackendOptions {
  /** The adapter to ask for a device; else the platform is asked for one. */
  readonly adapter?: GPUAdapter;
  /** A device to use as it is, with the limits and features it has; it stays its owner's to destroy. */
  readonly device?: GPUDevice;
  /** Which of several adapters to prefer; `"high-performance"` when left out. */
  readonly powerPreference?: "low-power" | "high-performance";
  /** Features that may be used, of {@linkcode OPTIONAL_FEATURES}, where they are there; all of them when left out. */
  readonly features?: readonly string[];
  /** Whether an adapter that computes on the processor will do; an injected adapter or device always does. */
  readonly softwareAdapter?: boolean;
  /**
   * Whether to measure, when the backend is created, which variants of matmul are fastest on the device, which takes some
   * tenths of a second once for each adapter; for devices that are no software when left out.
   */
  readonly tuneMatmul?: boolean;
  /**
   * What matmul does with activations that meet block-quantised weights: `"f32"`, the default, leaves them; `"int8"`
   * rounds them to int8, in blocks, where the device's language multiplies packed bytes, in products of more than four
   * rows: prompts, and decoding of more than four sequences. With fewer rows a product waits for the weights' bytes, so
   * that int8 would gain nothing: these stay exact. Software adapters lose by it. `describe()` says which of both it is,
   * and why.
   */
  readonly matmulActivations?: MatmulActivations;
  /** Bytes of tensors that may be alive at once; without end when left out. */
  readonly memoryBudgetBytes?: number;
}

/** Features of a device that kernels or `profile` make use of where they are there. */
export const DEVICE_FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;

/** A product of four pairs of 8-bit integers, in the shading language: what int8 activations take. */
export const PACKED_DOT_PRODUCT = "packed_4x8_integer_dot_product";

/** Features of the shading language, which need no asking. */
export const LANGUAGE_FEATURES = [PACKED_DOT_PRODUCT] as const;

/** All features that may be used, and that {@linkcode WebGpuBackendOptions} may force off by leaving them out. */
export const OPTIONAL_FEATURES = [...DEVICE_FEATURES, ...LANGUAGE_FEATURES] as const;

const POWER_PREFERENCES: readonly unknown[] = ["low-power", "high-performance"];

/**
 * Refuses what JavaScript may pass and the types do not admit. Not by BackendErrors: after one of these another backend
 * would be taken, and nobody would learn of the mistake.
 *
 * @throws {ShapeError} when an option is unknown or out of its range
 */
export function checkOptions(options: WebGpuBackendOptions): void {
  checkNames("create webgpu", options, WEBGPU_OPTIONS);
  const { adapter, device, powerPreference, features, matmulActivations, memoryBudgetBytes } = options;
  if (adapter !== undefined && !has(adapter, "requestDevice")) {
    throw refuse("the adapter", adapter, "give what navigator.gpu.requestAdapter() resolves to, or leave it out");
  }
  if (device !== undefined && !has(device, "createComputePipeline")) {
    throw refuse("the device", device, "give what an adapter's requestDevice() resolves to, or leave it out");
  }
  if (powerPreference !== undefined && !POWER_PREFERENCES.includes(powerPreference)) {
    const names = POWER_PREFERENCES.map(showValue).join(" or ");
    throw refuse("powerPreference", powerPreference, `it is ${names}, or left out`);
  }
  if (features !== undefined) checkFeatures(features);
  for (const name of ["softwareAdapter", "tuneMatmul"] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== "boolean") {
      throw refuse(name, value, "it is true or false, or left out");
    }
  }
  if (matmulActivations !== undefined && matmulActivations !== "int8" && matmulActivations !== "f32") {
    throw refuse("matmulActivations", matmulActivations, 'they are "int8" or "f32"');
  }
  if (memoryBudgetBytes !== undefined) checkMemoryBudget(memoryBudgetBytes);
}

function checkFeatures(features: unknown): void {
  if (!Array.isArray(features)) throw refuse("the features", features, "they are an array of names");
  const known: readonly unknown[] = OPTIONAL_FEATURES;
  const wrong = features.find((name) => !known.includes(name));
  if (wrong === undefined) return;
  throw refuse("the feature", wrong, `it uses none of that name; use ${OPTIONAL_FEATURES.join(", ")}`);
}

function refuse(name: string, value: unknown, expected: string): ShapeError {
  return new ShapeError(`Cannot create webgpu with ${name} ${showValue(value)}: ${expected}`);
}

/** By a method, since tests and tools wrap adapters and devices. */
function has(value: unknown, method: string): boolean {
  return typeof (value as Record<string, unknown> | null)?.[method] === "function"; // from JavaScript anything may come
}
