/**
 * Whole models from files.
 *
 * @module
 */
export { llamaConfigFromGguf, llamaConfigFromJson, llamaConfigToJson } from "./src/llama_config.ts";
export { ropeScalingFromJson, type RopeScalingOptions } from "./src/rope_config.ts";
export { loadModel, type LoadModelOptions, type ModelFiles } from "./src/load_model.ts";
export { type Checkpoint, convertCheckpoint, type ConvertCheckpointOptions } from "./src/convert_checkpoint.ts";
export {
  type ConvertedHeads,
  convertHeads,
  type ConvertHeadsOptions,
  type HeadConfig,
  type HeadMethod,
} from "./src/convert_heads.ts";
export { type CheckpointFile, tensorData, weightFiles, type WeightFilesOptions } from "./src/save_model.ts";
