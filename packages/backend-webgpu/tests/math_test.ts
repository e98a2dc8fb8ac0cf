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

Deno.test("sines and cosines near their zeros keep five digits", async () => {
  using backend = await softwareBackend();
  const points = Float32Array.from({ length: 651 }, (_, i) => (i + 1) * Math.PI / 2);
  using x = core.tensor(points, { backend });
  for (const [fn, exact] of [[core.sin, Math.sin], [core.cos, Math.cos]] as const) {
    using got = fn(x);
    const values = await got.data();
    points.forEach((point, i) => {
      const [value, want] = [Number(values[i]), exact(point)];
      assert(Math.abs(value - want) <= 5e-6 * Math.abs(want), `${fn.name}(${point}) is ${value}, want ${want}`);
    });
  }
});

Deno.test("exponentials reach the largest and the smallest normal numbers", async () => {
  using backend = await softwareBackend();
  const points = Float32Array.of(88.72, 88.5, 88.3762, -87.3, -87, 88.73, -104.5);
  using x = core.tensor(points, { backend });
  using got = core.exp(x);
  (await got.data()).forEach((value, i) => {
    const want = Math.fround(Math.exp(points[i]!));
    assert(value === want || Math.abs(value - want) <= 2e-7 * want, `exp(${points[i]}) is ${value}, want ${want}`);
  });
});

Deno.test("products and quotients of the smallest numbers, and of them with any", async () => {
  using backend = await softwareBackend();
  const numbers = [
    ...[0, -0, 1, -1.5, 1 / 3, 1e-30, Infinity, -Infinity, NaN, 3e38, -(2 ** 100), 2 ** 75],
    ...[2 ** -149, -77_777 * 2 ** -149, 2 ** -127, 2 ** -126, 1.7 * 2 ** -126],
  ];
  const [lefts, rights] = [numbers.flatMap((a) => numbers.map(() => a)), numbers.flatMap(() => numbers)];
  using a = core.tensor(Float32Array.from(lefts), { backend });
  using b = core.tensor(Float32Array.from(rights), { backend });
  for (const op of ["mul", "div"] as const) {
    using got = core[op](a, b);
    const [values, left, right] = [await got.data(), await a.data(), await b.data()];
    values.forEach((value, i) => {
      const want = Math.fround(op === "mul" ? left[i]! * right[i]! : left[i]! / right[i]!);
      const allowed = Math.abs(want) < 2 ** -126 ? 2 ** -126 : 1.2e-7 * Math.abs(want); // the device may take those for 0
      assert(Object.is(value, want) || Math.abs(value - want) <= allowed, `${op} ${left[i]} ${right[i]} is ${value}`);
    });
  }
});
