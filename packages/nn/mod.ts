/**
 * Layers with PyTorch's parameter names, and Llama in Hugging Face's module tree.
 *
 * @module
 */
export { Embedding, Linear, RMSNorm } from "./src/layers.ts";
export * from "./src/llama.ts";
export { Module, type ParameterSource } from "./src/module.ts";
