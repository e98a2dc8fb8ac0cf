/**
 * Heed and other WebAssembly libraries side by side, as `deno task bench:peers --help` says.
 *
 * Each participant has a browser or a process of its own. For a piece of work all make their operands ready and show that
 * their numbers are right; then rounds take everyone in turn, the machine's own limits too, so that a slow moment of the
 * machine falls on all. A participant that fails or is wrong is a line of the report.
 */
import {
  LIMITS,
  NATIVE,
  type Participant,
  PARTICIPANTS,
  WEBGPU_LIMITS,
  WEBGPU_PARTICIPANTS,
} from "../apps/bench/peers/participants.ts";
import { readPrompts } from "../apps/bench/peers/prompt.ts";
import { failuresOf, markdown, type Report, type Section } from "../apps/bench/peers/report.ts";
import { isModelWork, TINY_WEBGPU_WORK, TINY_WORK, WEBGPU_WORK, WORK, type Work } from "../apps/bench/peers/work.ts";
import { modelFolder } from "../apps/cli/src/cache_folder.ts";
import { type CommandLine, numberOption } from "../apps/cli/src/command_line.ts";
import { UsageError } from "../apps/cli/src/errors.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import { runScript } from "./command_line.ts";
import { ROOT, toFileUrl } from "./files.ts";
import { startInChromium, startInDeno } from "./peer_hosts.ts";
import { measureSection, type Place, type Plan } from "./peer_rounds.ts";
import { buildSite, installNative, serveSite, SITE_URL } from "./peer_site.ts";

const HELP = `deno task bench:peers

Measures Heed beside other libraries. Tables go to stdout, progress to stderr; peers.json and
peers.md, or peers_webgpu.json and .md, to a folder. The exit code is 1 if Heed failed or was
wrong, 2 if nothing could be measured.

  --filter TEXT     only work whose name has it; one is "first result"
  --only NAMES      only these participants, with commas between
  --in PLACES       chromium, deno or both (default chromium,deno)
  --backend NAME    wasm (default), or webgpu: work of its own, on whatever adapter is there
  --threads COUNTS  on wasm, one after the other (default 1,2)
  --rounds N        how often everyone's turn comes (default 7)
  --model PATH      SmolLM2 in GGUF (default: that of deno task generate, if it is there)
  --native          also llama.cpp as compiled for the processor (Linux, x64; npm installs it)
  --tiny            tries everything but the model out on small work
  --out FOLDER      where the report goes (default .cache/bench)
  -h, --help        show this
`;

const OPTIONS = {
  filter: { type: "string", default: "" },
  only: { type: "string" },
  in: { type: "string", default: "chromium,deno" },
  backend: { type: "string", default: "wasm" },
  threads: { type: "string", default: "1,2" },
  rounds: { type: "string", default: "7" },
  model: { type: "string" },
  native: { type: "boolean", default: false },
  tiny: { type: "boolean", default: false },
  out: { type: "string", default: `${ROOT}.cache/bench` },
} as const;

const MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf";

async function output(command: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, cwd: ROOT, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined; // not on this machine
  }
}

async function processor(): Promise<string> {
  const known = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return /^model name\s*:\s*(.*)$/m.exec(known)?.[1] ?? await output("sysctl", "-n", "machdep.cpu.brand_string") ??
    "unknown";
}

async function chromiumVersion(): Promise<string> {
  const browser = await launchChromium();
  const version = browser.version();
  await browser.close();
  return version;
}

async function findModel(path: string | undefined): Promise<string | undefined> {
  const wanted = path ?? `${modelFolder((name) => Deno.env.get(name), Deno.build.os)}/${MODEL_FILE}`;
  try {
    return await Deno.realPath(wanted);
  } catch (error) {
    if (path !== undefined) throw error;
    console.error(`No model: ${wanted} is not there; \`deno task generate\` fetches it, --model names another`);
    return undefined;
  }
}

/** The command line. */
interface Settings {
  readonly filter: string;
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly places: readonly string[];
  readonly only: readonly string[];
  readonly model: string | undefined;
  readonly native: boolean;
  readonly backend: string;
  readonly out: string;
  readonly tiny: boolean;
}

function settings({ values }: CommandLine<typeof OPTIONS>): Settings {
  const { filter, model, native, backend, out, tiny } = values;
  if (backend !== "wasm" && backend !== "webgpu") {
    throw new UsageError(`Cannot use --backend "${backend}": it must be wasm or webgpu`);
  }
  const count = { min: 1, whole: true };
  const threads = values.threads.split(",").map((text) => numberOption("threads", text, count)!); // each is given
  const rounds = numberOption("rounds", values.rounds, count)!; // by default too
  const places = listOption("in", values.in, ["chromium", "deno"]);
  const names = participantsOf(values).map(({ name }) => name);
  const only = values.only === undefined ? names : listOption("only", values.only, names);
  return { filter, threads, rounds, places, only, model, native, backend, out, tiny };
}

