/**
 * Everything, as CI runs it, or the quick checks, which one runs before each commit (some three minutes).
 *
 * Each stage is a command of its own whose output passes through. A failing stage fails the whole and hides no later
 * one. The last line adds up what the stages counted: `N passed, N failed, N skipped`.
 */
import type { CommandLine } from "../apps/cli/src/command_line.ts";
import { runScript } from "./command_line.ts";
import { ROOT } from "./files.ts";

const HELP = `deno task test, or deno task ok for the quick checks

Runs formatting, lint, types, layers, docs, whether the WebAssembly kernels are what their
sources make, clippy and rustfmt (both with Rust there), the unit tests and, but for the quick
checks, what takes longer: bundles, conformance on every backend and build in Deno and in
Chromium, the real model. One part alone is a task of its own (deno task lists them), or a
path for deno test -A PATH.

  --quick     the quick checks only
  -h, --help  show this
`;

const OPTIONS = { quick: { type: "boolean", default: false } } as const;

/** What a stage counted. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A command to run with this same Deno; quick ones belong to `--quick` as well. */
interface Stage {
  readonly title: string;
  readonly quick: boolean;
  readonly args: readonly string[];
}

const STAGES: readonly Stage[] = [
  { title: "format", quick: true, args: ["run", "-A", "scripts/fmt.ts", "--check"] },
  { title: "lint", quick: true, args: ["lint"] },
  { title: "types", quick: true, args: ["task", "check"] },
  { title: "layers", quick: true, args: ["run", "-A", "scripts/check_layers.ts"] },
  { title: "docs", quick: true, args: ["task", "docs"] },
  { title: "wasm build", quick: true, args: ["run", "-A", "scripts/build_wasm.ts", "--check"] },
  { title: "rust", quick: true, args: ["run", "-A", "scripts/build_wasm.ts", "--lint"] },
  { title: "setup", quick: false, args: ["run", "-A", "scripts/setup.ts"] },
  { title: "tests", quick: true, args: ["test", "-A", "--doc", "--parallel", "packages", "apps", "scripts", "docs"] },
  { title: "bundle", quick: false, args: ["run", "-A", "scripts/bundle.ts"] },
  { title: "tests of the whole", quick: false, args: ["test", "-A", "tests"] },
  { title: "conformance, scalar", quick: false, args: ["run", "-A", "scripts/conformance.ts", "--backend", "scalar"] },
  ...webGpuStages("conformance", "scripts/conformance.ts"),
  ...wasmStages("conformance", "scripts/conformance.ts"),
  { title: "browser", quick: false, args: ["run", "-A", "scripts/test_browser.ts"] },
  ...wasmStages("browser", "scripts/test_browser.ts"),
  ...wasmStages("browser without isolation", "scripts/test_browser.ts", "--no-isolation"),
  ...webGpuStages("browser", "scripts/test_browser.ts"),
];

/** Each build of the wasm backend, that with threads on one and on two. */
function wasmStages(title: string, script: string, ...more: string[]): Stage[] {
  const builds = [["plain", "1"], ["threads", "1"], ["threads", "2"]] as const;
  return builds.map(([build, threads]) => ({
    title: `${title}, wasm ${build} ${threads}`,
    quick: false,
    args: ["run", "-A", script, "--backend", "wasm", "--build", build, "--threads", threads, ...more],
  }));
}

/** The WebGPU backend with all optional features that the adapter has, and with none. */
function webGpuStages(title: string, script: string): Stage[] {
  return ["all", "none"].map((features) => ({
    title: `${title}, webgpu, ${features} of the optional features`,
    quick: false,
    args: ["run", "-A", script, "--backend", "webgpu", "--features", features],
  }));
}

/** `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`, as `deno test` closes. */
const DENO_TEST = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/;
/** `12 passed, 0 failed, 1 skipped`, as conformance closes. */
const CONFORMANCE = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/**
 * Reads a stage's counts from the last line of its output that has any.
 *
 * @returns undefined where no line counts anything.
 */
export function readCounts(output: string): Counts | undefined {
  const lines = output.split("\n").map((line) => line.trim()).reverse();
  for (const line of lines) {
    const match = DENO_TEST.exec(line) ?? CONFORMANCE.exec(line);
    if (match !== null) return { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3] ?? 0) };
  }
  return undefined;
}

/**
 * A stage's counts together with how it ended: one that has none is one check, failing is never silent, and one that
 * counted nothing has failed.
 */
export function judge(counts: Counts | undefined, success: boolean): Counts {
  if (counts === undefined) return { passed: success ? 1 : 0, failed: success ? 0 : 1, skipped: 0 };
  const ran = counts.passed + counts.failed + counts.skipped > 0;
  return (success && ran) || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** Several times what any stage takes on two busy cores. */
const STAGE_MS = 40 * 60_000;
/** How long after a stage's end its output is read on: what it left running may hold the pipe. */
const REST_MS = 5_000;

async function runStage(stage: Stage): Promise<Counts> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...stage.args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(STAGE_MS),
  });
  const child = command.spawn();
  const [reader, decoder] = [child.stdout.getReader(), new TextDecoder()];
  let output = "";
  const reading = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      await Deno.stdout.write(part.value);
      output += decoder.decode(part.value, { stream: true });
    }
  })();
  const { success } = await child.status;
  await Promise.race([reading, new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, REST_MS)))]);
  await reader.cancel();
  return judge(readCounts(output), success);
}

async function run({ values: { quick } }: CommandLine<typeof OPTIONS>): Promise<void> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const summary: string[] = [];
  for (const stage of STAGES.filter((it) => it.quick || !quick)) {
    console.log(`\n== ${stage.title}`);
    const start = performance.now();
    const counts = await runStage(stage);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    summary.push(`${counts.failed === 0 ? "ok    " : "FAILED"} ${stage.title} (${seconds} s)`);
  }
  console.log(`\n${summary.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (total.failed > 0) Deno.exit(1);
}

if (import.meta.main) await runScript({ help: HELP, options: OPTIONS }, run);
