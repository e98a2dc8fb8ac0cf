import { assert, assertEquals } from "@std/assert";
import { tensor, tidy } from "../../core/mod.ts";
import { chromeTrace } from "../mod.ts";
import { softwareBackend } from "./software_backend.ts";

Deno.test("a profile is a Chrome trace, a complete event for each kernel by its label", async () => {
  using backend = await softwareBackend();
  using x = tensor([[1, 2], [3, 4]], { backend });
  const kernels = await backend.profile(() => tidy(() => void x.exp().softmax(-1)));
  const { traceEvents } = JSON.parse(chromeTrace(kernels));
  assertEquals(traceEvents.map(({ name, ph }: { name: string; ph: string }) => [name, ph]), [
    ["unary_exp_f32", "X"],
    [kernels[1]!.label, "X"],
  ]);
  assert(kernels[1]!.label.startsWith("softmax_"), kernels[1]!.label);
  assert(kernels[1]!.startMicroseconds >= kernels[0]!.startMicroseconds);
});
