/**
 * Learning-rate schedules: pure functions from the step, counted from 0, to a factor of the base rate, as transformers'
 * `get_cosine_schedule_with_warmup` and its siblings, and the scheduler that applies one (`torch.optim.lr_scheduler.LambdaLR`).
 * All rise from 0 over W warm-up steps, `step / W`, and then with `x = (step - W) / (N - W)` follow
 *
 *   cosine    (1 + cos(2 pi * cycles * x)) / 2
 *   linear    1 - x
 *   constant  1
 */
import { ShapeError } from "../../../core/mod.ts";
import { checkNames } from "../../../core/src/errors.ts";

/** The factor of the base learning rate at a step, counted from 0. */
export type Schedule = (step: number) => number;

/** Settings of {@linkcode constantWithWarmup}. */
export interface WarmupOptions {
  /** Steps over which the rate rises from 0. */
  readonly warmupSteps: number;
}

/** Settings of {@linkcode linearWithWarmup}. */
export interface DecayOptions extends WarmupOptions {
  /** Steps of the whole run, the warm-up among them. */
  readonly totalSteps: number;
}

/** Settings of {@linkcode cosineWithWarmup}. */
export interface CosineOptions extends DecayOptions {
  /** Waves of the cosine; 0.5, from 1 down to 0, when left out. */
  readonly cycles?: number | undefined;
}

const DECAY = { warmupSteps: true, totalSteps: true } as const satisfies Record<keyof DecayOptions, true>;
const COSINE = { ...DECAY, cycles: true } as const satisfies Record<keyof CosineOptions, true>;
const FOREIGN = { num_warmup_steps: "warmupSteps", num_training_steps: "totalSteps", num_cycles: "cycles" };

function isCount(steps: number): boolean {
  return Number.isSafeInteger(steps) && steps >= 0;
}

function checkSteps(op: string, { warmupSteps, totalSteps }: DecayOptions): void {
  if (isCount(warmupSteps) && isCount(totalSteps) && warmupSteps <= totalSteps) return;
  throw new ShapeError(
    `Cannot ${op} of ${warmupSteps} in ${totalSteps} steps: both are whole numbers, and the warm-up is part of the run`,
  );
}

/** A rise over the first steps, then `after`. */
function warmup(warmupSteps: number, after: Schedule): Schedule {
  return (step) => step < warmupSteps ? step / warmupSteps : after(step);
}

/**
 * A rise, then 1 (`get_constant_schedule_with_warmup`).
 *
 * @throws {ShapeError} when the steps are no whole number of at least 0
 */
export function constantWithWarmup(options: WarmupOptions): Schedule {
  checkNames("constantWithWarmup", options, DECAY, FOREIGN); // a run may have a length, whatever its schedule
  const { warmupSteps } = options;
  if (!isCount(warmupSteps)) {
    throw new ShapeError(`Cannot constantWithWarmup of ${warmupSteps} steps: it is a whole number of at least 0`);
  }
  return warmup(warmupSteps, () => 1);
}

/**
 * A rise, then a line down to 0 at the last step and after it (`get_linear_schedule_with_warmup`).
 *
 * @throws {ShapeError} when the steps are no whole numbers of at least 0, or the warm-up is longer than the run
 */
export function linearWithWarmup(options: DecayOptions): Schedule {
  checkNames("linearWithWarmup", options, DECAY, FOREIGN);
  const { warmupSteps, totalSteps } = options;
  checkSteps("linearWithWarmup", options);
  return warmup(warmupSteps, (step) => Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps)));
}

/**
 * A rise, then a cosine (`get_cosine_schedule_with_warmup`). It goes on past the last step, and so rises again there.
 *
 * @throws {ShapeError} when the steps are no whole numbers of at least 0, the warm-up is longer than the run, or cycles is
 * below 0
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cosineWithWarmup } from "@heed/heed/nn";
 *
 * const schedule = cosineWithWarmup({ warmupSteps: 2, totalSteps: 10 });
 * assertEquals([0, 1, 2, 6, 10].map(schedule), [0, 0.5, 1, 0.5, 0]);
 * ```
 */
