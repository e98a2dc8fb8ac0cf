/** Logit filters against the golden vectors of group `sampling`, and the draw. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../core/src/errors.ts";
import { filterLogits, type FilterOptions, sampleToken } from "../mod.ts";
import { integers } from "./texts.ts";

const VECTORS = new URL("../../conformance/vectors/", import.meta.url);

interface Case {
  readonly name: string;
  readonly attrs: Readonly<Record<"temperature" | "top_k" | "top_p" | "min_p" | "repetition_penalty", number | null>>;
  readonly inputs: { readonly logits: string; readonly input_ids?: string };
  readonly outputs?: { readonly logits: string; readonly probs: string };
  readonly error?: string;
  readonly rtol: number;
  readonly atol: number;
}

/** The rows of the 2-D tensors of a safetensors file, by key: f32 or i64. */
function readRows(bytes: Uint8Array): (key: string) => number[][] {
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  return (key) => {
    const { dtype, shape: [rows, columns], data_offsets: [start, end] } = header[key];
    const data = bytes.slice(8 + headerLength + start, 8 + headerLength + end).buffer;
    const flat = dtype === "F32" ? [...new Float32Array(data)] : Array.from(new BigInt64Array(data), Number);
    return Array.from({ length: rows }, (_, row) => flat.slice(row * columns, (row + 1) * columns));
  };
}

function optionsOf({ attrs }: Case): FilterOptions {
  const entries = {
    temperature: attrs.temperature,
    topK: attrs.top_k,
    topP: attrs.top_p,
    minP: attrs.min_p,
    repetitionPenalty: attrs.repetition_penalty,
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== null));
}

const manifest: { cases: Case[] } = JSON.parse(Deno.readTextFileSync(new URL("sampling.json", VECTORS)));
const rowsOf = readRows(Deno.readFileSync(new URL("sampling.safetensors", VECTORS)));

for (const vector of manifest.cases) {
  Deno.test(`filterLogits gives the golden vector ${vector.name}`, () => {
    const { inputs, outputs, rtol, atol } = vector;
    const ids = inputs.input_ids === undefined ? [] : rowsOf(inputs.input_ids);
    for (const [row, logits] of rowsOf(inputs.logits).entries()) {
      const run = () => filterLogits(Float32Array.from(logits), optionsOf(vector), ids[row]);
      if (outputs === undefined) {
        assertThrows(run, ShapeError, "Cannot sample with ");
        continue;
      }
      const got = run();
      const want = rowsOf(outputs.logits)[row]!;
      const close = want.every((value, id) =>
        value === got[id] || Math.abs(got[id]! - value) <= atol + rtol * Math.abs(value)
      );
      assert(close, `row ${row}: got ${got}, want ${want}`);
    }
  });
}

Deno.test("the golden vectors of sampling are 21", () => assertEquals(manifest.cases.length, 21));

Deno.test("options out of their range are named", () => {
  const refused = (options: FilterOptions, message: string) =>
    assertThrows(() => filterLogits(Float32Array.of(1), options), ShapeError, `Cannot sample with ${message}`);
  refused({ temperature: 0 }, "temperature 0: it must be positive and finite");
  refused({ temperature: Infinity }, "temperature Infinity: it must be positive and finite");
  refused({ repetitionPenalty: NaN }, "repetitionPenalty NaN: it must be positive and finite");
  refused({ topK: 1.5 }, "topK 1.5: it must be a positive integer");
  refused({ topP: 1.5 }, "topP 1.5: it must be between 0 and 1");
  refused({ minP: NaN }, "minP NaN: it must be between 0 and 1");
  const drawn = (seed: number, step: number) => () => sampleToken(Float32Array.of(1), { seed }, step);
  assertThrows(
    drawn(-1, 0),
    ShapeError,
    "Cannot sample with seed -1: it must be an integer from 0 to 9007199254740991",
  );
  assertThrows(drawn(0, 0.5), ShapeError, "Cannot sample with step 0.5: it must be an integer from 0 to 4294967295");
  assertThrows(
    () => sampleToken(Float32Array.of(1), { row: 2 ** 32 }, 0),
    ShapeError,
    "Cannot sample with row 4294967296: it must be an integer from 0 to 4294967295",
  );
  assertThrows(() => sampleToken(Float32Array.of(1), { temperature: -1 }, 0), ShapeError, "temperature -1");
});

Deno.test("options that there are none of are refused", () => {
  const logits = Float32Array.of(1, 2);
  const filter = (options: object) => () => filterLogits(logits, options);
  const sample = (options: object) => () => sampleToken(logits, options, 0);
  const filterNames = "temperature, topK, topP, minP, repetitionPenalty";
  const refused = (make: () => unknown, message: string) =>
    assertEquals(assertThrows(make, ShapeError).message, `Cannot ${message}`);
  refused(filter({ top_p: 0.5 }), 'filter logits with an option "top_p": there is none; use topP');
  refused(filter({ topp: 0.5 }), `filter logits with an option "topp": there is none; use ${filterNames}`);
  refused(sample({ min_p: 0.5 }), 'sample with an option "min_p": there is none; use minP');
  refused(
    sample({ temprature: 0 }),
    `sample with an option "temprature": there is none; use ${filterNames}, seed, row`,
  );
});

