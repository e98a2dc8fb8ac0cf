/**
 * What the tests need besides Deno: Chromium for the browser, and on Linux a Vulkan driver for WebGPU (a software one
 * where there is no other). As root on Debian it installs what is missing; elsewhere it says what to install, and fails.
 */
import { findChromium } from "./chromium.ts";
import { walk } from "./files.ts";

/** Where Linux systems list their Vulkan drivers. */
const VULKAN_DRIVERS = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

function missingPackages(): string[] {
  const missing: string[] = [];
  if (findChromium() === undefined) missing.push("chromium");
  if (Deno.build.os === "linux" && !VULKAN_DRIVERS.some((folder) => [...walk(folder)].length > 0)) {
    missing.push("mesa-vulkan-drivers", "libvulkan1");
  }
  return missing;
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

if (import.meta.main) {
  const missing = missingPackages();
  if (missing.length > 0 && mayInstall()) {
    await aptGet("update");
    await aptGet("install", "-y", "--no-install-recommends", ...missing);
  }
  const still = missingPackages();
  if (still.length > 0) {
    console.error(`The tests need ${still.join(" and ")}. On Debian: sudo apt-get install ${still.join(" ")}`);
    console.error("Elsewhere: any Chromium, with its path in the environment variable CHROMIUM, and a Vulkan driver.");
    Deno.exit(1);
  }
  console.log(missing.length > 0 ? `installed ${missing.join(", ")}` : "everything is there");
}
