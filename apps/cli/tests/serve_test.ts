/** The server through OpenAI's own client. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import OpenAI from "openai";
import { type TinyServer, withServer } from "./tiny_server.ts";

const ENDLESS = { model: { ends: false, contextLength: 1_000_000 } };

/** A prompt's answer. */
async function complete(
  { client }: TinyServer,
  prompt: string,
  options: Partial<OpenAI.CompletionCreateParamsNonStreaming> = {},
): Promise<OpenAI.Completion> {
  return await client.completions.create({ model: "tiny", prompt, temperature: 0, max_tokens: 20, ...options });
}

/** What the server refuses a request with. */
async function refusal(asking: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  return await assertRejects(() => asking, OpenAI.APIError);
}

Deno.test("the client finds the model", async () => {
  await withServer({}, async ({ client }) => {
    const models = await Array.fromAsync(client.models.list());
    assertEquals(models, [{ id: "tiny", object: "model", created: 1, owned_by: "heed" }]);
    assertEquals(await client.models.retrieve("tiny"), models[0]);
    const error = await refusal(client.models.retrieve("a/b"));
    assertEquals([error.status, error.code], [404, "model_not_found"]);
  });
});

Deno.test("a completion ends at the model's end, at its limit, or before a stop sequence", async () => {
  await withServer({}, async (server) => {
    const whole = await complete(server, "abc");
    assertEquals(whole.choices, [{ index: 0, text: "defg", logprobs: null, finish_reason: "stop" }]);
    assertEquals(whole.usage, {
      prompt_tokens: 3,
      completion_tokens: 5, // the end token was drawn too
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 0 },
    });
    assertEquals([whole.object, whole.model], ["text_completion", "tiny"]);
    const cut = (await complete(server, "abc", { max_tokens: 2 })).choices[0]!;
    assertEquals([cut.text, cut.finish_reason], ["de", "length"]);
    for (const [stop, text] of [["fg", "de"], [["x", "ef", "e"], "d"], ["d", ""], ["gh", "defg"]] as const) {
      const stopped = (await complete(server, "abc", { stop: [stop].flat() })).choices[0]!;
      assertEquals([stopped.text, stopped.finish_reason], [text, "stop"], `stop ${stop}`);
    }
    const ofIds = await complete(server, "", { prompt: [0, 1, 2] });
    assertEquals(ofIds.choices[0]!.text, "defg");
  });
});

Deno.test("a chat's next turn finds the last one in the cache", async () => {
  await withServer({}, async ({ client }) => {
    const ask = async (...contents: string[]): Promise<[string | null, number | undefined, number | undefined]> => {
      const messages = contents.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }) as const);
      const { choices, usage } = await client.chat.completions.create({ model: "tiny", messages, temperature: 0 });
      return [choices[0]!.message.content, usage?.prompt_tokens, usage?.prompt_tokens_details?.cached_tokens];
    };
    assertEquals(await ask("abc"), ["defg", 3, 0]);
    assertEquals(await ask("abc", "defg", "a"), ["bcdefg", 8, 7]);
    assertEquals(await ask("abc", "defg", "a"), ["bcdefg", 8, 7]); // its last token is computed again
    assertEquals(await ask("abc", "deg", "a"), ["bcdefg", 7, 5]);
    assertEquals(await ask("b"), ["cdefg", 1, 0]);
  });
});

Deno.test("a chat streams its role, its text, why it ended, and what it cost", async () => {
  await withServer({}, async ({ client }) => {
    const params: OpenAI.ChatCompletionCreateParamsStreaming = {
      model: "tiny",
      messages: [{ role: "user", content: "cd" }],
      temperature: 0,
      stream: true,
    };
    const stream = await client.chat.completions.create({ ...params, stream_options: { include_usage: true } });
    const chunks = await Array.fromAsync(stream);
    assertEquals(chunks.map(({ choices }) => choices[0]?.delta), [
      { role: "assistant", content: "" },
      ...[..."efg"].map((content) => ({ content })),
      {},
      undefined,
    ]);
    assertEquals(chunks.map(({ choices }) => choices[0]?.finish_reason ?? null), [
      null,
      null,
      null,
      null,
      "stop",
      null,
    ]);
    assertEquals(chunks.at(-1)!.usage?.total_tokens, 6);
    assertEquals(new Set(chunks.map(({ id }) => id)).size, 1);
    const without = await Array.fromAsync(await client.chat.completions.create(params));
    assertEquals(without.map(({ usage }) => usage), [undefined, undefined, undefined, undefined, undefined]);
    const final = await client.chat.completions.stream(params).finalChatCompletion(); // the client's own reassembly
    assertEquals(final.choices[0]!.message.content, "efg");
  });
});

