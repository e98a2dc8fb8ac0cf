/**
 * Finding an adapter and asking it for a device.
 *
 * Limits are asked for up to the adapter's, since the defaults (128 MiB a binding, 8 storage buffers) are far below what
 * devices have. Features are used where they are there, never required, and can be forced off. A software adapter is a
 * processor in disguise, slower than the WebAssembly backend, so it is taken only when asked for.
 */
import { BackendError, showValue } from "../../core/src/errors.ts";

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
  /** Bytes of tensors that may be alive at once; without end when left out. */
  readonly memoryBudgetBytes?: number;
}

const POWER_PREFERENCES: readonly unknown[] = ["low-power", "high-performance"];

/** Features of a device that kernels or `profile` make use of where they are there. */
const DEVICE_FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;

/** Features of the shading language, which need no asking: a product of four pairs of 8-bit integers. */
const LANGUAGE_FEATURES = ["packed_4x8_integer_dot_product"] as const;

/** All features that may be used, and that {@linkcode WebGpuBackendOptions} may force off by leaving them out. */
export const OPTIONAL_FEATURES = [...DEVICE_FEATURES, ...LANGUAGE_FEATURES] as const;

/** Limits that are asked for up to what the adapter has. */
const RAISED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** A device, and what is known of where it came from. */
export interface AcquiredDevice {
  /** The device. */
  readonly device: GPUDevice;
  /** What computes, in words. */
  readonly adapterName: string;
  /** Whether that is software; undefined for an injected device that does not tell. */
  readonly software: boolean | undefined;
  /** The optional features in use. */
  readonly features: ReadonlySet<string>;
  /** Whether the device was made here, and so is destroyed with the backend. */
  readonly owned: boolean;
}

/**
 * A device by the settings.
 *
 * @throws {BackendError} when the engine has no WebGPU, there is no adapter, only a software one, it gives no device, or a
 * feature or powerPreference is unknown
 */
export async function acquireDevice(options: WebGpuBackendOptions): Promise<AcquiredDevice> {
  checkFeatureNames(options);
  checkPowerPreference(options);
  if (options.device !== undefined) return injectedDevice(options.device, options);
  const adapter = options.adapter ?? await findAdapter(options);
  const features = DEVICE_FEATURES.filter((name) => allowed(options, name) && adapter.features.has(name));
  const limits = Object.fromEntries(RAISED_LIMITS.map((name) => [name, adapter.limits[name]]));
  const device = await requestDevice(adapter, {
    label: "heed",
    requiredFeatures: features as readonly string[] as GPUFeatureName[], // the type's list lags behind the platforms'
    requiredLimits: limits,
  });
  const { info } = adapter;
  return {
    device,
    adapterName: nameOf(info),
    software: isSoftware(info),
    features: new Set([...features, ...languageFeatures(options)]),
    owned: true,
  };
}

function injectedDevice(device: GPUDevice, options: WebGpuBackendOptions): AcquiredDevice {
  const info = device.adapterInfo as GPUAdapterInfo | undefined; // engines of 2024 lack it
  const features = DEVICE_FEATURES.filter((name) => allowed(options, name) && device.features.has(name));
  return {
    device,
    adapterName: info === undefined ? "an injected device" : nameOf(info),
    software: info === undefined ? undefined : isSoftware(info),
    features: new Set([...features, ...languageFeatures(options)]),
    owned: false,
  };
}

function languageFeatures(options: WebGpuBackendOptions): string[] {
  // younger than the types, and than engines of 2023
  const gpu = globalThis.navigator?.gpu as { wgslLanguageFeatures?: ReadonlySet<string> } | undefined;
  return LANGUAGE_FEATURES.filter((name) => allowed(options, name) && gpu?.wgslLanguageFeatures?.has(name) === true);
}

function checkFeatureNames({ features = [] }: WebGpuBackendOptions): void {
  if (!Array.isArray(features)) {
    throw new BackendError(`Cannot create webgpu with the features ${showValue(features)}: they are an array of names`);
  }
  const wrong = features.find((name) => !OPTIONAL_FEATURES.some((known) => known === name));
  if (wrong === undefined) return;
  throw new BackendError(
    `Cannot create webgpu with the feature "${wrong}": it uses none of that name; use ${OPTIONAL_FEATURES.join(", ")}`,
  );
}

function checkPowerPreference({ powerPreference }: WebGpuBackendOptions): void {
  if (powerPreference === undefined || POWER_PREFERENCES.includes(powerPreference)) return;
  const names = POWER_PREFERENCES.map(showValue).join(" or ");
  throw new BackendError(
    `Cannot create webgpu with powerPreference ${showValue(powerPreference)}: it is ${names}, or left out`,
  );
}

function allowed({ features }: WebGpuBackendOptions, name: string): boolean {
  return features === undefined || features.includes(name);
}

/**
 * Another adapter for one that was injected and whose device was lost, since an adapter gives one device.
 *
 * @throws {BackendError} when the platform's is another or there is none
 */
export async function freshAdapter(options: WebGpuBackendOptions, lost: AcquiredDevice): Promise<GPUAdapter> {
  const adapter = await findAdapter({ ...options, softwareAdapter: true }, lost.software === true);
  const name = nameOf(adapter.info);
  if (name === lost.adapterName && isSoftware(adapter.info) === lost.software) return adapter;
  throw new BackendError(
    `Cannot restore webgpu: its adapter (${lost.adapterName}) was injected, and the platform's is another (${name}); ` +
      "inject a fresh one into createWebGpuBackend",
  );
}

async function findAdapter(options: WebGpuBackendOptions, forceFallbackAdapter = false): Promise<GPUAdapter> {
  const { powerPreference = "high-performance" } = options;
  const gpu = globalThis.navigator?.gpu as GPU | undefined; // absent where the page is not secure, and in older engines
  if (gpu === undefined) {
    throw new BackendError(
      'Cannot create webgpu: this engine has no navigator.gpu (a page needs https, and a recent browser); use "wasm"',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference, forceFallbackAdapter });
  if (adapter === null) throw new BackendError('Cannot create webgpu: the engine found no adapter; use "wasm"');
  if (isSoftware(adapter.info) && options.softwareAdapter !== true) {
    throw new BackendError(
      `Cannot create webgpu: its only adapter is software (${nameOf(adapter.info)}), slower than "wasm"; ` +
        "pass { softwareAdapter: true } to use it all the same",
    );
  }
  return adapter;
}

async function requestDevice(adapter: GPUAdapter, descriptor: GPUDeviceDescriptor): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice(descriptor);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BackendError(`Cannot create webgpu: ${nameOf(adapter.info)} gives no device: ${reason}`, {
      cause: error,
    });
  }
}

function isSoftware(info: GPUAdapterInfo): boolean {
  return (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true; // younger than the types of some engines
}

function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return description || [vendor, architecture, device].filter((part) => part !== "").join(" ") || "an unnamed adapter";
}
