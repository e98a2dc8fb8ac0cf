/** Of a model's files on a server only some need not be there, and parts are as long as they were asked for, or errors. */
import { assertEquals, assertRejects } from "@std/assert";
import { filesOf, sourcesAt } from "../src/worker/remote_model.ts";

const { signal } = new AbortController();

/** Runs with a server that has every file, of 8 bytes, except where it answers otherwise. */
async function withServer(
  otherwise: (fileName: string, range: string | null) => Response | undefined,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url, headers }) => {
    const range = headers.get("range");
    const answer = otherwise(new URL(url).pathname.slice(1), range);
    if (answer !== undefined) return answer;
    const [from, to] = range === null ? [0, 7] : range.match(/\d+/g)!.map(Number) as [number, number];
    const init = { status: range === null ? 200 : 206, headers: { "content-range": `bytes ${from}-${to}/8` } };
    return new Response(new Uint8Array(to - from + 1), init);
  });
  try {
    await run(`http://127.0.0.1:${server.addr.port}/model.safetensors`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("remote model: without a tokenizer_config.json it is a model, with one that is not given it is none", async () => {
  const optional = (status: number) => (fileName: string): Response | undefined =>
    fileName === "tokenizer_config.json" ? new Response(null, { status }) : undefined;
  for (const status of [403, 404, 410]) {
    await withServer(optional(status), async (url) => {
      const names = (await filesOf({ name: "m", url }, signal)).map(({ name }) => name);
      assertEquals(names, ["config.json", "tokenizer.json", "model.safetensors"]);
    });
  }
  for (const status of [401, 408, 429, 503]) {
    await withServer(optional(status), async (url) => {
      const { message } = await assertRejects(() => filesOf({ name: "m", url }, signal), Error);
      const said = `Cannot download tokenizer_config.json: the server answers ${status}`;
      assertEquals(message.slice(0, said.length), said);
      assertEquals(message.includes("one folder"), false); // it may well be there
    });
  }
});

Deno.test("remote model: what is not the part that was asked for is not read", async () => {
  for (
    const [answer, message] of [
      [() => new Response(new Uint8Array(8)), "Cannot read model.safetensors: the server answers 200 where a part was"],
      [
        () => new Response(new Uint8Array(3), { status: 206 }),
        "Cannot read model.safetensors: of 4 bytes at 2 the server sends 3",
      ],
    ] as const
  ) {
    await withServer((_, range) => range === "bytes=2-5" ? answer() : undefined, async (url) => {
      const files = await filesOf({ name: "m", url }, signal);
      const weights = (await sourcesAt(files, signal)).get("model.safetensors")!;
      assertEquals(await weights.read(1, 4), new Uint8Array(4));
      await assertRejects(() => weights.read(2, 4), Error, message);
    });
  }
});
