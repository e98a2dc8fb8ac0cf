/**
 * A model on this machine, in the steps that commands share: found (or fetched) and its headers read, then its weights on
 * a backend. Progress and notices go to stderr.
 */
import {
  type Backend,
  BackendError,
  createBackend,
  type LlamaForCausalLM,
  loadModel,
  type Tokenizer,
} from "../../../packages/heed/mod.ts";
import { checkWeights } from "./check_weights.ts";
import { locateHere } from "./locate_here.ts";
import type { ModelRequest } from "./model_options.ts";
import { type OpenedModel, openModel } from "./open_model.ts";
import { ProgressBar } from "./progress.ts";
import { readTokenizer } from "./read_tokenizer.ts";

/** A model that was found, with only its headers read. */
export interface ModelHere extends Disposable {
  /** Its file or folder. */
  readonly path: string;
  /** The same, opened. */
  readonly opened: OpenedModel;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
}

/** Where to compute, and how. */
type BackendRequest = Pick<ModelRequest, "backends" | "activations" | "softwareAdapter">;

/**
 * Finds a model, fetching it if it must be, and reads its headers; with `checkWeights` all of it.
 *
 * @throws {ModelError | DownloadError | FormatError} when there is none that can be used
 */
export async function findModel({ model, checkWeights: checks }: ModelRequest): Promise<ModelHere> {
  const path = await locateHere(model);
  const opened = await openModel(path);
  try {
    if (checks) await check(opened);
    const tokenizer = await readTokenizer(path, opened);
    return { path, opened, tokenizer, [Symbol.dispose]: () => opened[Symbol.dispose]() };
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

async function check(opened: OpenedModel): Promise<void> {
  using bar = new ProgressBar("Checking weights");
  await checkWeights(opened.file, (done, total) => bar.update(done, total));
}

/**
 * Runs with the model's weights on a backend, of which nothing is left then.
 *
 * @param request where to compute
 * @param signal ends the loading with its reason
 * @returns what `run` returns
 */
export async function withLoaded<T>(
  { opened }: ModelHere,
  request: BackendRequest,
  signal: AbortSignal,
  run: (model: LlamaForCausalLM) => Promise<T>,
): Promise<T> {
  const backend = await openBackend(request);
  try {
    using model = await load(opened, backend, signal);
    return await run(model);
  } finally {
    backend.dispose();
  }
}

async function openBackend({ backends, activations, softwareAdapter }: BackendRequest): Promise<Backend> {
  try {
    return await createBackend(backends, {
      ...(activations && { matmulActivations: activations }),
      softwareAdapter,
      onSkip: ({ name, reason }) => console.error(`Not on ${name}: ${inOptions(reason)}`),
    });
  } catch (error) {
    throw error instanceof BackendError ? new BackendError(inOptions(error.message)) : error;
  }
}

/** The library's message, with the option of the command line in place of the program's. */
function inOptions(message: string): string {
  return message.replaceAll("pass { softwareAdapter: true }", "give --software-adapter");
}

async function load(opened: OpenedModel, backend: Backend, signal: AbortSignal): Promise<LlamaForCausalLM> {
  using bar = new ProgressBar("Loading");
  return await loadModel(opened, {
    backend,
    signal,
    onProgress: ({ loadedBytes, totalBytes }) => bar.update(loadedBytes, totalBytes),
  });
}
