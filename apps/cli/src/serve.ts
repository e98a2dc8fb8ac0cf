/**
 * `heed serve`: a model over HTTP. An interrupt or a request to terminate ends it: no more requests are taken, answers that
 * are being given end with an error, and the exit code is 130 or 0.
 */
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { LlamaForCausalLM } from "../../../packages/heed/mod.ts";
import { Conversation } from "./conversation.ts";
import { Interrupted, ModelError } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import { findModel, type ModelHere, withLoaded } from "./model_here.ts";
import { PINNED_MODELS } from "./pinned_models.ts";
import { Api } from "./serve/api.ts";
import { ApiError } from "./serve/api_error.ts";
import { listen } from "./serve/listen.ts";
import { isLoopback, parseServe, SERVE_HELP, type ServeRequest } from "./serve/serve_options.ts";
import { serverHandler } from "./serve/server.ts";
import { siteHandler, type SiteModel } from "./serve/site.ts";

const EXPLORER = new URL("../../../dist/explorer/", import.meta.url);

/**
 * Runs the command.
 *
 * @param args the command line after `serve`
 * @throws {UsageError | ModelError | DownloadError | FormatError | BackendError} as it goes wrong
 * @throws {Interrupted} when it is interrupted
 */
export async function serve(args: readonly string[]): Promise<void> {
  const request = parseServe(args, Deno.env.get("HEED_API_KEY"));
  if (request === "help") return console.log(SERVE_HELP.trimEnd());
  using here = await findModel(request);
  using interrupt = new Interrupt();
  if (here.tokenizer.chatTemplate === undefined) {
    console.error("The model has no chat template: /v1/chat/completions will refuse");
  }
  const { signal } = interrupt;
  try {
    await withLoaded(here, request, signal, (model) => serveModel(request, here, model, signal));
  } catch (error) {
    if (error !== signal.reason) throw error; // else it was ended while it loaded
  }
  if (signal.reason instanceof Interrupted) throw signal.reason;
}

async function serveModel(
  request: ServeRequest,
  here: ModelHere,
  model: LlamaForCausalLM,
  signal: AbortSignal,
): Promise<void> {
  using conversation = new Conversation(model, here.tokenizer);
  const onFault = (error: unknown): void => console.error("heed: this is a fault of the program;", error);
  const { mtime, size, isFile } = await Deno.stat(here.path);
  const name = nameOf(request.model, here.path);
  const api = new Api({
    ...{ model: name, created: Math.floor((mtime?.getTime() ?? 0) / 1000), tokenizer: here.tokenizer, conversation },
    ...{ maxTokens: request.maxTokens, maxBodyBytes: request.maxBodyBytes, places: request.queue },
    onFault,
  });
  const offered = isFile && request.apiKey === undefined; // with a key, nobody without it gets the weights
  const site = siteHandler({
    folder: await explorerFolder(request.explorer),
    models: offered ? [siteModel(name, here.path, size)] : [],
  });
  const listening = await open(request, serverHandler(api, site, request, onFault));
  announce(name, request, listening.port);
  await new Promise((resolve) => signal.aborted ? resolve(0) : signal.addEventListener("abort", resolve));
  api.stop(new ApiError(503, "The server is stopping", { code: "server_stopping" }));
  await listening.stop();
}

/** What clients call the model: the name it is known by, or its file's. */
function nameOf(model: string, path: string): string {
  return PINNED_MODELS.find(({ name }) => name === model.toLowerCase())?.name ?? basename(resolve(path));
}

function siteModel(name: string, path: string, byteLength: number): SiteModel {
  const pinned = PINNED_MODELS.find((model) => model.name === name && model.byteLength === byteLength);
  return { name: basename(path), path, byteLength, sha256: pinned?.sha256 };
}

async function explorerFolder(given: string | undefined): Promise<string | undefined> {
  const folder = given ?? fileURLToPath(EXPLORER);
  const found = await Deno.stat(folder).catch(() => undefined);
  if (found?.isDirectory) return folder;
  if (given === undefined) return undefined;
  throw new ModelError(
    `Cannot serve the explorer from ${given}: there is no such folder; build it by deno task bundle`,
  );
}

async function open(request: ServeRequest, handler: Parameters<typeof listen>[1]): ReturnType<typeof listen> {
  try {
    return await listen({ hostname: request.host, port: request.port }, handler);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelError(
      `Cannot listen on ${request.host}, port ${request.port}: ${why}; choose another --port or --host`,
    );
  }
}

function announce(name: string, { host, apiKey }: ServeRequest, port: number): void {
  const shown = host.includes(":") ? `[${host}]` : host;
  console.error(`Serving ${name} on http://${shown}:${port}/ (Ctrl-C ends it)`);
  if (isLoopback(host)) return;
  console.error(`Others on the network reach it there${apiKey === undefined ? ", and no key is asked of them" : ""}`);
}
