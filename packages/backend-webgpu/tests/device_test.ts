import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { add, BackendError, ones, ShapeError, tensor } from "../../core/mod.ts";
import { createWebGpuBackend, OPTIONAL_FEATURES, type WebGpuBackendOptions } from "../mod.ts";
import { anyAdapter, softwareBackend } from "./software_backend.ts";
import { wrappedDevice } from "./wrapped_device.ts";

Deno.test("a software adapter is passed over unless asked for", async () => {
  const { isFallbackAdapter } = (await anyAdapter()).info as { isFallbackAdapter?: boolean };
  if (isFallbackAdapter === true) {
    await assertRejects(() => createWebGpuBackend(), BackendError, "its only adapter is software");
  } else {
    (await createWebGpuBackend()).dispose();
  }
  using backend = await softwareBackend();
  assertEquals(backend.describe().details["software"], isFallbackAdapter === true);
});

/** What creating a backend rejects with where `navigator.gpu` is this. */
async function refusal(gpu: unknown): Promise<string> {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "navigator")!;
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  try {
    return (await assertRejects(() => createWebGpuBackend(), BackendError)).message;
  } finally {
    Object.defineProperty(globalThis, "navigator", descriptor);
  }
}

Deno.test("what WebGPU does not give is told of in words for people, with what to use instead", async () => {
  assertEquals(
    await refusal(undefined),
    'Cannot create webgpu: this engine has no navigator.gpu (a page needs https, and a recent browser); use "wasm"',
  );
  assertEquals(
    await refusal({ requestAdapter: () => Promise.resolve(null) }),
    "Cannot create webgpu: no adapter was found, that is no graphics processor that WebGPU may use here (hardware " +
      'acceleration may be turned off, or the driver be too old); use "wasm"',
  );
  const failures = [() => Promise.reject(new Error("blocked")), () => {
    throw new Error("blocked");
  }];
  for (const fail of failures) {
    assertEquals(
      await refusal({ requestAdapter: fail }),
      'Cannot create webgpu: the search for an adapter failed (blocked); try again, or use "wasm"',
    );
    const info = { vendor: "maker", architecture: "kind", device: "", description: "" };
    const adapter = { requestDevice: fail, features: new Set(), limits: {}, info };
    assertEquals(
      await refusal({ requestAdapter: () => Promise.resolve(adapter) }),
      'Cannot create webgpu: the adapter (maker kind) gives no device (blocked); try again, or use "wasm"',
    );
    const nameless = { ...adapter, info: undefined }; // as engines of 2024 have it
    assertEquals(
      await refusal({ requestAdapter: () => Promise.resolve(nameless) }),
      'Cannot create webgpu: the adapter (an unnamed adapter) gives no device (blocked); try again, or use "wasm"',
    );
  }
});

Deno.test("an injected device is used and not destroyed", async () => {
  const device = await (await anyAdapter()).requestDevice();
  const backend = await createWebGpuBackend({ device });
  assertEquals(backend.device, device);
  using x = tensor([1, 2], { backend });
  assertEquals(await x.toArray(), [1, 2]);
  backend.dispose();
  const other = await createWebGpuBackend({ device });
  using y = tensor([3], { backend: other });
  assertEquals(await y.item(), 3);
  await assertRejects(() => other.restore(), BackendError, "Cannot restore webgpu: its device was injected");
  other.dispose();
  device.destroy();
});

Deno.test("disposing of the backend gives back what tensors still hold on an injected device", async () => {
  for (const tuneMatmul of [false, true]) {
    using wrapped = await wrappedDevice();
    const backend = await createWebGpuBackend({ device: wrapped.device, tuneMatmul });
    const kept = [ones([64, 64], { backend }), tensor([1, 2, 3], { backend })];
    kept.push(kept[0]!.add(1));
    const reading = kept[2]!.data();
    assert(wrapped.alive > kept.length);
    backend.dispose();
    assertEquals((await reading)[0], 2);
    assertEquals(wrapped.alive, 0);
    for (const x of kept) x.dispose();
    assertEquals([wrapped.alive, wrapped.uncaught], [0, 0]);
    assertEquals(backend.memory.liveStorages, 0);
  }
});

