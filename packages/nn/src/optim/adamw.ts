/**
 * AdamW: Adam with weight decay apart from the gradient (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
 * algorithm 2; `torch.optim.AdamW`). With gradient g at step t:
 *
 *   p <- p - lr * w * p
 *   m <- b1 * m + (1 - b1) * g
 *   v <- b2 * v + (1 - b2) * g^2
 *   p <- p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 */
import { ShapeError, type Tensor } from "../../../core/mod.ts";
import { showValue } from "../../../core/src/errors.ts";
import {
  checkNotNegative,
  Optimizer,
  type OptimizerOptions,
  type TrainedParameters,
  type Update,
  type UpdateRule,
} from "./optimizer.ts";

/** Settings of {@linkcode AdamW}. */
export interface AdamWOptions extends OptimizerOptions {
  /** Size of a step; 1e-3 when left out. */
  learningRate: number;
  /** How long the means of the gradient and of its square remember; 0.9 and 0.999 when left out. */
  betas: readonly [number, number];
  /** Added to the root of the mean square; 1e-8 when left out. */
  eps: number;
  /** Share of the parameter that a step of learning rate 1 takes away; 0.01 when left out. */
  weightDecay: number;
}

const RULE: UpdateRule<AdamWOptions> = {
  name: "AdamW",
  defaults: { learningRate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 },
  check({ learningRate, betas, eps, weightDecay }) {
    checkNotNegative("AdamW", { learningRate, eps, weightDecay });
    if (Array.isArray(betas) && betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1)) return;
    throw new ShapeError(`Cannot run AdamW with betas ${showValue(betas)}: both are at least 0 and below 1`);
  },
  slots: () => ["exp_avg", "exp_avg_sq"],
  update(value, gradient, slots, step, { learningRate, betas: [beta1, beta2], eps, weightDecay }): Update {
    const mean = runningMean(slots["exp_avg"], gradient, beta1);
    const square = runningMean(slots["exp_avg_sq"], gradient.square(), beta2);
    const scale = square.sqrt().div(Math.sqrt(1 - beta2 ** step)).add(eps);
    const decayed = value.mul(1 - learningRate * weightDecay);
    return {
      value: decayed.sub(mean.div(scale).mul(learningRate / (1 - beta1 ** step))),
      slots: { exp_avg: mean, exp_avg_sq: square },
    };
  },
};

/** `beta * before + (1 - beta) * now`, from 0. */
function runningMean(before: Tensor | undefined, now: Tensor, beta: number): Tensor {
  const share = now.mul(1 - beta);
  return before === undefined ? share : before.mul(beta).add(share);
}

/**
 * Adam with decoupled weight decay (`torch.optim.AdamW`).
 *
 * @example A training step of a language model
 * ```ts
 * import { assert } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { tensor } from "@heed/heed/core";
 * import { AdamW, clipGradNorm_, cosineWithWarmup, initialized, LlamaForCausalLM, LrScheduler } from "@heed/heed/nn";
 *
 * const backend = createScalarBackend();
 * const config = {
 *   ...{ vocabSize: 11, hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 1, maxPositionEmbeddings: 16 },
 *   ...{ numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4, rmsNormEps: 1e-5, ropeTheta: 10000 },
 *   ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true },
 * };
 * using model = new LlamaForCausalLM(config, initialized({ backend, seed: 1 })).requiresGrad_();
 * using ids = tensor(Int32Array.of(3, 1, 4, 1, 5), { shape: [1, 5], backend });
 *
 * using optimizer = new AdamW(model.parameters(), { learningRate: 0.01 });
 * const scheduler = new LrScheduler(optimizer, cosineWithWarmup({ warmupSteps: 1, totalSteps: 10 }));
 * const losses: number[] = [];
 * for (let step = 0; step < 10; step++) {
 *   using loss = model.loss(ids, ids);
 *   loss.backward();
 *   using _norm = clipGradNorm_(model.parameters(), 1);
 *   optimizer.step();
 *   scheduler.step();
 *   optimizer.zeroGrad();
 *   losses.push(await loss.item());
 * }
 * assert(losses.at(-1)! < losses[0]!);
 * ```
 */
export class AdamW extends Optimizer<AdamWOptions> {
  /**
   * Takes parameters, which stay their owner's; options hold for groups that do not have their own.
   *
   * @throws {ShapeError} when the learning rate, eps or weight decay is below 0, a beta lies outside [0, 1), or a parameter
   * cannot be trained (see {@linkcode Optimizer})
   */
  constructor(parameters: TrainedParameters<AdamWOptions>, options: Partial<AdamWOptions> = {}) {
    super(RULE, parameters, options);
  }
}
