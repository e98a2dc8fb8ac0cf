/** A thousand clients that are slow, broken or gone: the server's memory stays flat, and it goes on answering. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { exchange, readAll, requestText, statusOf, writeAll } from "../apps/cli/tests/raw_client.ts";

const SCRIPT = fileURLToPath(new URL("../apps/cli/tests/slow_clients_server.ts", import.meta.url));
const AT_ONCE = 250;
const HOST = { host: "localhost" };
const JSON_TYPE = { ...HOST, "content-type": "application/json" };
const ENDLESS = JSON.stringify({ model: "tiny", prompt: "a", max_tokens: 1_000_000, stream: true });

/** What a client sends, and whether it takes what comes. */
interface Kind {
  readonly sends: string;
  readonly reads: boolean;
}

const length = (bytes: number): Record<string, string> => ({ ...JSON_TYPE, "content-length": `${bytes}` });

const KINDS: Readonly<Record<string, Kind>> = {
  silent: { sends: "", reads: true },
  halfHeader: { sends: `GET / HTTP/1.1\r\na: ${"x".repeat(10_000)}`, reads: true },
  longHeader: { sends: `GET / HTTP/1.1\r\na: ${"x".repeat(1_000_000)}`, reads: true },
  halfBody: { sends: requestText("POST /v1/completions", length(1_000_000), "x".repeat(900_000)), reads: true },
  longBody: { sends: requestText("POST /v1/completions", length(1e9), "x".repeat(900_000)), reads: true },
  garbage: { sends: `\x16\x03\x01${"\x00".repeat(100_000)}`, reads: true },
  streamNotRead: { sends: requestText("POST /v1/completions", length(ENDLESS.length), ENDLESS), reads: false },
  modelNotRead: { sends: requestText("GET /models/tiny.gguf", HOST), reads: false },
};

/** Bytes at their most. */
interface Memory {
  readonly resident: number;
  readonly held: number;
}

/** A client that goes on until the server has ended its connection; where it does not read, until the others have. */
async function slow(port: number, { sends, reads }: Kind, over: Promise<void>): Promise<void> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(connection, new TextEncoder().encode(sends));
    if (reads) await readAll(connection);
    else await over;
  } catch (error) {
    passOver(error);
  }
}

/** That the server ends a connection is no fault; that it takes none is, as it has ended then. */
function passOver(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) return "";
  throw error;
}

/** Many clients at once, kind by kind in turn. */
async function wave(port: number, kinds: readonly Kind[]): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const clients = Array.from({ length: AT_ONCE }, (_, i) => kinds[i % kinds.length]!);
  const all = clients.map((kind) => slow(port, kind, over));
  await Promise.all(all.filter((_, i) => clients[i]!.reads));
  await untilAnswered(port);
  resolve();
  await Promise.all(all);
}

/** Asks until there is room for one more connection, and until who held the model has lost it. */
async function untilAnswered(port: number): Promise<void> {
  const body = JSON.stringify({ model: "tiny", prompt: "abc", temperature: 0, max_tokens: 3 });
  for (;;) {
    const text = requestText("POST /v1/completions", length(body.length), body);
    const answer = await exchange(port, text).catch(passOver); // no room yet
    if (statusOf(answer) === 200) return assertEquals(/"text":"(\w*)"/.exec(answer)?.[1], "def");
    await new Promise((resolve) => setTimeout(resolve, 20)); // the server has better to do than to refuse
  }
}

Deno.test("a thousand slow or broken clients leave the server's memory flat, and it answers", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", SCRIPT],
    stdin: "piped",
    stdout: "piped",
  });
  await using child = command.spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).values();
  const line = async (): Promise<string> => String((await lines.next()).value);
  const stdin = child.stdin.getWriter();
  const peak = async (): Promise<Memory> => {
    await stdin.write(new Uint8Array([10]));
    return JSON.parse(await line());
  };
  const port = Number(await line());
  const idle = await peak();
  const all = Object.values(KINDS);
  for (const kinds of [all, [KINDS["modelNotRead"]!], all]) await wave(port, kinds); // what the runtime takes once, and keeps
  const first = await peak();
  const peaks: Record<string, Memory> = {};
  for (const names of [["halfBody"], ["halfBody", "longBody"], ["modelNotRead"], Object.keys(KINDS)]) {
    await wave(port, names.map((name) => KINDS[name]!));
    peaks[names.join("+")] = await peak();
  }
  await stdin.close();
  const shown = JSON.stringify({ idle, first, ...peaks });
  assert(idle.held > 1e6, shown); // a process that measures itself as smaller does not measure
  for (const [names, { held, resident }] of Object.entries(peaks)) {
    // 250 bodies held at once would be 225 MB, and files read ahead of their clients 100 MB each
    assert(held < idle.held + (names.includes("modelNotRead") ? 200e6 : 90e6), shown);
    assert(resident < first.resident + 150e6, shown);
  }
});
