/**
 * What the tests need besides Deno: Chromium for the browser, on Linux a Vulkan driver for WebGPU (a software one where there
 * is no other), Python with pip, whose package safetensors reads what Heed writes, and npm, which packs and installs the
 * package. As root on Debian it installs what is missing; elsewhere it says what to install, and fails. Python packages go
 * to the repository's .cache.
 */
import { findChromium } from "./chromium.ts";
import { runScript } from "./command_line.ts";
import { walk } from "./files.ts";
import { hasCheckPackages, installCheckPackages, runPython } from "./python.ts";

const HELP = `deno task setup

Looks for what the tests need: Chromium, a Vulkan driver, Python with pip and two packages, and
npm. Installs what is missing as root on Debian; elsewhere it says what is, and fails.

  -h, --help  show this
`;

/** Where Linux systems list their Vulkan drivers. */
const VULKAN_DRIVERS = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  if (findChromium() === undefined) missing.push("chromium");
  if (Deno.build.os === "linux" && !VULKAN_DRIVERS.some((folder) => [...walk(folder)].length > 0)) {
    missing.push("mesa-vulkan-drivers", "libvulkan1");
  }
  if (!(await runPython(["-m", "pip", "--version"])).success) missing.push("python3", "python3-pip");
  if (!(await hasNpm())) missing.push("npm");
  return missing;
}

async function hasNpm(): Promise<boolean> {
  try {
    return (await new Deno.Command("npm", { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether this is a Debian (or one of its descendants) where we may install packages. */
function mayInstall(): boolean {
  return Deno.build.os === "linux" && [...walk("/etc/apt")].length > 0 && Deno.uid() === 0;
}

async function aptGet(...args: string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const { success } = await new Deno.Command("apt-get", { args, env, stdout: "inherit", stderr: "inherit" }).spawn()
    .status;
  if (!success) throw new Error(`apt-get ${args.join(" ")} failed`);
}

async function run(): Promise<void> {
  const missing = await missingPackages();
  if (missing.length > 0 && mayInstall()) {
    await aptGet("update");
    await aptGet("install", "-y", "--no-install-recommends", ...missing);
  }
  const still = await missingPackages();
  if (!still.includes("python3-pip") && !(await hasCheckPackages())) {
    await installCheckPackages();
    missing.push("the Python packages safetensors and numpy");
  }
  if (still.length > 0) {
    console.error(`The tests need ${still.join(" and ")}. On Debian: sudo apt-get install ${still.join(" ")}`);
    console.error(
      "Elsewhere: any Chromium, with its path in the environment variable CHROMIUM, a Vulkan driver, Python with pip, npm.",
    );
    Deno.exit(1);
  }
  console.log(missing.length > 0 ? `installed ${missing.join(", ")}` : "everything is there");
}

if (import.meta.main) await runScript({ help: HELP, options: {} }, run);
