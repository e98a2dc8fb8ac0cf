/** The comparison's rounds, with participants that do nothing or fail. */
import { assertEquals } from "@std/assert";
import type { Host } from "../../apps/bench/peers/host.ts";
import type { Participant } from "../../apps/bench/peers/participants.ts";
import { failuresOf } from "../../apps/bench/peers/report.ts";
import { TINY_WORK } from "../../apps/bench/peers/work.ts";
import type { Method, RemoteHost } from "../peer_hosts.ts";
import { measureSection, type Plan } from "../peer_rounds.ts";

/** What a participant answers; what it has no answer to fails, as a call that took too long does. */
type Answers = { readonly [M in Method]?: Awaited<ReturnType<Host[M]>> };

const WELL: Answers = {
  start: "it runs",
  prepare: [{ way: "a way", milliseconds: 1 }],
  time: { seconds: 0.5 },
  release: undefined,
};

const { time: _, ...HANGS_LATER } = WELL;

function fakeHost(answers: Answers): RemoteHost {
  return {
    call: <M extends Method>(method: M, ..._: Parameters<Host[M]>): Promise<Awaited<ReturnType<Host[M]>>> =>
      method in answers
        ? Promise.resolve(answers[method]! as Awaited<ReturnType<Host[M]>>) // it is there, and undefined for nothing
        : Promise.reject(new Error(`no answer to ${method}()`)),
    peakBytes: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  };
}

Deno.test("a participant that fails is told at once and named in the report, and the others go on", async () => {
  const all: Readonly<Record<string, Answers>> = { heed: WELL, other: HANGS_LATER, third: {} };
  const told: string[] = [];
  const work = TINY_WORK.slice(0, 2);
  const plan: Plan = {
    ...{
      environment: "deno",
      threads: 1,
      backend: "wasm",
      rounds: 3,
      work,
      limits: [],
      first: false,
      model: undefined,
    },
    participants: Object.keys(all).map((name): Participant => (
      { name, adapter: "heed", packages: {}, does: "tensors" }
    )),
    placeOf: ({ name }) => ({ base: "", model: "", open: () => Promise.resolve(fakeHost(all[name]!)) }),
    progress: (line) => told.push(line),
  };
  const section = await measureSection(plan);
  const [first, second] = work.map(({ name }) => name);
  assertEquals(told, [
    ...[first!, `${first}: other failed, no answer to time()`],
    ...[second!, `${second}: other failed, no answer to time()`],
  ]);
  assertEquals(section.rows.map(({ figures }) => figures.map(({ timings }) => timings)), [
    [[0.5, 0.5, 0.5], undefined, undefined],
    [[0.5, 0.5, 0.5], undefined, undefined],
  ]);
  const report = { date: "", machine: {}, versions: {}, rounds: 3, backend: "wasm", sections: [section] };
  assertEquals(failuresOf(report), [
    `deno, 1 thread(s): other: no answer to time() (${first}; ${second})`,
    `deno, 1 thread(s): third: no answer to start() (${first}; ${second})`,
  ]);
});