Deno.test("a stop sequence is held back from a stream until it is certain", async () => {
  await withServer({}, async ({ client }) => {
    const params = { model: "tiny", prompt: "a", temperature: 0, max_tokens: 20, stream: true } as const;
    const texts = async (stop: string[]): Promise<string[]> => {
      const stream = await client.completions.create({ ...params, stop });
      return (await Array.fromAsync(stream)).map(({ choices }) => choices[0]!.text);
    };
    assertEquals(await texts(["def"]), ["b", "c", ""]);
    assertEquals(await texts(["dex", "efh"]), ["b", "c", "d", "efg", ""]);
  });
});

Deno.test("a seed draws the same answer again, another seed another, and no seed any", async () => {
  await withServer({ model: { ends: false } }, async (server) => {
    const draw = async (options: object): Promise<string> => {
      return (await complete(server, "abc", { temperature: 2, max_tokens: 40, ...options })).choices[0]!.text;
    };
    const [first, again, other, any, any2] = [
      await draw({ seed: 1 }),
      await draw({ seed: 1 }),
      await draw({ seed: 2 }),
      await draw({}),
      await draw({}),
    ];
    assertEquals(first.length, 40);
    assertEquals(again, first);
    assert(other !== first, "seeds 1 and 2 drew the same 40 tokens");
    assert(any !== any2, "two draws without a seed gave the same 40 tokens");
    const likeliest = "defghabc".repeat(5);
    assertEquals(await draw({ seed: 1, top_k: 1 }), likeliest);
    assertEquals(await draw({ seed: 1, top_p: 0 }), likeliest);
    assertEquals(await draw({ seed: 1, min_p: 1 }), likeliest);
  });
});

Deno.test("a client that leaves frees the model for the next", async () => {
  await withServer(ENDLESS, async (server) => {
    const params = { model: "tiny", prompt: "a", max_tokens: 1_000_000, stream: true } as const;
    for (let i = 0; i < 3; i++) {
      const stream = await server.client.completions.create(params);
      let count = 0;
      for await (const _ of stream) if (++count === 5) break; // which aborts the request
    }
    const leaving = new AbortController();
    const whole = server.client.completions.create({ ...params, stream: false }, { signal: leaving.signal });
    const left = assertRejects(() => whole, OpenAI.APIUserAbortError);
    setTimeout(() => leaving.abort(), 50); // whenever: it has a million tokens to go
    await left;
    assertEquals((await complete(server, "abc", { max_tokens: 3 })).choices[0]!.text, "def");
  });
});

Deno.test("so many requests wait, and more are told to come again", async () => {
  await withServer({ ...ENDLESS, places: 1 }, async (server) => {
    const leaving = new AbortController();
    const params = { model: "tiny", prompt: "a", max_tokens: 1_000_000, stream: true } as const;
    await server.client.completions.create(params, { signal: leaving.signal }); // it has begun
    const texts: string[] = [];
    const refused: InstanceType<typeof OpenAI.RateLimitError>[] = [];
    const asked = Array.from({ length: 4 }, async () => {
      try {
        texts.push((await complete(server, "abc", { max_tokens: 3 })).choices[0]!.text);
      } catch (error) {
        if (error instanceof OpenAI.RateLimitError) refused.push(error);
        if (refused.length === 3) leaving.abort(); // so the fourth, whichever it is, waits
      }
    });
    await Promise.all(asked);
    assertEquals(texts, ["def"]);
    for (const { code, headers } of refused) assertEquals([code, headers?.get("retry-after")], ["queue_full", "5"]);
  });
});

Deno.test("a server that stops ends its answers with an error, also those that wait", async () => {
  await withServer(ENDLESS, async (server) => {
    const params = { model: "tiny", prompt: "a", max_tokens: 1_000_000, stream: true } as const;
    const stream = await server.client.completions.create(params);
    const waiting = refusal(complete(server, "abc"));
    const read = assertRejects(() => Array.fromAsync(stream), OpenAI.APIError, "The server is stopping");
    server.stopAnswers();
    await read;
    assertEquals((await waiting).status, 503);
  });
});

