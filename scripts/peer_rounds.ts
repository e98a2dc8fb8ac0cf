/** Measures in one place with one count of threads: starts the participants, prepares the work, takes them in turn. */
import type { StartOptions, Trial } from "../apps/bench/peers/host.ts";
import type { Prompt } from "../apps/bench/peers/peer.ts";
import type { Participant } from "../apps/bench/peers/participants.ts";
import { type Figure, type Fresh, median, type Row, type Section } from "../apps/bench/peers/report.ts";
import { amountOf, isModelWork, type Work } from "../apps/bench/peers/work.ts";
import type { RemoteHost } from "./peer_hosts.ts";

/** Where one participant runs. */
export interface Place {
  /** The address the files lie below, as the place sees it. */
  readonly base: string;
  /** The model's address, as the place sees it. */
  readonly model: string;
  readonly open: () => Promise<RemoteHost>;
}

/** A place, and what to measure there. */
export interface Plan {
  readonly environment: string;
  readonly threads: number;
  readonly backend: string;
  readonly participants: readonly Participant[];
  /** The machine's own limits. */
  readonly limits: readonly Participant[];
  readonly work: readonly Work[];
  readonly rounds: number;
  /** Whether to time the first result in fresh pages. */
  readonly first: boolean;
  /** The model, and the prompts by their lengths. */
  readonly model: { readonly prompts: Readonly<Record<number, Prompt>> } | undefined;
  /** Where a participant finds files and the model, and a fresh place for it. */
  readonly placeOf: (participant: Participant) => Place;
  readonly progress: (line: string) => void;
}

/** Someone ready to be asked. */
interface Started {
  readonly participant: Participant;
  readonly host: RemoteHost;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

function optionsOf({ placeOf, threads, backend }: Plan, participant: Participant): StartOptions {
  const { name, adapter } = participant;
  return { name, adapter, base: placeOf(participant).base, threads, backend };
}

/** One participant's figure being found. */
class Measurement {
  readonly #seconds: number[] = [];
  #trials: Trial[] = [];
  #amount: number | undefined;
  #error: string | undefined;
  #isAbsent = false;

  constructor(readonly started: Started, readonly work: Work, readonly progress: Plan["progress"]) {}

