/** What a library must show to be measured: it starts, and offers one or more ways of doing a piece of work. */
import type { Work } from "./work.ts";

/** How and where a library runs. */
export interface PeerOptions {
  /** Which of the participants it is: its name in participants.ts. */
  readonly name: string;
  /** The address, with a slash at its end, below which `node_modules` and the bundles lie. */
  readonly base: string;
  readonly threads: number;
  /** Heed's backend; others run on WebGPU where it is `webgpu`, and else in WebAssembly. */
  readonly backend: string;
}

/** One way of doing a piece of work, its operands ready. */
export interface Way {
  readonly name: string;
  /** Operations of one run where they are not those of the work: the limits choose their own. */
  readonly amount?: number;
  /** Brings a model to where the work starts; not timed. */
  reset?(): Promise<void>;
  /** The work, done when it returns. Only what cannot be awaited is without a promise. */
  run(): void | Promise<void>;
  /** Runs once more and reads: numbers as reference.ts wants them, or a model's text. */
  result(): Promise<Float32Array | string>;
  /** Frees the operands. */
  free?(): void | Promise<void>;
}

/** The start of the prompt: its tokens, and the text that they are. */
export interface Prompt {
  readonly ids: number[];
  readonly text: string;
}

/** The prompt of as many tokens as asked for, the same for everyone. */
export type PromptOf = (length: number) => Prompt;

/** A library at work. */
export interface Peer {
  /** What it says of itself: version, threads, build. */
  readonly summary: string;
  /** Ways of doing `work`, of which the fastest right one counts; none where it has no such thing. */
  ways(work: Work, prompt: PromptOf): Promise<Way[]>;
  /** Makes a model ready to run: its bytes, or where they lie for those who read files themselves. */
  loadModel?(file: Blob, url: string): Promise<void>;
}

/** Starts a library. A file of this folder exports it as `start`. */
export type StartPeer = (options: PeerOptions) => Promise<Peer>;
