/// <reference lib="dom" />
/** A worker that does not start is told at each call, and one that fails later at those that wait. */
import { assertRejects } from "@std/assert";
import { WorkerClient, WorkerError } from "../src/page/worker_client.ts";

/** What of a worker the client uses. */
class SilentWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: { message: string; preventDefault: () => void }) => void) | null = null;
  postMessage(): void {}

  fail(message: string): void {
    this.onerror?.({ message, preventDefault: () => {} });
  }
}

function client(worker: SilentWorker): WorkerClient {
  return new WorkerClient(worker as unknown as Worker, () => {}); // it has all that the client uses
}

Deno.test("worker client: without a worker the call that waits is rejected, and so is each later one", async () => {
  const worker = new SilentWorker();
  const calls = client(worker);
  const waiting = calls.call("stored");
  worker.fail("");
  const message = "Cannot start the page's worker: it could not be fetched; reload the page";
  await assertRejects(() => waiting, WorkerError, message);
  await assertRejects(() => calls.call("stop"), WorkerError, message);
});

Deno.test("worker client: a worker that fails after it has started is called again", async () => {
  const worker = new SilentWorker();
  const calls = client(worker);
  worker.onmessage?.({ data: { news: "released" } });
  const waiting = calls.call("stored");
  worker.fail("lost");
  await assertRejects(() => waiting, WorkerError, "The page's worker failed: lost");
  const again = calls.call("stop");
  worker.onmessage?.({ data: { id: 2, result: undefined } });
  await again;
});