  /** Runs a step, unless an earlier one failed; a failure is a line of progress too. */
  async step(run: () => Promise<void>): Promise<void> {
    if (this.#error !== undefined) return;
    await run().catch((error) => {
      this.#error = messageOf(error);
      this.progress(`${this.work.name}: ${this.started.participant.name} failed, ${this.#error}`);
    });
  }

  prepare(prompts: Readonly<Record<number, Prompt>>): Promise<void> {
    return this.step(async () => {
      this.#trials = await this.started.host.call("prepare", this.work, prompts);
      this.#isAbsent = this.#trials.length === 0;
      if (!this.#isAbsent && !this.#trials.some(({ milliseconds }) => milliseconds !== undefined)) {
        throw new Error("no way gave the right result");
      }
    });
  }

  time(): Promise<void> {
    return this.step(async () => {
      const { seconds, amount = amountOf(this.work) } = await this.started.host.call("time");
      this.#seconds.push(seconds);
      this.#amount = amount;
    });
  }

  /** Whether the participant has nothing for this work. */
  get isAbsent(): boolean {
    return this.#isAbsent;
  }

  /** A model's text, where it gave one. */
  get text(): string | undefined {
    return this.#trials.find(({ text }) => text !== undefined)?.text;
  }

  /** Leaves it out: its text is not that of the others. */
  refuse(reason: string): void {
    this.#error ??= reason;
  }

  get figure(): Figure {
    const [participant, trials] = [this.started.participant.name, this.#trials];
    if (this.#error !== undefined) return { participant, trials, error: this.#error };
    const best = trials.toSorted((a, b) => (a.milliseconds ?? Infinity) - (b.milliseconds ?? Infinity))[0]!;
    return { participant, trials, timings: this.#seconds, amount: this.#amount!, way: best.way };
  }
}

/** Those whose text differs from the most common one are wrong: the text repeats, so all know how it goes on. */
function compareTexts(measurements: readonly Measurement[]): void {
  const texts = measurements.flatMap(({ text }) => text ?? []);
  const count = (text: string): number => texts.filter((it) => it === text).length;
  const common = texts.toSorted((a, b) => count(b) - count(a))[0];
  for (const it of measurements) {
    if (it.text === undefined || it.text === common) continue;
    it.refuse(`it goes on with ${JSON.stringify(it.text)}, others with ${JSON.stringify(common)}`);
  }
}

async function measureRow(plan: Plan, all: readonly Started[], work: Work): Promise<Row> {
  const asked = all.map((started) => new Measurement(started, work, plan.progress));
  for (const it of asked) await it.prepare(plan.model?.prompts ?? {});
  const measurements = asked.filter(({ isAbsent }) => !isAbsent);
  if (isModelWork(work)) compareTexts(measurements);
  for (let round = 0; round < plan.rounds; round++) {
    for (const it of measurements) await it.time();
  }
  for (const { host } of all) await host.call("release").catch(() => {}); // a crash has been noted already
  return { work, figures: measurements.map(({ figure }) => figure) };
}

/** Starts those who do such work; who cannot start is noted as failing in each row. */
async function startAll(
  plan: Plan,
  wanted: readonly Participant[],
): Promise<[Started[], Figure[], Map<string, string>]> {
  const [started, failed, summaries]: [Started[], Figure[], Map<string, string>] = [[], [], new Map()];
  for (const participant of wanted) {
    const host = await plan.placeOf(participant).open();
    try {
      summaries.set(participant.name, await host.call("start", optionsOf(plan, participant)));
      started.push({ participant, host });
    } catch (error) {
      failed.push({ participant: participant.name, trials: [], error: messageOf(error) });
      await host.close();
    }
  }
  return [started, failed, summaries];
}

async function tensorRows(plan: Plan): Promise<Pick<Section, "rows" | "summaries">> {
  const work = plan.work.filter((it) => !isModelWork(it));
  if (work.length === 0) return { rows: [], summaries: {} };
  const wanted = [...plan.limits, ...plan.participants].filter(({ does }) => does !== "models");
  const [started, failed, summaries] = await startAll(plan, wanted);
  const rows: Row[] = [];
  for (const it of work) {
    plan.progress(it.name);
    const { figures } = await measureRow(plan, started, it);
    rows.push({ work: it, figures: [...figures, ...failed] });
  }
  for (const { host } of started) await host.close();
  return { rows, summaries: Object.fromEntries([...summaries].filter(([name]) => !saysNothing(name))) };
}

/** The limits in WebAssembly have no more to say than their names; bare dispatches name the adapter. */
const saysNothing = (name: string): boolean => name.startsWith("limit: ") && name !== "limit: bare dispatches";

/** Loads the model in a fresh place, as often as there are rounds; the last ones stay open for the rows. */
async function loadModels(
  plan: Plan,
  wanted: readonly Participant[],
): Promise<[Started[], Fresh[], Map<string, string>]> {
  const open = new Map<Participant, RemoteHost>();
  const times = new Map<Participant, number[]>();
  const [errors, summaries] = [new Map<Participant, string>(), new Map<string, string>()];
  for (let round = 0; round < plan.rounds; round++) {
    for (const participant of wanted.filter((it) => !errors.has(it))) {
      await open.get(participant)?.close();
      const host = await plan.placeOf(participant).open();
      open.set(participant, host);
      try {
        summaries.set(participant.name, await host.call("start", optionsOf(plan, participant)));
        const milliseconds = await host.call("loadModel", plan.placeOf(participant).model);
        times.set(participant, [...times.get(participant) ?? [], milliseconds]);
      } catch (error) {
        errors.set(participant, messageOf(error));
        await host.close();
      }
    }
  }
  const started = [...open].flatMap(([participant, host]) => errors.has(participant) ? [] : [{ participant, host }]);
  const fresh = wanted.map((participant): Fresh => {
    const error = errors.get(participant);
    const milliseconds = times.get(participant) ?? [];
    return {
      participant: participant.name,
      ...(error === undefined ? { milliseconds: median(milliseconds) } : { error }),
    };
  });
  return [started, fresh, summaries];
}

async function modelRows(plan: Plan): Promise<Pick<Section, "rows" | "summaries" | "loading">> {
  const work = plan.work.filter(isModelWork);
  if (work.length === 0 || plan.model === undefined) return { rows: [], summaries: {}, loading: [] };
  plan.progress("loading the model");
  const wanted = plan.participants.filter(({ does }) => does !== "tensors");
  const [started, fresh, summaries] = await loadModels(plan, wanted);
  const [limits] = await startAll(plan, plan.limits);
  const rows: Row[] = [];
  for (const it of work) {
    plan.progress(it.name);
    rows.push(await measureRow(plan, [...limits, ...started], it));
  }
  const loading: Fresh[] = [];
  for (const it of fresh) {
    const host = started.find(({ participant }) => participant.name === it.participant)?.host;
    const peakBytes = await host?.peakBytes().catch(() => undefined); // it crashed, which its rows tell
    loading.push({ ...it, ...(peakBytes !== undefined && { peakBytes }) });
  }
  for (const { host } of [...limits, ...started]) await host.close();
  return { rows, summaries: Object.fromEntries(summaries), loading };
}

/** The first result in fresh places, everyone in turn. */
async function firstResults(plan: Plan): Promise<Fresh[]> {
  if (!plan.first) return [];
  plan.progress("first result");
  const wanted = plan.participants.filter(({ does }) => does !== "models");
  const times = new Map<Participant, number[]>();
  const errors = new Map<Participant, string>();
  for (let round = 0; round < plan.rounds; round++) {
    for (const participant of wanted.filter((it) => !errors.has(it))) {
      const host = await plan.placeOf(participant).open();
      await host.call("first", optionsOf(plan, participant))
        .then((milliseconds) => times.set(participant, [...times.get(participant) ?? [], milliseconds]))
        .catch((error) => errors.set(participant, messageOf(error)));
      await host.close();
    }
  }
  return wanted.map((participant) => {
    const error = errors.get(participant);
    const milliseconds = median(times.get(participant) ?? [NaN]);
    return { participant: participant.name, ...(error === undefined ? { milliseconds } : { error }) };
  });
}

/** Carries a plan out. */
export async function measureSection(plan: Plan): Promise<Section> {
  const tensors = await tensorRows(plan);
  const first = await firstResults(plan);
  const models = await modelRows(plan);
  return {
    ...{ environment: plan.environment, threads: plan.threads },
    summaries: { ...tensors.summaries, ...models.summaries },
    rows: [...tensors.rows, ...models.rows],
    ...{ first, loading: models.loading },
  };
}
