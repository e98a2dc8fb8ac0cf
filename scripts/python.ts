/**
 * Python packages for tests that look at Heed's files with other eyes. They lie in the repository's own .cache, never among
 * the system's; `pip` fetches them, so its own settings (index, proxy, certificates) apply.
 */
import { ROOT } from "./files.ts";

/** Where the packages of `check_safetensors.py` lie, for PYTHONPATH. */
export const CHECK_PACKAGES: string = `${ROOT}.cache/python/safetensors`;

/** What a program ended with. */
export interface Ended {
  /** Whether its exit code is 0; a program that is not there has failed. */
  readonly success: boolean;
  /** What it printed. */
  readonly stdout: string;
  /** What it complained of. */
  readonly stderr: string;
}

/**
 * Runs a Python program.
 *
 * @param args what comes after `python3`
 * @param python the interpreter; that of the system when left out
 */
export async function runPython(args: readonly string[], python = "python3"): Promise<Ended> {
  const env = { PYTHONPATH: python === "python3" ? CHECK_PACKAGES : "", PYTHONDONTWRITEBYTECODE: "1" };
  try {
    const command = new Deno.Command(python, { args: [...args], env, stdin: "null" });
    const { success, stdout, stderr } = await command.output();
    const text = new TextDecoder();
    return { success, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, stdout: "", stderr: `${python} is not installed` };
  }
}

/** Whether `check_safetensors.py` can run. */
export async function hasCheckPackages(): Promise<boolean> {
  return (await runPython(["-c", "import numpy, safetensors"])).success;
}

/**
 * Installs what `check_safetensors.py` imports.
 *
 * @throws Error with what pip said
 */
export async function installCheckPackages(): Promise<void> {
  const install = ["-m", "pip", "install", "--quiet", "--upgrade", "--target", CHECK_PACKAGES];
  const { success, stderr } = await runPython([...install, "safetensors", "numpy"]);
  if (!success) throw new Error(`Cannot install the Python packages safetensors and numpy: ${stderr.trim()}`);
}
