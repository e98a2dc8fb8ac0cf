/**
 * `heed generate PROMPT`: goes on from a prompt. Text goes to stdout as it comes; progress, speeds and the size of the
 * cache go to stderr. An interrupt ends it after the token at hand; a second one ends the program at once.
 */
import {
  generate as generateTokens,
  type KvCache,
  llamaConfigFromGguf,
  llamaConfigFromJson,
  type LlamaForCausalLM,
} from "../../../packages/heed/mod.ts";
import { ModelError } from "./errors.ts";
import { GENERATE_HELP, type GenerateRequest, parseGenerate } from "./generate_options.ts";
import { Interrupt } from "./interrupt.ts";
import { findModel, type ModelHere, withLoaded } from "./model_here.ts";
import type { OpenedModel } from "./open_model.ts";
import { type CacheSize, showTiming, streamText } from "./stream_text.ts";
import { writeStdout } from "./write_stdout.ts";

const CHUNK_TOKENS = 32; // of the prompt, between two looks at whether to stop

/**
 * Runs the command.
 *
 * @param args the command line after `generate`
 * @throws {UsageError | ModelError | DownloadError | FormatError | ShapeError | BackendError} as it goes wrong
 * @throws {Interrupted | Terminated} when it is interrupted, or asked to terminate
 */
export async function generate(args: readonly string[]): Promise<void> {
  const request = parseGenerate(args);
  if (request === "help") return console.log(GENERATE_HELP.trimEnd());
  using here = await findModel(request);
  using interrupt = new Interrupt();
  await write(request, here, interrupt.signal);
}

async function write(request: GenerateRequest, here: ModelHere, signal: AbortSignal): Promise<void> {
  const prompt = here.tokenizer.encode(request.prompt); // before the weights: what cannot be taken is said at once
  await checkRoom(prompt.length, here.opened);
  await withLoaded(here, request, signal, async (model) => {
    using cache = model.createCache();
    const { maxTokens, sampling } = request;
    const pieces = generateTokens(model, here.tokenizer, prompt, {
      ...sampling,
      ...{ maxTokens, cache, signal, chunkTokens: CHUNK_TOKENS },
    });
    const timing = await streamText(pieces, writeStdout);
    writeStdout("\n");
    console.error(showTiming(prompt.length, timing, sizeOf(model, cache)));
  });
}

async function checkRoom(tokens: number, { config, file }: OpenedModel): Promise<void> {
  const { maxPositionEmbeddings: context } = config === undefined
    ? await llamaConfigFromGguf(file)
    : llamaConfigFromJson(config, `config.json of ${file.name}`);
  if (tokens <= context) return;
  throw new ModelError(
    `Cannot go on from a prompt of ${tokens} tokens: the model's context holds ${context}; shorten the prompt`,
  );
}

/** A row of keys and one of values for each layer and key/value head, in f32 as the model computes them. */
function sizeOf({ config }: LlamaForCausalLM, { byteLength, length }: KvCache): CacheSize {
  const elements = config.numHiddenLayers * config.numKeyValueHeads * 2 * config.headDim;
  return { byteLength, length, bytesPerToken: elements * Float32Array.BYTES_PER_ELEMENT };
}