/** An adapter, or a device, that also lists a feature which its compiler does not know. */
function listing<T extends GPUAdapter | GPUDevice>(real: T, feature: string): T {
  const requestDevice = async (descriptor: GPUDeviceDescriptor) => {
    const requiredFeatures = [...descriptor.requiredFeatures ?? []].filter((name) => name !== feature);
    return listing(await (real as GPUAdapter).requestDevice({ ...descriptor, requiredFeatures }), feature);
  };
  return new Proxy(real, {
    get: (own, name) => {
      if (name === "features") return new Set([...own.features, feature]);
      if (name === "requestDevice") return requestDevice;
      const value: unknown = Reflect.get(own, name, own);
      return typeof value === "function" ? value.bind(own) : value;
    },
  });
}

Deno.test("a feature that is listed and does not compile is left out", async () => {
  const adapter = await anyAdapter();
  if (adapter.features.has("subgroups")) return; // it compiles: no engine is at hand that only says so
  const device = await (await anyAdapter()).requestDevice();
  const options: WebGpuBackendOptions[] = [
    { adapter: listing(adapter, "subgroups"), tuneMatmul: true },
    { device: listing(device, "subgroups"), tuneMatmul: false },
  ];
  for (const option of options) {
    using backend = await softwareBackend(option);
    assert(backend.device.features.has("subgroups" as GPUFeatureName));
    assert(!String(backend.describe().details["features"]).includes("subgroups"));
    using x = ones([3, 300], { backend });
    using s = x.sum({ dim: 1 });
    assertEquals(await s.toArray(), [300, 300, 300]);
  }
  device.destroy();
});

Deno.test("limits are asked for up to the adapter's, features unless forced off", async () => {
  const adapter = await anyAdapter();
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  using backend = await softwareBackend({ adapter });
  const { details } = backend.describe();
  assertEquals(details["maxBufferBytes"], Math.min(maxStorageBufferBindingSize, maxBufferSize));
  const language = (navigator.gpu as unknown as { wgslLanguageFeatures: ReadonlySet<string> }).wgslLanguageFeatures;
  const names: ReadonlySet<string> = new Set([...adapter.features, ...language]);
  const there = OPTIONAL_FEATURES.filter((name) => names.has(name));
  assert(there.length > 0);
  assertEquals(details["features"], there.join(" "));
  for (const name of there) {
    using one = await softwareBackend({ features: [name] });
    assertEquals(one.describe().details["features"], name);
  }
  using plain = await softwareBackend({ features: [] });
  assertEquals(plain.describe().details["features"], "");
  const onDevice: ReadonlySet<string> = new Set(plain.device.features);
  assertEquals(OPTIONAL_FEATURES.filter((name) => onDevice.has(name)), []);
});

Deno.test("a wrong option is refused as such, so that no other backend is taken instead", async () => {
  const noAdapter = "give what navigator.gpu.requestAdapter() resolves to, or leave it out";
  const noDevice = "give what an adapter's requestDevice() resolves to, or leave it out";
  const noBoolean = "it is true or false, or left out";
  const wrong: readonly (readonly [options: object, message: string])[] = [
    [{ adapter: {} }, `the adapter an object of Object: ${noAdapter}`],
    [{ adapter: null }, `the adapter null: ${noAdapter}`],
    [{ device: {} }, `the device an object of Object: ${noDevice}`],
    [{ device: null }, `the device null: ${noDevice}`],
    [{ device: Promise.resolve() }, `the device an object of Promise: ${noDevice}`],
    [{ device: await anyAdapter() }, `the device an object of GPUAdapter: ${noDevice}`],
    [{ features: ["shader-f16", "f16"] }, 'the feature "f16": it uses none of that name; use shader-f16, subgroups, '],
    [{ features: "shader-f16" }, 'the features "shader-f16": they are an array of names'],
    [{ powerPreference: "fast" }, 'powerPreference "fast": it is "low-power" or "high-performance", or left out'],
    [{ softwareAdapter: "no" }, `softwareAdapter "no": ${noBoolean}`],
    [{ tuneMatmul: 1 }, `tuneMatmul 1: ${noBoolean}`],
  ];
  for (const [options, message] of wrong) {
    await assertRejects(() => createWebGpuBackend(options), ShapeError, `Cannot create webgpu with ${message}`);
  }
  const unknown = { memoryBudget: 1 } as object;
  await assertRejects(
    () => createWebGpuBackend(unknown),
    ShapeError,
    'webgpu with an option "memoryBudget": there is none',
  );
  const requestDevice = () => Promise.reject(new Error("asked for a device"));
  const adapter = { requestDevice, features: new Set(), limits: {}, info: {} } as unknown as GPUAdapter;
  for (const [value, shown] of [["1GB", '"1GB"'], [null, "null"]] as const) {
    const memoryBudgetBytes = value as unknown as number; // from JavaScript
    const message = `memoryBudgetBytes ${shown}`;
    await assertRejects(() => createWebGpuBackend({ adapter, memoryBudgetBytes }), ShapeError, message);
  }
});