/** Names with commas between. */
function listOption(name: string, text: string, known: readonly string[]): readonly string[] {
  const names = text.split(",");
  const unknown = names.find((it) => !known.includes(it));
  if (unknown === undefined) return names;
  throw new UsageError(`Cannot use --${name} "${unknown}": it must be some of ${known.join(", ")}`);
}

type Who = Pick<Settings, "native" | "backend">;

function participantsOf({ native, backend }: Who): readonly Participant[] {
  if (backend === "webgpu") return WEBGPU_PARTICIPANTS;
  return native ? [...PARTICIPANTS, NATIVE] : PARTICIPANTS;
}

function workOf({ backend, tiny }: Settings): readonly Work[] {
  if (backend === "webgpu") return tiny ? TINY_WEBGPU_WORK : WEBGPU_WORK;
  return tiny ? TINY_WORK : WORK;
}

async function run(options: Settings): Promise<Report> {
  const { filter, rounds, backend, tiny, places } = options;
  const work = workOf(options).filter(({ name }) => name.includes(filter));
  const needsModel = work.some(isModelWork);
  const model = needsModel ? await findModel(options.model) : undefined;
  const prompts = model === undefined ? {} : await readPrompts(model);
  await buildSite();
  if (options.native && model !== undefined) await installNative();
  const server = serveSite(model);
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const inPage: Place = { base: url, model: `${url}model.gguf`, open: () => startInChromium(url) };
  const inProcess: Place = {
    ...{ base: SITE_URL, model: model === undefined ? "" : toFileUrl(model) },
    open: () => Promise.resolve(startInDeno()),
  };
  const isWebGpu = backend === "webgpu";
  const all = participantsOf(options);
  const sections: Section[] = [];
  for (const environment of places) {
    for (const threads of isWebGpu ? [1] : options.threads) {
      const plan: Plan = {
        ...{ environment, threads, backend, rounds, work },
        participants: all.filter(({ name }) => options.only.includes(name)),
        limits: isWebGpu ? WEBGPU_LIMITS : LIMITS,
        first: "first result".includes(filter) && !tiny,
        model: model === undefined ? undefined : { prompts },
        placeOf: (it) => environment === "chromium" && it.adapter !== "llamacpp" ? inPage : inProcess,
        progress: (line) => console.error(`${environment}, ${threads} thread(s): ${line}`),
      };
      sections.push(await measureSection(plan));
    }
  }
  await server.shutdown();
  const commit = await output("git", "rev-parse", "HEAD");
  const packages = Object.fromEntries(
    all.flatMap((it) => Object.entries(it.packages)).map((
      [name, version],
    ) => [name, version.split("@").at(-1)!]),
  );
  const browser = places.includes("chromium") && findChromium() !== undefined
    ? { chromium: await chromiumVersion() }
    : {};
  return {
    date: new Date().toISOString(),
    machine: {
      ...{ processor: await processor(), cores: navigator.hardwareConcurrency },
      ...{ os: Deno.build.os, arch: Deno.build.arch },
    },
    versions: { deno: Deno.version.deno, v8: Deno.version.v8, ...browser, ...packages },
    ...(commit !== undefined && { commit }),
    backend,
    rounds,
    sections,
  };
}

/** Measures, and writes the report. @returns the exit code */
async function measure(options: Settings): Promise<number> {
  const report = await run(options);
  await Deno.mkdir(options.out, { recursive: true });
  const name = options.backend === "webgpu" ? "peers_webgpu" : "peers";
  await Deno.writeTextFile(`${options.out}/${name}.json`, JSON.stringify(report, null, 2) + "\n");
  await Deno.writeTextFile(`${options.out}/${name}.md`, markdown(report));
  console.log(markdown(report));
  console.error(`Written to ${options.out}/${name}.json and ${name}.md`);
  return failuresOf(report).some((line) => /: heed/.test(line)) ? 1 : 0;
}

if (import.meta.main) {
  await runScript({ help: HELP, options: OPTIONS }, async (line) => {
    const options = settings(line);
    const code = await measure(options).catch((error) => {
      console.error(error instanceof Error ? error.message : error);
      return 2;
    });
    Deno.exit(code);
  });
}