export function cosineWithWarmup(options: CosineOptions): Schedule {
  checkNames("cosineWithWarmup", options, COSINE, FOREIGN);
  const { warmupSteps, totalSteps, cycles = 0.5 } = options;
  checkSteps("cosineWithWarmup", options);
  if (!(cycles >= 0 && cycles < Infinity)) {
    throw new ShapeError(`Cannot cosineWithWarmup with cycles ${cycles}: it is a finite number of at least 0`);
  }
  return warmup(warmupSteps, (step) => {
    const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return Math.max(0, (1 + Math.cos(2 * Math.PI * cycles * progress)) / 2);
  });
}

/** What a scheduler sets: an optimiser, or anything with groups that have a learning rate. */
export interface Scheduled {
  /** The groups. */
  readonly groups: readonly { learningRate: number }[];
}

/** What a scheduler resumes from; plain JSON. */
export interface LrSchedulerState {
  /** The step whose rates hold. */
  readonly lastStep: number;
  /** Rates at factor 1, by group. */
  readonly baseLearningRates: readonly number[];
}

/**
 * Sets an optimiser's learning rates to `base * schedule(step)`, from step 0 on (`torch.optim.lr_scheduler.LambdaLR`). The
 * base rates are those that the groups have when it is made. Call `step()` after the optimiser's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { zeros } from "@heed/heed/core";
 * import { constantWithWarmup, LrScheduler, SGD } from "@heed/heed/nn";
 *
 * using x = zeros([2], { backend: createScalarBackend() }).requiresGrad_();
 * using optimizer = new SGD([x], { learningRate: 0.5 });
 * const scheduler = new LrScheduler(optimizer, constantWithWarmup({ warmupSteps: 2 }));
 * assertEquals(optimizer.learningRate, 0);
 * optimizer.step();
 * scheduler.step();
 * assertEquals(optimizer.learningRate, 0.25);
 * ```
 */
export class LrScheduler {
  readonly #optimizer: Scheduled;
  readonly #schedule: Schedule;
  #baseLearningRates: readonly number[];
  #lastStep = 0;

  /** Sets the rates of step 0. */
  constructor(optimizer: Scheduled, schedule: Schedule) {
    this.#optimizer = optimizer;
    this.#schedule = schedule;
    this.#baseLearningRates = optimizer.groups.map((group) => group.learningRate);
    this.#apply();
  }

  /** The rates it set last, by group. */
  get lastLearningRate(): number[] {
    const factor = this.#schedule(this.#lastStep);
    return this.#baseLearningRates.map((base) => base * factor);
  }

  /** Goes on to the next step and sets its rates. */
  step(): void {
    this.#lastStep++;
    this.#apply();
  }

  /** What it resumes from; the schedule itself is not in it. */
  stateDict(): LrSchedulerState {
    return { lastStep: this.#lastStep, baseLearningRates: [...this.#baseLearningRates] };
  }

  /**
   * Goes on from a state, and sets its rates.
   *
   * @throws {ShapeError} when it is of another number of groups, or its step is no whole number of at least 0
   */
  loadStateDict(state: LrSchedulerState): void {
    const { lastStep, baseLearningRates } = state;
    const count = this.#optimizer.groups.length;
    if (baseLearningRates.length !== count) {
      throw new ShapeError(
        `Cannot load the state of LrScheduler for ${baseLearningRates.length} groups into ${count}: they differ`,
      );
    }
    if (!Number.isSafeInteger(lastStep) || lastStep < 0) {
      throw new ShapeError(
        `Cannot load the state of LrScheduler at step ${lastStep}: steps are whole numbers of at least 0`,
      );
    }
    this.#lastStep = lastStep;
    this.#baseLearningRates = [...baseLearningRates];
    this.#apply();
  }

  #apply(): void {
    this.lastLearningRate.forEach((rate, i) => this.#optimizer.groups[i]!.learningRate = rate);
  }
}
