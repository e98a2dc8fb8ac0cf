/** Timing in rounds: each takes every case once, and a case's figure is the median over rounds. */

/** Something to time. */
export interface BenchCase {
  /** What it is. */
  readonly name: string;
  /** What the figure counts in. */
  readonly unit: string;
  /** What is hoped for, as people read it. */
  readonly goal?: string;
  /** Runs of `run` in one timing: more for short ones, so that the clock's grain does not show. */
  readonly repeats: number;
  /** The work, with its reading back. */
  readonly run: () => void | Promise<void>;
  /** From seconds a run, and those of the plain loop, to the figure. */
  readonly figure: (seconds: number, plainSeconds: number) => number;
}

/** A measured case. */
export interface Figure {
  /** What it is. */
  readonly name: string;
  /** The median. */
  readonly value: number;
  /** What it counts in. */
  readonly unit: string;
  /** What is hoped for. */
  readonly goal?: string;
}

const ROUNDS = 7;
const WARM_UP_MS = 200;

/** The middle one of an odd number of values; of an even one, the upper of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Elements of each array of the plain loop: small enough for the first cache, as a row of weights is. */
const PLAIN_LENGTH = 1536;
const PLAIN_ARRAYS = 64;

/** Multiply-adds of one run of the plain loop. */
export const PLAIN_MULTIPLY_ADDS = PLAIN_LENGTH * PLAIN_ARRAYS;

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The plain loop that ratios compare with: arrays come as parameters, and many are used, so none is a constant. */
function plainCase(): BenchCase {
  const arrays = Array.from({ length: PLAIN_ARRAYS + 1 }, () => new Float32Array(PLAIN_LENGTH).fill(0.5));
  let sink = 0;
  const run = (): void => {
    for (let i = 0; i < PLAIN_ARRAYS; i++) sink += dot(arrays[i]!, arrays[i + 1]!);
    if (Number.isNaN(sink)) throw new Error("the plain loop must not be optimised away");
  };
  const figure = (seconds: number): number => PLAIN_MULTIPLY_ADDS / seconds / 1e9;
  return { name: "plain f32 dot loop", unit: "G madd/s", repeats: 100, run, figure };
}

async function secondsPerRun({ repeats, run }: BenchCase): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) {
    const pending = run();
    if (pending !== undefined) await pending;
  }
  return (performance.now() - start) / 1000 / repeats;
}

async function warmUp(bench: BenchCase): Promise<void> {
  const end = performance.now() + WARM_UP_MS;
  do await secondsPerRun(bench); while (performance.now() < end);
}

/** Times all cases in rounds, the plain loop among them. */
export async function measure(cases: readonly BenchCase[]): Promise<Figure[]> {
  const all = [plainCase(), ...cases];
  const found: number[][] = all.map(() => []);
  for (const bench of all) await warmUp(bench);
  for (let round = 0; round < ROUNDS; round++) {
    let plainSeconds = NaN;
    for (const [i, bench] of all.entries()) {
      const seconds = await secondsPerRun(bench);
      if (i === 0) plainSeconds = seconds;
      found[i]!.push(bench.figure(seconds, plainSeconds));
    }
  }
  return all.map(({ name, unit, goal }, i) => ({
    name,
    value: median(found[i]!),
    unit,
    ...(goal !== undefined && { goal }),
  }));
}
