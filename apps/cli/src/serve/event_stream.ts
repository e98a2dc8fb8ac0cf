/**
 * Server-sent events, as clients of the OpenAI API read them: `data: JSON`, and `data: [DONE]` at the end. An error after
 * the first event is an event of its own, and the last.
 *
 * What is generated runs ahead of a slow client by so many bytes and then waits for it, so that the client holds neither
 * memory nor, for long, its turn.
 */

const AHEAD_BYTES = 1 << 18; // about a thousand tokens

/**
 * Answers with events.
 *
 * @param events objects to send; ended early when the client leaves
 * @param errorBody what is sent of an error
 */
export function eventStream(events: AsyncIterator<unknown>, errorBody: (error: unknown) => unknown): Response {
  const encoder = new TextEncoder();
  const line = (data: string): Uint8Array<ArrayBuffer> => encoder.encode(`data: ${data}\n\n`);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller): Promise<void> {
      try {
        const { done, value } = await events.next();
        controller.enqueue(line(done ? "[DONE]" : JSON.stringify(value)));
        if (done) controller.close();
      } catch (error) {
        controller.enqueue(line(JSON.stringify(errorBody(error))));
        controller.close();
      }
    },
    async cancel(): Promise<void> {
      await events.return?.();
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: AHEAD_BYTES }));
  const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" };
  return new Response(body, { headers });
}
