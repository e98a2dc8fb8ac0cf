/** Schedules as pure functions, and the scheduler that applies them. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../core/mod.ts";
import { constantWithWarmup, cosineWithWarmup, linearWithWarmup, LrScheduler } from "../mod.ts";

Deno.test("every schedule rises from 0 over the warm-up", () => {
  const options = { warmupSteps: 4, totalSteps: 8 };
  for (const schedule of [constantWithWarmup(options), linearWithWarmup(options), cosineWithWarmup(options)]) {
    assertEquals([0, 1, 2, 3, 4].map(schedule), [0, 0.25, 0.5, 0.75, 1]);
  }
});

Deno.test("after it they are constant, linear, or a cosine", () => {
  const options = { warmupSteps: 4, totalSteps: 8 };
  assertEquals([5, 8, 100].map(constantWithWarmup(options)), [1, 1, 1]);
  assertEquals([5, 6, 7, 8, 100].map(linearWithWarmup(options)), [0.75, 0.5, 0.25, 0, 0]);
  const cosine = [4, 5, 6, 7, 8].map(cosineWithWarmup(options));
  const want = [1, (1 + Math.SQRT1_2) / 2, 0.5, (1 - Math.SQRT1_2) / 2, 0];
  cosine.forEach((factor, i) => assertAlmostEquals(factor, want[i]!, 1e-15));
  const twice = [4, 5, 6, 7, 8].map(cosineWithWarmup({ ...options, cycles: 2 }));
  twice.forEach((factor, i) => assertAlmostEquals(factor, [1, 0, 1, 0, 1][i]!, 1e-15));
});

Deno.test("without a warm-up, and without a single step, the rate starts at 1", () => {
  for (const totalSteps of [0, 10]) {
    const options = { warmupSteps: 0, totalSteps };
    assertEquals(cosineWithWarmup(options)(0), 1);
    assertEquals(linearWithWarmup(options)(0), totalSteps === 0 ? 0 : 1); // transformers': nothing is left to go
    assertEquals(constantWithWarmup(options)(0), 1);
  }
});

Deno.test("wrong schedules are refused", () => {
  const refuse = (make: () => unknown, message: string) => {
    assertEquals(assertThrows(make, ShapeError).message, message);
  };
  const why = "both are whole numbers, and the warm-up is part of the run";
  refuse(
    () => cosineWithWarmup({ warmupSteps: 9, totalSteps: 8 }),
    `Cannot cosineWithWarmup of 9 in 8 steps: ${why}`,
  );
  refuse(
    () => linearWithWarmup({ warmupSteps: 1, totalSteps: 8.5 }),
    `Cannot linearWithWarmup of 1 in 8.5 steps: ${why}`,
  );
  refuse(
    () => constantWithWarmup({ warmupSteps: -1 }),
    "Cannot constantWithWarmup of -1 steps: it is a whole number of at least 0",
  );
  refuse(
    () => cosineWithWarmup({ warmupSteps: 1, totalSteps: 8, cycles: -1 }),
    "Cannot cosineWithWarmup with cycles -1: it is a finite number of at least 0",
  );
});

Deno.test("the scheduler sets every group's rate from its own base", () => {
  const optimizer = { groups: [{ learningRate: 1 }, { learningRate: 8 }] };
  const scheduler = new LrScheduler(optimizer, linearWithWarmup({ warmupSteps: 2, totalSteps: 4 }));
  const rates: number[][] = [];
  for (let step = 0; step < 5; step++) {
    rates.push(optimizer.groups.map((group) => group.learningRate));
    assertEquals(scheduler.lastLearningRate, rates.at(-1));
    scheduler.step();
  }
  assertEquals(rates, [[0, 0], [0.5, 4], [1, 8], [0.5, 4], [0, 0]]);
});

Deno.test("a scheduler goes on from its state, whatever rate it meets", () => {
  const schedule = cosineWithWarmup({ warmupSteps: 2, totalSteps: 10 });
  const first = { groups: [{ learningRate: 0.5 }] };
  const scheduler = new LrScheduler(first, schedule);
  for (let step = 0; step < 5; step++) scheduler.step();
  const second = { groups: [{ learningRate: first.groups[0]!.learningRate }] };
  const resumed = new LrScheduler(second, schedule);
  resumed.loadStateDict(JSON.parse(JSON.stringify(scheduler.stateDict())));
  for (let step = 0; step < 3; step++) {
    assertEquals(second, first);
    resumed.step();
    scheduler.step();
  }
});

Deno.test("a scheduler's state that does not fit is refused", () => {
  const optimizer = { groups: [{ learningRate: 1 }] };
  const scheduler = new LrScheduler(optimizer, constantWithWarmup({ warmupSteps: 0 }));
  const refuse = (lastStep: number, baseLearningRates: number[], message: string) => {
    const error = assertThrows(() => scheduler.loadStateDict({ lastStep, baseLearningRates }), ShapeError);
    assertEquals(error.message, message);
  };
  refuse(1, [1, 2], "Cannot load the state of LrScheduler for 2 groups into 1: they differ");
  refuse(-1, [1], "Cannot load the state of LrScheduler at step -1: steps are whole numbers of at least 0");
  assertEquals(scheduler.stateDict(), { lastStep: 0, baseLearningRates: [1] });
});
