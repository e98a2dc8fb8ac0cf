import { assert } from "@std/assert";
import * as core from "../../core/mod.ts";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { softwareBackend } from "./software_backend.ts";

/** Ranges in which functions must be right to a few units in the last place: 2^-24 is half of one at worst. */
const RANGES = [
  { name: "exp", fn: core.exp, low: -85, high: 88 },
  { name: "expm1", fn: core.expm1, low: -5, high: 20 },
  { name: "log", fn: core.log, low: 1e-30, high: 100 },
  { name: "log1p", fn: core.log1p, low: -0.99, high: 50 },
  { name: "sin", fn: core.sin, low: -1000, high: 1000 },
  { name: "sin of large angles", fn: core.sin, low: 1e4, high: 3e38 },
  { name: "cos of large angles", fn: core.cos, low: -3e38, high: -1e4 },
  { name: "tanh", fn: core.tanh, low: -10, high: 10 },
  { name: "erf", fn: core.erf, low: -5, high: 5 },
  { name: "sigmoid", fn: core.sigmoid, low: -80, high: 80 },
  { name: "sqrt", fn: core.sqrt, low: 0, high: 1e10 },
] as const;

Deno.test("functions keep to f32's last places", async () => {
  using backend = await softwareBackend();
  const scalar = createScalarBackend();
  for (const { name, fn, low, high } of RANGES) {
    using draws = core.rand([4000], { seed: 3, backend: scalar });
    const points = Float32Array.from(await draws.data(), (u) => low + u * (high - low));
    using x = core.tensor(points, { backend });
    using got = fn(x);
    using exact = core.tensor(Float64Array.from(points), { backend: scalar });
    using want = fn(exact);
    const [ours, theirs] = [await got.data(), await want.data()];
    points.forEach((point, i) => {
      const error = Math.abs(ours[i]! - theirs[i]!) / Math.abs(theirs[i]!);
      assert(error < 6e-7 || ours[i] === theirs[i], `${name}(${point}) is ${ours[i]}, want ${theirs[i]}`);
    });
  }
});
