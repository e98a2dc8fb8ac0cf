/**
 * Finding an adapter and asking it for a device.
 *
 * Limits are asked for up to the adapter's, since the defaults (128 MiB a binding, 8 storage buffers) are far below what
 * devices have. Features are used where they are there and compile, never required, and can be forced off. A software adapter
 * is a processor in disguise, slower than the WebAssembly backend, so it is taken only when asked for.
 */
import { BackendError } from "../../core/src/errors.ts";
import { checkOptions, DEVICE_FEATURES, LANGUAGE_FEATURES, type WebGpuBackendOptions } from "./options.ts";
import { compilable } from "./probe.ts";

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
 * @throws {BackendError} when the engine has no WebGPU, there is no adapter, only a software one, or it gives no device
 * @throws {ShapeError} when an option is out of its range
 */
export async function acquireDevice(options: WebGpuBackendOptions): Promise<AcquiredDevice> {
  checkOptions(options);
  if (options.device !== undefined) return await injectedDevice(options.device, options);
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
    features: new Set([...await compilable(device, features), ...languageFeatures(options)]),
    owned: true,
  };
}

async function injectedDevice(device: GPUDevice, options: WebGpuBackendOptions): Promise<AcquiredDevice> {
  const info = device.adapterInfo as GPUAdapterInfo | undefined; // engines of 2024 lack it
  const features = DEVICE_FEATURES.filter((name) => allowed(options, name) && device.features.has(name));
  return {
    device,
    adapterName: info === undefined ? "an injected device" : nameOf(info),
    software: info === undefined ? undefined : isSoftware(info),
    features: new Set([...await compilable(device, features), ...languageFeatures(options)]),
    owned: false,
  };
}

function languageFeatures(options: WebGpuBackendOptions): string[] {
  // younger than the types, and than engines of 2023
  const gpu = globalThis.navigator?.gpu as { wgslLanguageFeatures?: ReadonlySet<string> } | undefined;
  return LANGUAGE_FEATURES.filter((name) => allowed(options, name) && gpu?.wgslLanguageFeatures?.has(name) === true);
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
  const adapter = await requestAdapter(gpu, { powerPreference, forceFallbackAdapter });
  if (adapter === null) {
    throw new BackendError(
      "Cannot create webgpu: no adapter was found, that is no graphics processor that WebGPU may use here " +
        '(hardware acceleration may be turned off, or the driver be too old); use "wasm"',
    );
  }
  if (isSoftware(adapter.info) && options.softwareAdapter !== true) {
    throw new BackendError(
      `Cannot create webgpu: its only adapter is software (${nameOf(adapter.info)}), slower than "wasm"; ` +
        "pass { softwareAdapter: true } to use it all the same",
    );
  }
  return adapter;
}

async function requestAdapter(gpu: GPU, options: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
  try {
    return await gpu.requestAdapter(options);
  } catch (error) {
    throw failed("the search for an adapter failed", error);
  }
}

async function requestDevice(adapter: GPUAdapter, descriptor: GPUDeviceDescriptor): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice(descriptor);
  } catch (error) {
    throw failed(`the adapter (${nameOf(adapter.info)}) gives no device`, error);
  }
}

function failed(what: string, cause: unknown): BackendError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BackendError(`Cannot create webgpu: ${what} (${reason}); try again, or use "wasm"`, { cause });
}

/** Engines of 2024 lack an adapter's info, whatever their types say. */
function isSoftware(info: GPUAdapterInfo | undefined): boolean {
  return (info as { isFallbackAdapter?: boolean } | undefined)?.isFallbackAdapter === true; // younger than some types
}

function nameOf(info: GPUAdapterInfo | undefined): string {
  if (info === undefined) return "an unnamed adapter";
  const { vendor, architecture, device, description } = info;
  return description || [vendor, architecture, device].filter((part) => part !== "").join(" ") || "an unnamed adapter";
}
