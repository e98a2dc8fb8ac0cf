/** The worker in which the page runs a choice, so that it stays alive meanwhile: results go back a few at a time. */
import type { Report, TimedResult } from "./report.ts";
import { run, type Wanted } from "./run.ts";

/** What a worker says. */
export type Message =
  | { readonly results: readonly TimedResult[] }
  | { readonly report: Report }
  | { readonly error: string };

/** Milliseconds between two messages. */
const INTERVAL_MS = 100;

const post = (message: Message): void => postMessage(message);

let waiting: TimedResult[] = [];
let sent = 0;

function send(): void {
  post({ results: waiting });
  [waiting, sent] = [[], performance.now()];
}

addEventListener("message", ({ data }: MessageEvent<Wanted>) => {
  const ran = run(data, (result) => {
    waiting.push(result);
    if (performance.now() - sent > INTERVAL_MS) send();
  });
  ran.then((report) => {
    send();
    post({ report });
  }, (error) => post({ error: `${error}` }));
});
