/**
 * Layers with PyTorch's parameter names, and Llama in Hugging Face's module tree.
 *
 * @module
 */
export * from "./src/embedding.ts";
export * from "./src/grouped_query_attention.ts";
/** Initialisers of parameters (`torch.nn.init`). */
export * as init from "./src/init.ts";
export type { Initializer, InitializerOptions } from "./src/init.ts";
export * from "./src/linear.ts";
export * from "./src/llama.ts";
export * from "./src/llama_attention.ts";
export type { LlamaConfig } from "./src/llama_config.ts";
export * from "./src/llama_decoder_layer.ts";
export { LlamaMLP } from "./src/llama_mlp.ts";
export * from "./src/llama_model.ts";
export { Module } from "./src/module.ts";
export * from "./src/multihead_gqa.ts";
export { LayerNorm, type NormOptions, RMSNorm } from "./src/norm.ts";
export { AdamW, type AdamWOptions } from "./src/optim/adamw.ts";
export { clipGradNorm_, type ClipGradNormOptions, gradNorm } from "./src/optim/clip.ts";
export {
  Optimizer,
  type OptimizerGroup,
  type OptimizerOptions,
  type ParameterGroup,
  type TrainedParameters,
  type Update,
  type UpdateRule,
} from "./src/optim/optimizer.ts";
export type { OptimizerStateDict, Slots } from "./src/optim/optimizer_state.ts";
export * from "./src/optim/schedule.ts";
export { SGD, type SGDOptions } from "./src/optim/sgd.ts";
export {
  fromStateDict,
  initialized,
  type InitializedOptions,
  type ParameterSource,
  within,
} from "./src/parameter_source.ts";
export * from "./src/self_attention.ts";
