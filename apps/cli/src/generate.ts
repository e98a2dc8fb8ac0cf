/**
 * `heed generate PROMPT`: goes on from a prompt. Text goes to stdout as it comes; progress, speeds and the size of the
 * cache go to stderr. An interrupt ends it after the token at hand; a second one ends the program at once.
 */
import {
  type Backend,
  createBackend,
  generate as generateTokens,
  type KvCache,
  type LlamaForCausalLM,
  loadModel,
} from "../../../packages/heed/mod.ts";
import { checkWeights } from "./check_weights.ts";
import { GENERATE_HELP, type GenerateRequest, parseGenerate } from "./generate_options.ts";
import { Interrupt } from "./interrupt.ts";
import { locateHere } from "./locate_here.ts";
import { type OpenedModel, openModel } from "./open_model.ts";
import { ProgressBar } from "./progress.ts";
import { readTokenizer } from "./read_tokenizer.ts";
import { type CacheSize, showTiming, streamText } from "./stream_text.ts";

const CHUNK_TOKENS = 32; // of the prompt, between two looks at whether to stop

/**
 * Runs the command.
 *
 * @param args the command line after `generate`
 * @throws {UsageError | ModelError | DownloadError | FormatError | ShapeError | BackendError} as it goes wrong
 * @throws {Interrupted} when it is interrupted
 */
export async function generate(args: readonly string[]): Promise<void> {
  const request = parseGenerate(args);
  if (request === "help") return console.log(GENERATE_HELP.trimEnd());
  const path = await locateHere(request.model);
  using opened = await openModel(path);
  if (request.checkWeights) await check(opened);
  using interrupt = new Interrupt();
  const backend = await createBackend(request.backends, {
    onSkip: ({ name, reason }) => console.error(`Not on ${name}: ${reason}`),
  });
  try {
    await write(request, path, opened, backend, interrupt.signal);
  } finally {
    backend.dispose();
  }
}

async function check(opened: OpenedModel): Promise<void> {
  using bar = new ProgressBar("Checking weights");
  await checkWeights(opened.file, (done, total) => bar.update(done, total));
}

async function write(
  request: GenerateRequest,
  path: string,
  opened: OpenedModel,
  backend: Backend,
  signal: AbortSignal,
): Promise<void> {
  const tokenizer = await readTokenizer(path, opened);
  const prompt = tokenizer.encode(request.prompt);
  using model = await load(opened, backend, signal);
  using cache = model.createCache();
  const { maxTokens, sampling } = request;
  const pieces = generateTokens(model, tokenizer, prompt, {
    ...sampling,
    ...{ maxTokens, cache, signal, chunkTokens: CHUNK_TOKENS },
  });
  const encoder = new TextEncoder();
  const timing = await streamText(pieces, (text) => writeAllSync(encoder.encode(text)));
  writeAllSync(encoder.encode("\n"));
  console.error(showTiming(prompt.length, timing, sizeOf(model, cache)));
}

async function load(opened: OpenedModel, backend: Backend, signal: AbortSignal): Promise<LlamaForCausalLM> {
  using bar = new ProgressBar("Loading");
  return await loadModel(opened, {
    backend,
    signal,
    onProgress: ({ loadedBytes, totalBytes }) => bar.update(loadedBytes, totalBytes),
  });
}

/** A row of keys and one of values for each layer and key/value head, in f32 as the model computes them. */
function sizeOf({ config }: LlamaForCausalLM, { byteLength, length }: KvCache): CacheSize {
  const elements = config.numHiddenLayers * config.numKeyValueHeads * 2 * config.headDim;
  return { byteLength, length, bytesPerToken: elements * Float32Array.BYTES_PER_ELEMENT };
}

function writeAllSync(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}
