/**
 * A server in a process of its own, for measuring what its clients make it hold: prints its port, then for each line of
 * stdin the most bytes that were resident, and that were held when all garbage was collected, since the line before.
 */
import { withServer } from "./tiny_server.ts";

const limits = { headerTimeoutMs: 300, requestTimeoutMs: 2000, idleTimeoutMs: 300, stallTimeoutMs: 600 };

/** There by --expose-gc. */
const collectGarbage: () => void = Reflect.get(globalThis, "gc");
const model = { ends: false, contextLength: 1_000_000 };

const bounds = { maxTokens: 300, maxBodyBytes: 1_000_000, places: 4 };

await withServer({ limits, model, ...bounds, modelBytes: 100_000_000 }, async ({ port }) => {
  let peak = { resident: 0, held: 0 };
  const look = (): void => {
    collectGarbage();
    const { rss, heapUsed, external } = Deno.memoryUsage();
    peak = { resident: Math.max(peak.resident, rss), held: Math.max(peak.held, heapUsed + external) };
  };
  const timer = setInterval(look, 100);
  console.log(port);
  for await (const _ of Deno.stdin.readable) {
    look();
    console.log(JSON.stringify(peak));
    peak = { resident: 0, held: 0 };
  }
  clearInterval(timer);
});
