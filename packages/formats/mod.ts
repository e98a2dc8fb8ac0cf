/**
 * Model files: safetensors and GGUF, read by pieces from memory, a Blob or a URL, and safetensors written. Headers are
 * checked in full before anything is loaded; a bad one gives a {@linkcode FormatError}.
 *
 * @module
 */
export { FormatError, type FormatErrorDetails } from "./src/format_error.ts";
export { type ByteSource, bytesSource, checkRange } from "./src/byte_source.ts";
export { blobSource } from "./src/blob_source.ts";
export { urlSource, type UrlSourceOptions } from "./src/url_source.ts";
export {
  findTensor,
  type GgufValue,
  type StreamOptions,
  streamTensor,
  type TensorEntry,
  type TensorFile,
} from "./src/tensor_file.ts";
export { openSafetensors } from "./src/safetensors.ts";
export { type OpenFile, openShardedSafetensors } from "./src/safetensors_sharded.ts";
export { safetensorsByteLength, type TensorData, writeSafetensors } from "./src/safetensors_writer.ts";
export { openGguf } from "./src/gguf.ts";
export { type LoadManyOptions, type LoadOptions, type LoadProgress, loadTensor, loadTensors } from "./src/load.ts";
