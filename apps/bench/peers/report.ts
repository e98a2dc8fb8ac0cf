/** What a run found, as it is written to JSON, and the tables that people read. */
import type { Trial } from "./host.ts";
import { amountOf, demandOf, type Work } from "./work.ts";

/** One participant's figure in a row. */
export interface Figure {
  readonly participant: string;
  /** Seconds of a run, round by round; none where nothing right came of it. */
  readonly timings?: readonly number[];
  /** Operations, bytes or tokens of a run. */
  readonly amount?: number;
  /** The way taken. */
  readonly way?: string;
  /** All ways tried, with what was wrong. */
  readonly trials: readonly Trial[];
  /** Why there is no figure. */
  readonly error?: string;
}

/** One piece of work. */
export interface Row {
  readonly work: Work;
  readonly figures: readonly Figure[];
}

/** The first product in a fresh page or process, or the loading of the model there. */
export interface Fresh {
  readonly participant: string;
  /** Median. */
  readonly milliseconds?: number;
  readonly peakBytes?: number;
  readonly error?: string;
}

/** Everything measured in one place with one count of threads. */
export interface Section {
  readonly environment: string;
  readonly threads: number;
  /** What the participants say of themselves. */
  readonly summaries: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  readonly first: readonly Fresh[];
  readonly loading: readonly Fresh[];
}

/** A whole run. */
export interface Report {
  readonly date: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly commit?: string;
  /** Heed's, and so what the others ran on. */
  readonly backend: string;
  readonly rounds: number;
  readonly sections: readonly Section[];
}

const isLimit = (name: string): boolean => name.startsWith("limit: ");
const isHeed = (name: string): boolean => name.startsWith("heed");
const isNative = (name: string): boolean => name.endsWith("(native)");

/** The middle one of an odd number of values; of an even one, the upper of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Operations, bytes or tokens a second: of the median. */
export function rateOf({ timings, amount = NaN }: Figure): number | undefined {
  return timings === undefined ? undefined : amount / median(timings);
}

/** How many times as long `a` took as `b`: the median over rounds, since a slow moment falls on the whole round. */
function ratio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((seconds, round) => seconds / b[round]!));
}

/** The least seconds the machine's limits allow, round by round: computing, and reading. A large product reads little. */
export function limitTimings({ work, figures }: Row): number[] | undefined {
  const bare = figures.find(({ participant }) => participant === "limit: bare dispatches")?.timings;
  if (bare !== undefined) return [...bare];
  const { operations, bytes, passes } = demandOf(work);
  const isModel = work.kind === "prefill" || work.kind === "decode";
  const seconds = (limit: string, demand: number): number[] | undefined => {
    const { timings, amount = NaN } = figures.find(({ participant }) => participant === `limit: ${limit}`) ?? {};
    return timings?.map((it) => demand / amount * it);
  };
  const computing = seconds(isModel ? "int8 dots" : "multiply-adds", operations);
  const reading = seconds("reads", work.kind === "matmul" && work.m > 4 ? 0 : bytes * passes);
  return computing?.map((it, round) => Math.max(it, reading?.[round] ?? NaN));
}

function showRate(work: Work, rate: number): string {
  if (work.kind === "softmax" || work.kind === "adds") return `${(1000 / rate).toFixed(1)} ms`;
  if (work.kind === "prefill" || work.kind === "decode") return `${rate.toFixed(rate < 100 ? 1 : 0)} t/s`;
  return (rate / 1e9).toFixed(rate < 1e9 ? 2 : 1);
}

function cell(row: Row, participant: string, least: readonly number[] | undefined): string {
  const figure = row.figures.find((it) => it.participant === participant);
  if (figure === undefined) return "";
  const rate = rateOf(figure);
  if (rate === undefined) return "failed";
  return showRate(row.work, rate) +
    (least === undefined ? "" : ` (${Math.round(100 * ratio(least, figure.timings!))} %)`);
}

/** How many times as fast as the best of some others Heed is. */
function lead({ figures }: Row, isOther: (name: string) => boolean): string {
  const best = (among: (name: string) => boolean): Figure | undefined =>
    figures.filter((it) => among(it.participant) && it.timings !== undefined)
      .toSorted((a, b) => rateOf(b)! - rateOf(a)!)[0];
  const [heed, other] = [best(isHeed), best(isOther)];
  if (heed === undefined || other === undefined) return "";
  const times = ratio(other.timings!, heed.timings!);
  return `${times.toFixed(times < 1 ? 2 : 1)} x`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map((_, i) => i === 0 ? "---" : "--:")), ...rows.map(line)].join("\n");
}

function rowsTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ figures }) => figures.map(({ participant }) => participant)))]
    .filter((name) => !isLimit(name));
  const isPeer = (name: string): boolean => !isLimit(name) && !isHeed(name) && !isNative(name);
  const native = names.some(isNative) ? ["Heed to native"] : [];
  const header = ["work", "limit", ...names, "Heed to the best other", ...native];
  return table(
    header,
    rows.map((row) => {
      const least = limitTimings(row);
      const limit = least === undefined ? "" : showRate(row.work, amountOf(row.work) / median(least));
      const leads = [lead(row, isPeer), ...native.map(() => lead(row, isNative))];
      return [row.work.name, limit, ...names.map((name) => cell(row, name, least)), ...leads];
    }),
  );
}

function freshTable(title: string, rows: readonly Fresh[]): string {
  const megabytes = (bytes: number | undefined): string => bytes === undefined ? "" : `${Math.round(bytes / 1e6)}`;
  const milliseconds = (it: Fresh): string => it.milliseconds === undefined ? "failed" : it.milliseconds.toFixed(0);
  const cells = rows.map((it) => [it.participant, milliseconds(it), megabytes(it.peakBytes)]);
  return table([title, "ms", "peak MB of its process"], cells);
}

/** Something that failed or was wrong: who, doing what, and why. */
interface Failure {
  readonly who: string;
  readonly what: string;
  readonly why: string;
}

function failuresIn({ rows, first, loading }: Section): Failure[] {
  const ofRow = ({ work, figures }: Row): Failure[] =>
    figures.flatMap(({ participant, trials, error }) => {
      const wrong = trials.flatMap(({ way, wrong }): Failure[] =>
        wrong === undefined ? [] : [{ who: `${participant}, ${way}`, what: work.name, why: wrong }]
      );
      if (error === undefined || wrong.length > 0 && wrong.length === trials.length) return wrong;
      return [...wrong, { who: participant, what: work.name, why: error }];
    });
  const ofFresh = (what: string, all: readonly Fresh[]): Failure[] =>
    all.flatMap(({ participant, error }) => error === undefined ? [] : [{ who: participant, what, why: error }]);
  return [...rows.flatMap(ofRow), ...ofFresh("first result", first), ...ofFresh("loading the model", loading)];
}

/** One line for everyone and everything that was wrong with them, with the work it was seen in; untaken ways included. */
export function failuresOf(report: Report): string[] {
  return report.sections.flatMap((section) => {
    const works = new Map<string, string[]>();
    for (const { who, what, why } of failuresIn(section)) {
      const line = `${who}: ${why}`;
      works.set(line, [...works.get(line) ?? [], what]);
    }
    const where = `${section.environment}, ${section.threads} thread(s)`;
    return [...works].map(([line, whats]) => `${where}: ${line} (${[...new Set(whats)].join("; ")})`);
  });
}

function section({ environment, threads, summaries, rows, first, loading }: Section): string {
  const ways = rows.flatMap(({ work, figures }) =>
    figures.filter(({ trials, way }) => trials.length > 1 && way !== undefined)
      .map(({ participant, way }) => `${participant}, ${work.name}: ${way}`)
  );
  const lines = (items: readonly string[]): string => items.map((line) => `- ${line}`).join("\n");
  const said = Object.values(summaries);
  return [
    `## ${environment}, ${threads} thread${threads === 1 ? "" : "s"}`,
    ...(rows.length > 0 ? [rowsTable(rows)] : []),
    ...(first.length > 0 ? [freshTable("first 256-cube product, from the import on", first)] : []),
    ...(loading.length > 0 ? [freshTable("loading the model", loading)] : []),
    ...(said.length > 0 ? [lines(said)] : []),
    ...(ways.length > 0 ? [`The fastest of several ways:\n\n${lines(ways)}`] : []),
  ].join("\n\n");
}

/** The report for people. */
export function markdown(report: Report): string {
  const { machine, versions, commit, backend, rounds, sections } = report;
  const isWebGpu = backend === "webgpu";
  const failures = failuresOf(report);
  const list = (values: Readonly<Record<string, string | number>>): string =>
    Object.entries(values).map(([name, value]) => `${name} ${value}`).join(", ");
  return [
    `# Heed and other libraries ${isWebGpu ? "on WebGPU" : "in WebAssembly"}`,
    `${list(machine)}; ${list(versions)}${
      commit === undefined ? "" : `; commit ${commit}`
    }. Medians of ${rounds} rounds ` +
    "that take everyone in turn. Figures are G operations a second (a multiplication and an addition are two; causal " +
    "attention counted as the full square), milliseconds, or tokens a second (t/s). " +
    (isWebGpu
      ? "Operands lie on the device, and results are read back within the time. In brackets: the time of the same " +
        "dispatches without a library, in the same rounds, as a share."
      : "In brackets: the share of what the machine's own limits, measured in the same rounds, allow (causal attention: " +
        "for its triangle)."),
    ...sections.map(section),
    ...(failures.length > 0 ? [`## Failed or wrong\n\n${failures.map((line) => `- ${line}`).join("\n")}`] : []),
  ].join("\n\n") + "\n";
}
