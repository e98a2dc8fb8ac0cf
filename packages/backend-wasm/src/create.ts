/** Making a WebAssembly backend: which build, how many threads, and why not more. */
import { BackendError, checkNames, ShapeError, showValue } from "../../core/src/errors.ts";
import type { Backend, MatmulActivations } from "../../core/src/backend.ts";
import { checkMemoryBudget } from "../../core/src/memory.ts";
import { WasmBackend } from "./backend.ts";
import type { WasmBuffer } from "./buffer.ts";
import { compileBuild, compileSource, start, type Started, type WasmBuild, type WasmSource } from "./instance.ts";
import { FOREIGN_BACKEND_OPTIONS, WASM_OPTIONS } from "./option_names.ts";
import { type Abilities, probe } from "./probe.ts";
import { Workers } from "./workers.ts";

/** Settings of {@linkcode createWasmBackend}. */
export interface WasmBackendOptions {
  /** Threads that share the work, the caller among them, at most 64; `"auto"`, the default, for what the machine has. */
  readonly threads?: number | "auto";
  /** The kernels, for those who serve the file themselves; from within when left out. */
  readonly wasm?: WasmSource;
  /** The build to take; the fastest that runs here when left out. */
  readonly build?: WasmBuild;
  /**
   * What matmul does with activations that meet block-quantised weights: `"int8"`, the default, quantises them on the fly,
   * `"f32"` leaves them.
   */
  readonly matmulActivations?: MatmulActivations;
  /** Bytes that tensors may take at once; without end, that is 4 GiB, when left out. */
  readonly memoryBudgetBytes?: number;
  /** Milliseconds without any progress after which a worker counts as lost: 30,000 when left out. */
  readonly workerTimeoutMs?: number;
}

/** More threads than this gain nothing that was measured, and each takes memory of its own. */
const MOST_THREADS = 16;

/** More than this are a mistake: each is a worker, and a thousand take minutes to start. */
const THREADS_LIMIT = 64;

/**
 * A backend of WebAssembly kernels, on as many threads as there may be. It needs no file, header or permission; where
 * threads cannot be had, the same call gives one thread, and `describe()` says why.
 *
 * @throws {BackendError} when WebAssembly or its SIMD is not there or the page's policy forbids it, or the bytes given are
 * not ours
 * @throws {ShapeError} when an option is unknown or out of its range
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createWasmBackend } from "@heed/heed/backend-wasm";
 * import { tensor } from "@heed/heed/core";
 *
 * const backend = await createWasmBackend({ threads: 2 });
 * using a = tensor([[1, 2], [3, 4]], { backend });
 * using product = a.matmul(a);
 * assertEquals(await product.toArray(), [[7, 10], [15, 22]]);
 * backend.dispose();
 * ```
 */
export async function createWasmBackend(options: WasmBackendOptions = {}): Promise<Backend<WasmBuffer>> {
  checkNames("create the wasm backend", options, WASM_OPTIONS, FOREIGN_BACKEND_OPTIONS);
  checkOptions(options);
  const wanted = options.threads ?? "auto";
  const abilities = probe();
  if (!abilities.simd) throw new BackendError("Cannot create the wasm backend: WebAssembly with SIMD is not there");
  const started = await startKernels(options, abilities);
  const { workers, whyNotMore } = await startWorkers(started, wanted, abilities);
  return new WasmBackend({
    started,
    workers,
    whyNotMore,
    matmulActivations: options.matmulActivations ?? "int8",
    memoryBudgetBytes: options.memoryBudgetBytes ?? Infinity,
    workerTimeoutMs: options.workerTimeoutMs ?? 30_000,
  });
}

/** ShapeErrors: after a BackendError another backend would be taken, and nobody would learn of the mistake. */
function checkOptions(options: WasmBackendOptions): void {
  const { threads = "auto", build = "plain", matmulActivations = "int8", memoryBudgetBytes = Infinity } = options;
  const refuse = (what: string, expected: string) =>
    new ShapeError(`Cannot create the wasm backend with ${what}: ${expected}`);
  if (threads !== "auto" && !(Number.isInteger(threads) && threads >= 1 && threads <= THREADS_LIMIT)) {
    throw refuse(`${showValue(threads)} threads`, `give a whole number from 1 to ${THREADS_LIMIT}, or "auto"`);
  }
  if (build !== "plain" && build !== "threads") {
    throw refuse(`build ${showValue(build)}`, 'it is "plain" or "threads", or left out for the faster');
  }
  if (matmulActivations !== "int8" && matmulActivations !== "f32") {
    throw refuse(`matmulActivations ${showValue(matmulActivations)}`, 'they are "int8" or "f32"');
  }
  const { workerTimeoutMs = 1 } = options;
  if (!(workerTimeoutMs > 0)) throw refuse(`workerTimeoutMs ${showValue(workerTimeoutMs)}`, "it is above 0");
  checkMemoryBudget(memoryBudgetBytes);
}

async function startKernels({ wasm, build }: WasmBackendOptions, abilities: Abilities): Promise<Started> {
  if (wasm !== undefined) return await start(await compileSource(wasm));
  if (build === "threads" && abilities.noThreadsBuild !== undefined) {
    throw new BackendError(`Cannot create the wasm backend with the threads build: ${abilities.noThreadsBuild}`);
  }
  const best = build ?? (abilities.noThreadsBuild === undefined ? "threads" : "plain");
  return await start(await compileBuild(best));
}

/** The workers, and why there are not more: no way to have them is no error. */
async function startWorkers(
  started: Started,
  wanted: number | "auto",
  { noThreadsBuild, noWorkers }: Abilities,
): Promise<{ workers: Workers | undefined; whyNotMore: string }> {
  const cores = Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1);
  const threads = wanted === "auto" ? Math.min(cores, MOST_THREADS) : wanted;
  const asked = wanted === "auto" ? `the machine has ${cores} cores` : `${wanted} were asked for`;
  if (threads === 1) return { workers: undefined, whyNotMore: asked };
  if (started.build === "plain") {
    return { workers: undefined, whyNotMore: noThreadsBuild ?? "the plain build has one thread" };
  }
  if (noWorkers !== undefined) return { workers: undefined, whyNotMore: noWorkers };
  try {
    return { workers: await Workers.start(started, threads - 1), whyNotMore: asked };
  } catch (error) {
    const reason = error instanceof Error ? error.message : `${error}`;
    return { workers: undefined, whyNotMore: `a worker cannot be started: ${reason}` };
  }
}