Deno.test("after an injected adapter restore asks the platform for the same one again", async () => {
  const adapter = await anyAdapter();
  using backend = await softwareBackend({ adapter, features: [], memoryBudgetBytes: 1000 });
  const before = backend.describe();
  backend.device.destroy();
  await backend.device.lost;
  const restored = await backend.restore();
  assertEquals(restored.describe(), before);
  restored.device.destroy();
  await restored.device.lost;
  (await restored.restore()).dispose();
});

Deno.test("after an injected adapter that the platform does not give restore is refused", async () => {
  const real = await anyAdapter();
  const requestDevice = (descriptor: GPUDeviceDescriptor) => real.requestDevice(descriptor);
  const info = { vendor: "", architecture: "", device: "", description: "another adapter" };
  const adapter = { requestDevice, features: real.features, limits: real.limits, info } as unknown as GPUAdapter;
  using backend = await softwareBackend({ adapter, tuneMatmul: false });
  await assertRejects(
    () => backend.restore(),
    BackendError,
    "Cannot restore webgpu: its adapter (another adapter) was injected, and the platform's is another (",
  );
});

Deno.test("a read right after the device went tells of the loss", async () => {
  for (const op of [false, true]) {
    const backend = await createWebGpuBackend({ softwareAdapter: true });
    using x = tensor([1, 2, 3], { backend });
    backend.device.destroy();
    using y = op ? x.add(1) : x.view([3]);
    await assertRejects(() => y.data(), BackendError, "Cannot read on webgpu: the device was lost (destroyed");
  }
});

Deno.test("two devices do not mix", async () => {
  using first = await softwareBackend();
  using second = await softwareBackend();
  using a = tensor([1, 2], { backend: first });
  using b = tensor([3, 4], { backend: second });
  assertThrows(() => add(a, b), BackendError, "operands live on webgpu and on another instance of it");
  using moved = await a.to(second);
  using sum = add(moved, b);
  assertEquals(await sum.toArray(), [4, 6]);
});

Deno.test("a lost device rejects what is pending, and nothing works on it afterwards", async () => {
  const backend = await createWebGpuBackend({ softwareAdapter: true });
  using x = tensor([1, 2, 3], { backend });
  using y = x.add(1);
  const pending = y.data();
  backend.device.destroy();
  const error = await assertRejects(() => pending, BackendError, "Cannot read");
  assertStringIncludes(error.message, "webgpu");
  await backend.device.lost;
  assertThrows(() => x.add(1), BackendError, "the device was lost (destroyed");
  await assertRejects(() => x.data(), BackendError, "await backend.restore() gives another");
  assertThrows(() => backend.flush(), BackendError, "Cannot flush on webgpu: the device was lost");
  const restored = await backend.restore();
  using again = tensor([1, 2, 3], { backend: restored });
  assertEquals(await again.toArray(), [1, 2, 3]);
  restored.dispose();
});

Deno.test("after dispose every method but free throws", async () => {
  const backend = await createWebGpuBackend({ softwareAdapter: true });
  using x = tensor([1], { backend });
  backend.dispose();
  backend.dispose();
  const gone = "the backend was disposed of";
  assertThrows(() => backend.hasDType("f32"), BackendError, gone);
  assertThrows(() => backend.allocate("f32", 1), BackendError, gone);
  assertThrows(() => backend.flush(), BackendError, gone);
  assertThrows(() => backend.describe(), BackendError, gone);
  await assertRejects(() => backend.settled(), BackendError, gone);
  await assertRejects(() => x.data(), BackendError, `Cannot read on webgpu: ${gone}`);
});

Deno.test("kernels are profiled by the device's clock", async () => {
  using backend = await softwareBackend();
  using x = tensor([1, 2, 3], { backend });
  if (!backend.device.features.has("timestamp-query")) {
    await assertRejects(() => backend.profile(() => {}), BackendError, "no timestamp-query");
    return;
  }
  const kernels = await backend.profile(() => {
    for (let i = 0; i < 100; i++) x.exp().dispose(); // more than a batch
  });
  assertEquals(kernels.length, 100);
  assert(kernels.every(({ label, microseconds }) => label === "unary_exp_f32" && microseconds >= 0));
  using plain = await softwareBackend({ features: [] });
  await assertRejects(() => plain.profile(() => {}), BackendError, "Cannot profile on webgpu");
});