Deno.test("logits that cannot be sampled are refused", () => {
  const sample = (logits: number[], temperature: number) => () =>
    sampleToken(Float32Array.from(logits), { temperature }, 0);
  for (const temperature of [0, 1]) {
    assertThrows(sample([1, NaN], temperature), ShapeError, "Cannot sample: logit 1 is NaN");
    assertThrows(sample([-Infinity, -Infinity], temperature), ShapeError, "Cannot sample: every logit is -Infinity");
    assertThrows(sample([], temperature), ShapeError, "Cannot sample: there are no logits");
  }
  const penalized = () => filterLogits(Float32Array.of(1, 2), { repetitionPenalty: 2 }, [2]);
  assertThrows(penalized, ShapeError, "Cannot penalize id 2: the vocabulary has ids 0 to 1");
});

Deno.test("the given logits are not changed, and no options change nothing", () => {
  const logits = Float32Array.of(3, 1, 2);
  filterLogits(logits, { topK: 1, temperature: 0.5 });
  assertEquals(logits, Float32Array.of(3, 1, 2));
  assertEquals(filterLogits(logits, { topP: 1, minP: 0, topK: 3 }), logits);
});

Deno.test("top-p cuts ties, keeping the first; top-k keeps ties", () => {
  const flat = new Float32Array(4);
  assertEquals(filterLogits(flat, { topP: 0.5 }), Float32Array.of(0, 0, -Infinity, -Infinity));
  assertEquals(filterLogits(flat, { topP: 0 }), Float32Array.of(0, -Infinity, -Infinity, -Infinity));
  assertEquals(filterLogits(flat, { topK: 2 }), flat);
});

Deno.test("temperature 0 takes the largest logit, the first of equals, after the penalty", () => {
  assertEquals(sampleToken(Float32Array.of(-Infinity, 2, 5, 5), { temperature: 0, topK: 1 }, 9), 2);
  assertEquals(sampleToken(Float32Array.of(4, 5), { temperature: 0, repetitionPenalty: 2 }, 0, [1]), 0);
});

Deno.test("an infinite logit takes all", () => {
  for (let step = 0; step < 20; step++) {
    assertEquals(sampleToken(Float32Array.of(1, Infinity, 2), { topP: 0.9, minP: 0.1 }, step), 1);
  }
});

Deno.test("the same seed and step draw alike; others draw otherwise", () => {
  const logits = new Float32Array(1000);
  const draws = (seed: number) => Array.from({ length: 20 }, (_, step) => sampleToken(logits, { seed }, step));
  assertEquals(draws(1), draws(1));
  for (const seed of [0, 2, 1 + 2 ** 32]) assert(draws(seed).join() !== draws(1).join(), `seed ${seed}`);
  // Threefry's known answer for key 0 and counter 0: its top 24 bits are 0x6b2001, 0.41845… of 2^24.
  assertEquals(sampleToken(logits, {}, 0), 418);
});

Deno.test("rows draw independently, and row 0 is what is drawn without a row", () => {
  const logits = new Float32Array(1000);
  const draws = (row: number) => Array.from({ length: 20 }, (_, step) => sampleToken(logits, { seed: 3, row }, step));
  assertEquals(draws(0), Array.from({ length: 20 }, (_, step) => sampleToken(logits, { seed: 3 }, step)));
  assertEquals(draws(5), draws(5));
  assertEquals(new Set([0, 1, 2, 5, 2 ** 32 - 1].map((row) => draws(row).join())).size, 5);
  // The counter's two words are not added up.
  assert(sampleToken(logits, { row: 1 }, 0) !== sampleToken(logits, { row: 0 }, 1));
});

Deno.test("draws follow the probabilities (seed 11)", () => {
  const probabilities = [0.5, 0.25, 0, 0.2, 0.05];
  const logits = Float32Array.from(probabilities, Math.log);
  const counts = probabilities.map(() => 0);
  for (let step = 0; step < 20_000; step++) counts[sampleToken(logits, { seed: 11 }, step)]!++;
  // Three standard deviations are 0.0107 at most.
  probabilities.forEach((probability, id) => assertAlmostEquals(counts[id]! / 20_000, probability, 0.011));
});

Deno.test("what a filter leaves is what is drawn (seed 12)", () => {
  const next = integers(12);
  for (let round = 0; round < 500; round++) {
    const logits = Float32Array.from({ length: 1 + next(30) }, () => (next(1000) - 500) / 50);
    const options = {
      topK: 1 + next(10),
      topP: next(101) / 100,
      minP: next(101) / 100,
      temperature: (1 + next(20)) / 10,
    };
    const filtered = filterLogits(logits, options);
    assert(filtered.some((logit) => logit > -Infinity));
    assert(filtered[sampleToken(logits, { ...options, seed: round }, round)]! > -Infinity);
  }
});

Deno.test("a temperature next to 0 takes the largest logit, however large or small that is", () => {
  const rows = [[1, 3, 2.999, -Infinity], [-5, -4, -9, -3.4e38], [1, 3e38, 2e38, 0], [0, Infinity, 1, 2]];
  for (const temperature of [5e-324, 1e-46, 1e-40, 1e-38, 1e-30]) {
    for (const row of rows) {
      const drawn = [0, 1, 2, 3, 4].map((step) => sampleToken(Float32Array.from(row), { temperature }, step));
      assertEquals(drawn, [1, 1, 1, 1, 1], `temperature ${temperature} of ${row}`);
    }
  }
  assertEquals(filterLogits(Float32Array.of(2, 3, 3), { temperature: 1e-40 }), Float32Array.of(-Infinity, 0, 0));
  const huge = Float32Array.of(2 ** 127, 1.5 * 2 ** 127);
  assertEquals(filterLogits(huge, { temperature: 0.5 }), Float32Array.of(-(2 ** 127), 0));
  const none = new Float32Array(2).fill(-Infinity);
  assertThrows(() => sampleToken(none, { temperature: 1e-40 }, 0), ShapeError, "every logit is -Infinity");
});
