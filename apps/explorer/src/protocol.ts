/**
 * What page and worker say to each other. The page calls (`Calls`), each call with a number that its answer carries; the
 * worker also tells of what happens meanwhile (`News`). Everything is plain data that structured cloning copies, or moves
 * where it is a buffer.
 *
 * Letters: T tokens, H query heads, Hkv key/value heads, D head size.
 */
import type { FileIdentity } from "./file_on_server.ts";

/** A backend as people choose it; what each is made with is in worker/backends.ts. */
export type BackendChoice = "wasm" | "wasm-f32" | "webgpu" | "webgpu-software" | "scalar";

/** The class of the error that says that the choice needs WebGPU, and there is none. */
export const NO_WEBGPU = "NoWebGpuError";

/** A score's way through attention: `q · k`, times scale, with later tokens hidden, softmax. */
export type Stage = "raw" | "scaled" | "masked" | "weights";

/** Which of the two models: the one that was loaded, or the one with fewer key/value heads. */
export type Variant = "original" | "regrouped";

/** A model that the browser keeps, or a part of one; as a file it is known by hash and tag where it is one. */
export interface StoredModel extends FileIdentity {
  /** What the worker calls it. */
  readonly key: string;
  /** Bytes that are here. */
  readonly storedBytes: number;
  /** Whether all of them are here, and checked. */
  readonly complete: boolean;
  /** Where it was downloaded from; chosen files have no such place. */
  readonly remote: RemoteModel | undefined;
}

/** A model on a server. */
export interface RemoteModel {
  /** What people call it: a file's name, or a folder's. */
  readonly name: string;
  /** Absolute: that of a GGUF file, of safetensors weights, or of the index of several such files. */
  readonly url: string;
  /** Lower-case hex, where it is known. */
  readonly sha256?: string | undefined;
}

/** Where a model comes from. */
export type ModelSource =
  | { readonly kind: "stored"; readonly key: string }
  | { readonly kind: "remote"; readonly model: RemoteModel }
  | { readonly kind: "files"; readonly files: readonly File[] };

/** What the page draws of a model. */
export interface ModelFacts {
  readonly name: string;
  readonly byteLength: number;
  readonly layers: number;
  /** H. */
  readonly heads: number;
  /** Hkv. */
  readonly kvHeads: number;
  /** D. */
  readonly headDim: number;
  /** Radians that each pair of a head's elements turns by from one position to the next. */
  readonly ropeFrequencies: readonly number[];
}

/** A token of the text. */
export interface Token {
  readonly id: number;
  /** The characters that it completes: texts are these in a row. None in the middle of a character. */
  readonly text: string;
}

/** What is generated, and how. */
export interface GenerateArgs {
  readonly prompt: string;
  /** 0 takes the most likely token. */
  readonly temperature: number;
  readonly seed: number;
  readonly maxTokens: number;
}

/** Attention of all heads of a layer. */
export interface Look {
  readonly layer: number;
  readonly stage: Stage;
  readonly variant: Variant;
  /** T. */
  readonly tokens: number;
  /** H. */
  readonly heads: number;
  /** `[H, T, T]`, query by key; -Infinity where hidden. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** One token's scores with every key, in one head. */
export interface RowScores {
  readonly layer: number;
  readonly head: number;
  readonly token: number;
  /** `[T]` each. */
  readonly stages: Readonly<Record<Stage, Float32Array<ArrayBuffer>>>;
}

/** How far the same text's next-token logits lie apart on two backends. */
export interface LogitsDifference {
  readonly from: BackendChoice;
  readonly to: BackendChoice;
  /** Tokens of the text. */
  readonly tokens: number;
  readonly largest: number;
  /** The largest logit of `to`, to compare with. */
  readonly scale: number;
  readonly sameToken: boolean;
}

/** What became of a switch. */
export interface BackendReport {
  readonly choice: BackendChoice;
  /** What it is, in words. */
  readonly description: string;
  /** Undefined where there is no text yet to compare with. */
  readonly difference: LogitsDifference | undefined;
}

/** The regrouped model's text, and how its first token differs. */
export interface RegroupReport {
  readonly kvHeads: number;
  /** Undefined for the original number of heads. */
  readonly tokens: readonly Token[] | undefined;
  readonly promptTokens: number;
  /** The largest difference of the logits after the original's text. */
  readonly largestDifference: number;
}

/** What the page may ask, and what it gets. */
export interface Calls {
  stored(): readonly StoredModel[];
  remove(args: { readonly key: string }): readonly StoredModel[];
  load(args: { readonly source: ModelSource; readonly backend: BackendChoice }): ModelFacts;
  cancel(): void;
  generate(args: GenerateArgs): void;
  stop(): void;
  look(args: { readonly layer: number; readonly stage: Stage; readonly variant: Variant }): Look | undefined;
  row(args: { readonly layer: number; readonly head: number; readonly token: number }): RowScores | undefined;
  backend(args: { readonly choice: BackendChoice }): BackendReport;
  regroup(args: { readonly kvHeads: number }): RegroupReport;
}

/** What a call is given; nothing for some. */
export type ArgsOf<K extends keyof Calls> = Parameters<Calls[K]>[0];

/** A call on its way. */
export interface Request<K extends keyof Calls = keyof Calls> {
  readonly id: number;
  readonly call: K;
  readonly args: ArgsOf<K>;
}

/** An error as it travels. */
export interface Failure {
  /** The error's class. */
  readonly name: string;
  readonly message: string;
}

/** How loading goes. */
export interface Progress {
  readonly phase: "downloading" | "copying" | "checking" | "reading";
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** How far a text is, and how fast that went. */
export interface Pace {
  readonly backend: BackendChoice;
  readonly tokensPerSecond: number;
  readonly cacheBytes: number;
}

/** What happens in the worker. */
export type News =
  | { readonly news: "progress"; readonly progress: Progress }
  | { readonly news: "stored"; readonly models: readonly StoredModel[] }
  | { readonly news: "released" }
  | { readonly news: "backend"; readonly choice: BackendChoice; readonly description: string }
  | { readonly news: "prompt"; readonly tokens: readonly Token[]; readonly pace: Pace }
  | { readonly news: "token"; readonly token: Token; readonly pace: Pace }
  | { readonly news: "finished" };

/** What the worker sends. */
export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure }
  | News;
