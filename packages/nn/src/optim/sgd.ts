/**
 * Stochastic gradient descent (`torch.optim.SGD`). With gradient g, weight decay w, momentum m and dampening d:
 *
 *   g <- g + w * p
 *   b <- m * b + (1 - d) * g      (b = g at the first step; only with momentum)
 *   p <- p - lr * b               (lr * (g + m * b) with nesterov; lr * g without momentum)
 */
import { ShapeError, type Tensor } from "../../../core/mod.ts";
import {
  checkNotNegative,
  Optimizer,
  type OptimizerOptions,
  type TrainedParameters,
  type Update,
  type UpdateRule,
} from "./optimizer.ts";

/** Settings of {@linkcode SGD}. */
export interface SGDOptions extends OptimizerOptions {
  /** Size of a step; 1e-3 when left out. */
  learningRate: number;
  /** Share of the last step that the next one keeps; 0 when left out. */
  momentum: number;
  /** Share of the gradient that does not enter the momentum; 0 when left out. */
  dampening: number;
  /** Whether to look ahead along the momentum; false when left out. */
  nesterov: boolean;
  /** Share of the parameter that is added to its gradient; 0 when left out. */
  weightDecay: number;
}

const RULE: UpdateRule<SGDOptions> = {
  name: "SGD",
  defaults: { learningRate: 1e-3, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 },
  check({ learningRate, momentum, dampening, nesterov, weightDecay }) {
    checkNotNegative("SGD", { learningRate, momentum, dampening, weightDecay });
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new ShapeError(
        `Cannot run SGD with nesterov, momentum ${momentum} and dampening ${dampening}: it needs momentum and no dampening`,
      );
    }
  },
  slots: ({ momentum }) => momentum === 0 ? [] : ["momentum_buffer"],
  update(value, gradient, slots, _step, { learningRate, momentum, dampening, nesterov, weightDecay }): Update {
    const decayed = weightDecay === 0 ? gradient : gradient.add(value.mul(weightDecay));
    if (momentum === 0) return { value: value.sub(decayed.mul(learningRate)), slots: {} };
    const before = slots["momentum_buffer"];
    const buffer: Tensor = before === undefined ? decayed : before.mul(momentum).add(decayed.mul(1 - dampening));
    const direction = nesterov ? decayed.add(buffer.mul(momentum)) : buffer;
    return { value: value.sub(direction.mul(learningRate)), slots: { momentum_buffer: buffer } };
  },
};

/**
 * Stochastic gradient descent, with momentum where asked for (`torch.optim.SGD`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { tensor, tidy } from "@heed/heed/core";
 * import { SGD } from "@heed/heed/nn";
 *
 * using x = tensor([4, -2], { backend: createScalarBackend() }).requiresGrad_();
 * using optimizer = new SGD([x], { learningRate: 0.25 });
 * tidy(() => x.square().sum()).backward(); // its gradient is 2x
 * optimizer.step();
 * assertEquals(await x.toArray(), [2, -1]);
 * ```
 */
export class SGD extends Optimizer<SGDOptions> {
  /**
   * Takes parameters, which stay their owner's; options hold for groups that do not have their own.
   *
   * @throws {ShapeError} when a setting is below 0, nesterov is asked for without momentum or with dampening, or a parameter
   * cannot be trained (see {@linkcode Optimizer})
   */
  constructor(parameters: TrainedParameters<SGDOptions>, options: Partial<SGDOptions> = {}) {
    super(RULE, parameters, options);
  }
}
