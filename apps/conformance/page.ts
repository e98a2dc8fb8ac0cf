/**
 * The conformance page: choose backends, run them one after the other in a worker, look at the table, take it along as JSON.
 *
 * An address that names a backend (`?backend=NAME&filter=TEXT`, and backend_options.ts) runs it at once in the page's own
 * thread, where waiting for memory is forbidden, and leaves the outcome in `globalThis.report`: `deno task test:browser`.
 */
import { type Choice, CHOICES } from "./choices.ts";
import type { Report, TimedResult } from "./report.ts";
import { ResultTable } from "./result_table.ts";
import { run } from "./run.ts";
import type { Message } from "./worker.ts";

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page lacks an element #${id}`);
}

const form = element("form", HTMLFormElement);
const filter = element("filter", HTMLInputElement);
const start = element("start", HTMLButtonElement);
const stop = element("stop", HTMLButtonElement);
const download = element("download", HTMLButtonElement);
const status = element("status", HTMLElement);
const table = new ResultTable(element("results", HTMLTableElement));

/** A column's run, as a download holds it. */
interface Column {
  readonly title: string;
  readonly cases: TimedResult[];
  report?: Report;
  error?: string;
}

let columns: Column[] = [];

function sentence({ title, report, error }: Column): string {
  if (error !== undefined) return `${title}: ${error}.`;
  if (report === undefined) return `${title}: stopped.`;
  const { passed, failed, skipped, milliseconds, description: { summary } } = report;
  const seconds = (milliseconds / 1000).toFixed(1);
  return `${title} (${summary}): ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s.`;
}

/** Runs a choice in a worker of its own, until it ends or is stopped. */
function runInWorker({ wanted }: Choice, column: number): Promise<void> {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  const shown = columns[column]!;
  return new Promise<void>((resolve) => {
    worker.addEventListener("message", ({ data }: MessageEvent<Message>) => {
      if ("results" in data) {
        shown.cases.push(...data.results);
        table.add(column, data.results);
        return;
      }
      if ("report" in data) shown.report = data.report;
      else shown.error = data.error;
      resolve();
    });
    worker.addEventListener("error", (event) => {
      shown.error = event.message;
      resolve();
    });
    stop.addEventListener("click", () => resolve(), { once: true });
    worker.postMessage({ ...wanted, filter: filter.value });
  }).finally(() => worker.terminate());
}

async function runChosen(chosen: readonly Choice[]): Promise<void> {
  columns = chosen.map(({ title }) => ({ title, cases: [] }));
  table.start(chosen.map(({ title }) => title));
  let stopped = false;
  const onStop = (): void => void (stopped = true);
  stop.addEventListener("click", onStop, { once: true });
  for (const [column, choice] of chosen.entries()) {
    if (stopped) break;
    status.textContent = `Running ${choice.title}…`;
    await runInWorker(choice, column);
  }
  stop.removeEventListener("click", onStop);
  status.textContent = columns.map(sentence).join(" ");
}

function setRunning(running: boolean): void {
  [start.disabled, stop.disabled, download.disabled] = [running, !running, running];
  element("results-region", HTMLElement).setAttribute("aria-busy", `${running}`);
}

function save(): void {
  const { userAgent, hardwareConcurrency } = navigator;
  const device = { userAgent, hardwareConcurrency, crossOriginIsolated };
  const text = JSON.stringify({ date: new Date().toISOString(), device, columns }, null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "heed-conformance.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a browser may still be reading it for a while
}

function offerChoices(): void {
  for (const [i, { title, chosen }] of CHOICES.entries()) {
    const [label, box] = [document.createElement("label"), document.createElement("input")];
    [box.type, box.name, box.value, box.checked] = ["checkbox", "choice", `${i}`, chosen];
    label.append(box, title);
    element("choices", HTMLElement).append(label);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = new FormData(form).getAll("choice").map((i) => CHOICES[Number(i)]!);
  if (chosen.length === 0) return void (status.textContent = "Choose a backend first.");
  setRunning(true);
  await runChosen(chosen);
  setRunning(false);
  stop.blur();
});
download.addEventListener("click", save);
offerChoices();
element("isolation", HTMLElement).textContent = crossOriginIsolated
  ? "This page is cross-origin isolated: wasm may have threads."
  : "This page is not cross-origin isolated: wasm has one thread.";

const query = Object.fromEntries(new URLSearchParams(location.search));
if (query["backend"] !== undefined) {
  table.start([query["backend"]]);
  const results: TimedResult[] = [];
  globalThis.report = run(query, (result) => results.push(result)).finally(() => table.add(0, results));
  globalThis.report.then(
    (report) => status.textContent = sentence({ title: query["backend"]!, cases: results, report }),
    (error) => status.textContent = `${error}`,
  );
}
