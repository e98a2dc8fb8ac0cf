/**
 * Whole models from files.
 *
 * @module
 */
export { llamaConfigFromGguf, llamaConfigFromJson } from "./src/llama_config.ts";
export { loadModel, type LoadModelOptions, type ModelFiles } from "./src/load_model.ts";