Deno.test("what is not there is refused by its name, and what asks for nothing is not", async () => {
  await withServer({}, async (server) => {
    const refuses = async (
      options: object,
      status: number,
      code: string | null,
      param: string | null,
    ): Promise<void> => {
      const error = await refusal(complete(server, "abc", options));
      assertEquals([error.status, error.code, error.param], [status, code, param], JSON.stringify(options));
    };
    await refuses({ n: 2 }, 400, "unsupported_parameter", "n");
    await refuses({ logprobs: 3 }, 400, "unsupported_parameter", "logprobs");
    await refuses({ frequency_penalty: 0.5 }, 400, "unsupported_parameter", "frequency_penalty");
    await refuses({ logit_bias: { "5": 1 } }, 400, "unsupported_parameter", "logit_bias");
    await refuses({ echo: true }, 400, "unsupported_parameter", "echo");
    await refuses({ reasoning_effort: "low" }, 400, "unsupported_parameter", "reasoning_effort");
    await refuses({ max_token: 5 }, 400, "unknown_parameter", "max_token");
    await refuses({ temperature: 2.5 }, 400, "invalid_value", "temperature");
    await refuses({ temperature: "1" }, 400, "invalid_type", "temperature");
    await refuses({ top_p: -1 }, 400, "invalid_value", "top_p");
    await refuses({ seed: 0.5 }, 400, "invalid_type", "seed");
    await refuses({ max_tokens: 0 }, 400, "invalid_value", "max_tokens");
    await refuses({ stop: [""] }, 400, "invalid_value", "stop");
    await refuses({ stop: Array(17).fill("x") }, 400, "invalid_value", "stop");
    await refuses({ stream: "yes" }, 400, "invalid_type", "stream");
    await refuses({ stream_options: { include_usage: true } }, 400, "invalid_value", "stream_options");
    await refuses({ prompt: ["a", "b"] }, 400, "invalid_value", "prompt");
    await refuses({ prompt: [] }, 400, "invalid_value", "prompt");
    await refuses({ prompt: [8] }, 400, null, null); // ids run from 0 to 7
    await refuses({ prompt: "xyz" }, 400, null, null); // which the vocabulary cannot spell
    await refuses({ prompt: "a".repeat(101) }, 400, "context_length_exceeded", null);
    await refuses({ model: "another" }, 404, "model_not_found", "model");
    const nothing = { n: 1, best_of: 1, echo: false, logprobs: null, logit_bias: {}, suffix: null, user: "me" };
    assertEquals((await complete(server, "abc", { ...nothing, frequency_penalty: 0 })).choices[0]!.text, "defg");
  });
});

Deno.test("messages are texts of known roles", async () => {
  await withServer({}, async ({ client }) => {
    const ask = (...messages: object[]): Promise<OpenAI.ChatCompletion> => {
      return client.chat.completions.create({ model: "tiny", messages: messages as never[], temperature: 0 }); // wrong ones too
    };
    const parts = [{ type: "text", text: "a" }, { type: "text", text: "b" }];
    const answer = await ask({ role: "developer", content: "d" }, { role: "user", content: parts });
    assertEquals(answer.choices[0]!.message, { role: "assistant", content: "cdefg", refusal: null });
    const refuses = async (message: object, param: string): Promise<void> => {
      const error = await refusal(ask({ role: "user", content: "a" }, message));
      assertEquals([error.status, error.param], [400, param]);
    };
    await refuses({ role: "tool", content: "a" }, "messages[1].role");
    await refuses({ role: "user" }, "messages[1].content");
    await refuses({ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }, "messages[1].content");
    await refuses({ role: "user", content: [{ type: "image_url", text: "a" }] }, "messages[1].content");
    await refuses({ role: "assistant", content: "a", tool_calls: [{}] }, "messages[1].tool_calls");
    assertEquals((await refusal(ask())).param, "messages");
  });
  await withServer({ model: { chatTemplate: "{{ raise_exception('only cats') }}" } }, async ({ client }) => {
    const asking = client.chat.completions.create({ model: "tiny", messages: [{ role: "user", content: "a" }] });
    const error = await refusal(asking);
    assertEquals([error.status, error.message], [400, "400 Cannot render the chat: only cats"]);
  });
});

Deno.test("with a key, nobody without it is answered", async () => {
  await withServer({ guard: { apiKey: "right" } }, async ({ client, url }) => {
    assertEquals((await Array.fromAsync(client.models.list())).length, 1);
    for (const apiKey of ["wrong", "right2", "Right"]) {
      const error = await refusal(client.withOptions({ apiKey }).models.list());
      assert(error instanceof OpenAI.AuthenticationError);
      assertEquals([error.status, error.code], [401, "invalid_api_key"]);
    }
    const without = await fetch(`${url}/v1/models`);
    assertEquals([without.status, without.headers.get("www-authenticate")], [401, "Bearer"]);
    await without.body?.cancel();
    assertEquals(await (await fetch(`${url}/health`)).json(), { status: "ok" });
  });
});
