/**
 * A server with a one-layer model that knows the alphabet, in this process: what `heed serve` is made of, with limits that
 * a test chooses.
 */
import OpenAI from "openai";
import { createBackend, loadModel, tokenizerFromGguf } from "../../../packages/heed/mod.ts";
import { Conversation } from "../src/conversation.ts";
import { openModel } from "../src/open_model.ts";
import { Api } from "../src/serve/api.ts";
import { ApiError } from "../src/serve/api_error.ts";
import type { GuardOptions } from "../src/serve/guard.ts";
import { LIMITS, type Limits, listen } from "../src/serve/listen.ts";
import { serverHandler } from "../src/serve/server.ts";
import { siteHandler } from "../src/serve/site.ts";
import { type SuccessorGguf, successorGguf } from "./successor_model.ts";

/** Writes what was said, and nothing around it: the model knows eight letters. */
export const PLAIN_TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}";

/** What a test chooses. */
export interface TinyServerOptions {
  readonly model?: SuccessorGguf;
  readonly guard?: Partial<GuardOptions>;
  readonly limits?: Partial<Limits>;
  readonly maxTokens?: number;
  readonly maxBodyBytes?: number;
  readonly places?: number;
  /** Bytes of the file that `/models/tiny.gguf` gives; default the model's own. */
  readonly modelBytes?: number;
}

/** A running server. */
export interface TinyServer {
  readonly port: number;
  readonly url: string;
  /** OpenAI's client, which tries each request once. */
  readonly client: OpenAI;
  readonly conversation: Conversation;
  /** Ends running answers as an interrupt does. */
  stopAnswers(): void;
}

/** Runs with a server, of which nothing is left then; a fault of the server fails the test. */
export async function withServer(
  options: TinyServerOptions,
  run: (server: TinyServer) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/tiny.gguf`;
  await Deno.writeFile(path, successorGguf({ chatTemplate: PLAIN_TEMPLATE, ...options.model }));
  const backend = await createBackend("scalar");
  const faults: unknown[] = [];
  try {
    using opened = await openModel(path);
    using model = await loadModel({ file: opened.file }, { backend });
    const tokenizer = tokenizerFromGguf(opened.file.metadata);
    using conversation = new Conversation(model, tokenizer);
    const onFault = (error: unknown): unknown => faults.push(error);
    const api = new Api({
      ...{ model: "tiny", created: 1, tokenizer, conversation, onFault },
      ...{ maxTokens: options.maxTokens ?? 1_000_000, maxBodyBytes: options.maxBodyBytes ?? 10_000 },
      places: options.places ?? 2,
    });
    if (options.modelBytes !== undefined) await Deno.truncate(path, options.modelBytes);
    const file = { name: "tiny.gguf", path, byteLength: (await Deno.stat(path)).size };
    const site = siteHandler({ folder: undefined, models: [file] });
    const guard = { hosts: [], origins: [], apiKey: undefined, ...options.guard };
    const handler = serverHandler(api, site, guard, onFault);
    const listening = await listen({ hostname: "127.0.0.1", port: 0 }, handler, { ...LIMITS, ...options.limits });
    const { port } = listening;
    const url = `http://127.0.0.1:${port}`;
    const client = new OpenAI({ apiKey: options.guard?.apiKey ?? "none", baseURL: `${url}/v1`, maxRetries: 0 });
    const stopAnswers = (): void => api.stop(new ApiError(503, "The server is stopping"));
    try {
      await run({ port, url, client, conversation, stopAnswers });
    } finally {
      stopAnswers();
      await listening.stop();
    }
  } finally {
    backend.dispose();
    await Deno.remove(folder, { recursive: true });
  }
  if (faults.length > 0) throw new AggregateError(faults, "the server had faults");
}
