/** Group `training`: optimisers, gradient clipping, schedules, and short runs of a tiny Llama. */
import { stack, type Tensor, tensor } from "../../../../core/mod.ts";
import { llamaConfigFromJson } from "../../../../models/mod.ts";
import {
  AdamW,
  clipGradNorm_,
  cosineWithWarmup,
  fromStateDict,
  gradNorm,
  LlamaForCausalLM,
  LrScheduler,
  type Schedule,
  type Scheduled,
  SGD,
} from "../../../../nn/mod.ts";
import { Attrs } from "../attrs.ts";
import type { Call, OpTable, Results } from "../call.ts";

/** Inputs of an object, by their names in it. */
function inputsWithin(c: Call, name: string): Map<string, Tensor> {
  const prefix = `${name}.`;
  const leaves = [...c.leaves].filter(([key]) => key.startsWith(prefix));
  return new Map(leaves.map(([key, leaf]) => [key.slice(prefix.length), leaf]));
}

/** Copies of inputs, which may be written to. */
function copies(inputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(Array.from(inputs, ([name, input]) => [name, input.clone()]));
}

function optimizerOf(attrs: Attrs, kind: string | undefined, parameters: Iterable<Tensor>): AdamW | SGD {
  const learningRate = attrs.number("lr");
  const weightDecay = attrs.number("weight_decay");
  if (kind === "SGD") return new SGD(parameters, { learningRate, momentum: attrs.number("momentum"), weightDecay });
  if (kind !== "AdamW") throw new Error(`the vector's optimizer is ${kind}`);
  const [beta1, beta2] = attrs.numbers("betas");
  return new AdamW(parameters, { learningRate, betas: [beta1!, beta2!], eps: attrs.number("eps"), weightDecay });
}

function scheduleOf(attrs: Attrs): Schedule {
  if (attrs.text("kind") !== "cosine_with_warmup") throw new Error(`the vector's schedule is ${attrs.text("kind")}`);
  return cosineWithWarmup({
    warmupSteps: attrs.number("warmup_steps"),
    totalSteps: attrs.number("total_steps"),
    cycles: attrs.maybeNumber("num_cycles"),
  });
}

function named(prefix: string, tensors: Iterable<readonly [string, Tensor]>): Results {
  return Object.fromEntries(Array.from(tensors, ([name, value]) => [`${prefix}.${name}`, value]));
}

/** Gradients as given, one list a step. */
function optimizer(c: Call): Results {
  const params = copies(inputsWithin(c, "params"));
  for (const parameter of params.values()) parameter.requiresGrad_();
  using optimizer = optimizerOf(c.attrs, c.attrs.text("kind"), params.values());
  for (let step = 0; step < c.attrs.number("steps"); step++) {
    for (const [name, gradient] of inputsWithin(c, `grads.${step}`)) params.get(name)!.backward({ gradient });
    optimizer.step();
    optimizer.zeroGrad();
  }
  return named("params", params);
}

/** Any tensors of the gradients' shapes serve as parameters. */
function clipGradNorm(c: Call): Promise<Results> {
  const grads = c.list("grads");
  const parameters = grads.map((grad) => grad.clone().requiresGrad_());
  parameters.forEach((parameter, i) => parameter.backward({ gradient: grads[i]! }));
  const total = clipGradNorm_(parameters, c.attrs.number("max_norm"));
  const clipped = parameters.map((parameter) => parameter.grad!.clone());
  for (const tensor of [...grads, ...parameters]) tensor.dispose();
  return Promise.resolve({ total_norm: total, grads: clipped });
}

/** The vectors go on for two steps after the last one. */
function schedule(c: Call): Results {
  const optimizer: Scheduled = { groups: [{ learningRate: c.attrs.number("base_lr") }] };
  const scheduler = new LrScheduler(optimizer, scheduleOf(c.attrs));
  const rates: number[] = [];
  for (let step = 0; step < c.attrs.number("total_steps") + 2; step++) {
    rates.push(optimizer.groups[0]!.learningRate);
    scheduler.step();
  }
  return { lr: tensor(rates, { backend: c.backend, dtype: "f32" }) };
}

/** A training loop as one writes it. */
function lmTraining(c: Call): Results {
  const { attrs } = c;
  const config = llamaConfigFromJson({ model_type: "llama", ...Object(attrs.raw("config")) });
  const model = new LlamaForCausalLM(config, fromStateDict(copies(inputsWithin(c, "state_dict")))).requiresGrad_();
  using optimizer = optimizerOf(attrs, attrs.text("optimizer"), model.parameters());
  const scheduler = attrs.has("schedule")
    ? new LrScheduler(optimizer, scheduleOf(attrs.within("schedule")))
    : undefined;
  const maxNorm = attrs.maybeNumber("max_grad_norm");
  const losses: Tensor[] = [];
  const norms: Tensor[] = [];
  for (const batch of c.list("batches")) {
    const loss = model.loss(batch, batch);
    loss.backward();
    const parameters = model.parameters();
    norms.push(maxNorm === undefined ? gradNorm(parameters) : clipGradNorm_(parameters, maxNorm));
    optimizer.step();
    scheduler?.step();
    optimizer.zeroGrad();
    losses.push(loss.detach());
  }
  return { losses: stack(losses), grad_norms: stack(norms), ...named("params", model.stateDict()) };
}

/** Mappings of group `training`. */
export const TRAINING_OPS: OpTable = {
  optimizer,
  clip_grad_norm: { runAsync: clipGradNorm }, // its output is called grads, which the runner would ask of an op's graph
  schedule,
  lm_training: lmTraining,
};
