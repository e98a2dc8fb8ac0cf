/// <reference lib="dom" />
/** Where WebGPU is not there, people are told why and what they can do; what else goes wrong is told as it is. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BackendError } from "../../../packages/heed/mod.ts";
import { NO_WEBGPU } from "../src/protocol.ts";
import { makeBackend } from "../src/worker/backends.ts";

/** Runs with a platform whose one adapter is as given, and gives no device. */
async function withAdapter(adapter: object, run: () => Promise<void>): Promise<void> {
  const requestDevice = () => Promise.reject(new Error("none left"));
  const gpu = { requestAdapter: () => Promise.resolve({ features: new Set(), limits: {}, requestDevice, ...adapter }) };
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  try {
    await run();
  } finally {
    Reflect.deleteProperty(navigator, "gpu"); // the platform's own is its prototype's
  }
}

const SOFTWARE = { info: { vendor: "", architecture: "", device: "", description: "cpu", isFallbackAdapter: true } };

Deno.test("backends: without a device WebGPU is not there, in engines too whose adapters say nothing of themselves", async () => {
  await withAdapter({}, async () => {
    const error = await assertRejects(
      () => makeBackend("webgpu"),
      Error,
      "This browser has WebGPU, but it does not start",
    );
    assertEquals(error.name, NO_WEBGPU);
    assert(error.cause instanceof BackendError && error.cause.message.includes("none left"), `${error.cause}`);
  });
});

Deno.test("backends: WebGPU in software is offered to those who have not chosen it", async () => {
  await withAdapter(SOFTWARE, async () => {
    await assertRejects(() => makeBackend("webgpu"), Error, "choose “WebGPU in software”");
    await assertRejects(() => makeBackend("webgpu-software"), Error, "This browser has WebGPU, but it does not start");
  });
});

Deno.test("backends: what goes wrong otherwise is not taken for missing WebGPU", async () => {
  await withAdapter({ ...SOFTWARE, features: undefined }, async () => {
    await assertRejects(() => makeBackend("webgpu-software"), TypeError);
  });
});
