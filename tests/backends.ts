/** The backends that whole models are run on: every build of each, with exact arithmetic. */
import type { CreateBackendOptions } from "../packages/heed/mod.ts";

/** A backend, and how to make it. */
export interface TestedBackend {
  /** What test names call it. */
  readonly title: string;
  /** Its registered name. */
  readonly name: string;
  /** What it is made with. */
  readonly options: CreateBackendOptions;
}

const exact = { matmulActivations: "f32" } as const;

/** All of them. */
export const BACKENDS: readonly TestedBackend[] = [
  { title: "scalar", name: "scalar", options: {} },
  { title: "wasm, plain", name: "wasm", options: { build: "plain", ...exact } },
  { title: "wasm, 1 thread", name: "wasm", options: { build: "threads", threads: 1, ...exact } },
  { title: "wasm, 2 threads", name: "wasm", options: { build: "threads", threads: 2, ...exact } },
  { title: "webgpu", name: "webgpu", options: { softwareAdapter: true } },
  {
    title: "webgpu without optional features",
    name: "webgpu",
    options: { softwareAdapter: true, features: [] },
  },
];
