/**
 * Text in and out of a model: tokenizers, chat templates, sampling.
 * @module
 */

export * from "./src/chat.ts";
export { type GgufMetadata, tokenizerFromGguf } from "./src/from_gguf.ts";
export { tokenizerFromJson } from "./src/from_json.ts";
export { generate, generateBatch, type GeneratedToken, type GenerateOptions } from "./src/generate.ts";
export { generateTokens, type GenerateTokensOptions } from "./src/generate_tokens.ts";
export { filterLogits, type FilterOptions, type SampleOptions, sampleToken } from "./src/sampling.ts";
export { StopText } from "./src/stop_text.ts";
export type { TextStream } from "./src/text_stream.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer } from "./src/tokenizer.ts";
