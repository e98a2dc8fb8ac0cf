/** The fast exponential, as `exp` and within softmax, beside that of doubles over all of its range. */
import { assert, assertEquals } from "@std/assert";
import { type Backend, type Tensor, tensor, tidy } from "../../core/mod.ts";
import { createWasmBackend } from "../mod.ts";

/** The relative error that crate/src/exp.rs promises. */
const BOUND = 2e-7;
/** Half of f32's smallest step, by which what is too small for the exponent is rounded. */
const HALF_STEP = 2 ** -150;

/** Every f32 in steps of 97 of their bits, of one sign, up to `end`. */
function spread(end: number, sign: number): Float32Array {
  const last = new Uint32Array(Float32Array.of(end).buffer)[0]!;
  const first = new Uint32Array(Float32Array.of(2 ** -30).buffer)[0]!;
  const bits = Uint32Array.from({ length: Math.floor((last - first) / 97) }, (_, i) => first + 97 * i);
  return new Float32Array(bits.buffer).map((x) => sign * x);
}

async function onEach(run: (backend: Backend) => Promise<void>): Promise<void> {
  for (const options of [{ build: "plain" }, { threads: 1 }] as const) {
    const backend = await createWasmBackend(options);
    await run(backend);
    backend.dispose();
  }
}

async function read(make: () => Tensor): Promise<Float32Array> {
  using out = tidy(make);
  const data = await out.data();
  assert(data instanceof Float32Array);
  return data;
}

Deno.test("exp is as near as its header says, from the smallest number to the largest", async () => {
  await onEach(async (backend) => {
    for (const values of [spread(88.72, 1), spread(104, -1)]) {
      const got = await read(() => tensor(values, { backend }).exp());
      let worst = 0;
      for (const [i, x] of values.entries()) {
        const want = Math.exp(x);
        const error = Math.abs(got[i]! - want);
        if (error > HALF_STEP) worst = Math.max(worst, error / want);
      }
      assert(worst <= BOUND, `the relative error is ${worst}`);
    }
    const ends = [0, -0, 89, -104, Infinity, -Infinity, NaN];
    const got = await read(() => tensor(ends, { backend }).exp());
    assertEquals([...got], [1, 1, Infinity, 0, Infinity, 0, NaN]);
  });
});

/** Rows of [0, x, x, x]: 1 and three times e^x, over their sum. */
Deno.test("the weights of softmax are as near, down to where they are nothing", async () => {
  await onEach(async (backend) => {
    const values = spread(87.3, -1).filter((_, i) => i % 8 === 0);
    const rows = Float32Array.from({ length: 4 * values.length }, (_, i) => i % 4 === 0 ? 0 : values[i >> 2]!);
    const got = await read(() => tensor(rows, { shape: [values.length, 4], backend }).softmax(-1));
    let worst = 0;
    for (const [i, x] of values.entries()) {
      const power = Math.exp(x);
      const sum = 1 + 3 * power;
      worst = Math.max(worst, Math.abs(got[4 * i]! * sum - 1), Math.abs(got[4 * i + 1]! / (power / sum) - 1));
    }
    assert(worst <= 2 * BOUND + 2 ** -22, `the relative error is ${worst}`); // numerator, sum, and three roundings
    const gone = await read(() => tensor([[0, -104], [0, -Infinity]], { backend }).softmax(-1));
    assertEquals([...gone], [1, 0, 1, 0]);
  });
});
