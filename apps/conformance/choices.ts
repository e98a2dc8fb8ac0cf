/** What the page offers to run: each backend, in each way that computes differently. */
import type { Wanted } from "./run.ts";

/** One column of the table. */
export interface Choice {
  readonly title: string;
  /** Chosen when the page opens. */
  readonly chosen: boolean;
  readonly wanted: Wanted;
}

/** In the table's order. */
export const CHOICES: readonly Choice[] = [
  { title: "scalar", chosen: true, wanted: { backend: "scalar" } },
  { title: "wasm, plain build", chosen: false, wanted: { backend: "wasm", build: "plain" } },
  {
    title: "wasm, threads build, one thread",
    chosen: false,
    wanted: { backend: "wasm", build: "threads", threads: "1" },
  },
  { title: "wasm, as it comes", chosen: true, wanted: { backend: "wasm" } },
  { title: "webgpu", chosen: true, wanted: { backend: "webgpu" } },
  { title: "webgpu, no optional features", chosen: false, wanted: { backend: "webgpu", features: "none" } },
];
