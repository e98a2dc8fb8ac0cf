/**
 * Builds the WebAssembly kernels, as `deno task build:wasm --help` says.
 *
 * Both builds of packages/backend-wasm/crate are made by wasm-pack, stripped, and written to
 * packages/backend-wasm/generated as modules that hold the base64 of the deflated bytes: the one form that an import by
 * URL, a CDN and bundlers all carry. Each module also records what it was made of and by.
 *
 * With `--check` nothing is written: where the toolchain is the recorded one the bytes must come out the same, with another
 * one the hash of the sources must. With `--lint` clippy and rustfmt look at the sources, for both builds.
 *
 * Building needs Rust; on Debian, as root, what is missing is installed (wasm_toolchain.sh). `--check` and `--lint` do what
 * they can without it, and say so, for those who change no Rust. With `CI` in the environment they insist on it, and the
 * sources are built with any toolchain.
 */
import binaryen from "binaryen";
import { createHash } from "node:crypto";
import { deflateRawSync, gzipSync } from "node:zlib";
import { encodeBase64, inflate } from "../packages/backend-wasm/src/base64.ts";
import type { CommandLine } from "../apps/cli/src/command_line.ts";
import { UsageError } from "../apps/cli/src/errors.ts";
import importMap from "../import_map.json" with { type: "json" };
import { runScript } from "./command_line.ts";
import { ROOT, walk } from "./files.ts";

const HELP = `deno task build:wasm

Builds the WebAssembly kernels from Rust and writes packages/backend-wasm/generated. On
Debian, as root, it installs the toolchain where that is missing.

  --check     write nothing; fail where the modules are not what their sources make
  --lint      only look at the sources, with clippy and rustfmt
  -h, --help  show this
`;

const OPTIONS = {
  check: { type: "boolean", default: false },
  lint: { type: "boolean", default: false },
} as const;

const PACKAGE = `${ROOT}packages/backend-wasm`;
const CRATE = `${PACKAGE}/crate`;
const CACHE = `${ROOT}.cache/wasm`;

/**
 * Flags of both builds: no source paths in messages of panics, which are traps anyway; and what keeps LLVM from unrolling,
 * vectorising and inlining far beyond what kernels say themselves. Together with opt-level 2 they took the threads build
 * from 100 to 67 kB gzipped, and in V8 no kernel that was measured became slower. (An unroll threshold of 60 costs the
 * matmul 4 %, one of 30 three quarters of its speed.)
 */
const COMMON = [
  ...["-Zlocation-detail=none", "-Zfmt-debug=none", "-Clink-arg=--export=__stack_pointer", "-Cno-vectorize-loops"],
  ...["-unroll-runtime=false", "-unroll-threshold=100", "-inline-threshold=100"].map((it) => `-Cllvm-args=${it}`),
];

/** The builds, and what makes them differ. */
const BUILDS: Readonly<Record<string, readonly string[]>> = {
  plain: ["-Ctarget-feature=+simd128"],
  threads: [
    "-Ctarget-feature=+simd128,+relaxed-simd,+atomics,+bulk-memory,+mutable-globals",
    ...["--shared-memory", "--import-memory", "--max-memory=4294967296"].map((it) => `-Clink-arg=${it}`),
    ...["wasm_init_tls", "tls_size", "tls_align", "tls_base"].map((it) => `-Clink-arg=--export=__${it}`),
  ],
};

/** Size that a build may have as shipped: deflated, in base64, gzipped. */
const LIMIT_BYTES = 70_000;

/** Whether a missing toolchain is an error also where nothing is written. */
const INSISTS = Deno.env.get("CI") !== undefined;

const decoder = new TextDecoder();

/** As import_map.json pins it. */
const BINARYEN = importMap.imports.binaryen.replace("npm:", "");

/** Where Debian's Rust is; one installed by rustup needs no more than its own settings. */
async function environment(): Promise<Record<string, string>> {
  const debian = await exists("/usr/bin/rustc") && await exists("/usr/bin/wasm-ld-22");
  const home = Deno.env.get("CARGO_HOME") ?? `${Deno.env.get("HOME")}/.cargo`;
  const path = `${Deno.env.get("PATH")}:${home}/bin`;
  const flags = { RUSTC_BOOTSTRAP: "1", CARGO_TERM_COLOR: "never" };
  if (!debian) return { ...flags, PATH: path };
  return {
    ...flags,
    PATH: `/usr/bin:${path}`,
    RUSTC: "/usr/bin/rustc",
    CARGO: "/usr/bin/cargo",
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: "wasm-ld-22",
  };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** What a program prints; fails as it fails. */
async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const options = { args: [...args], cwd: CRATE, env: { ...await environment(), ...env } };
  const { success, stdout, stderr } = await new Deno.Command(program, options).output();
  if (success) return decoder.decode(stdout);
  throw new Error(`${program} ${args.join(" ")} failed:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}

/** What builds, in words that are equal where the bytes should be; undefined where something is missing. */
async function toolchain(): Promise<string | undefined> {
  try {
    const versions = [
      await run("rustc", ["--version"]),
      await run("wasm-pack", ["--version"]),
      await run("wasm-bindgen", ["--version"]),
    ];
    const target = (await run("rustc", ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"])).trim();
    const hasStd = await exists(target);
    return hasStd ? [...versions.map((it) => it.trim()), BINARYEN].join(", ") : undefined;
  } catch {
    return undefined; // a program that is not there, or will not run
  }
}

async function installToolchain(): Promise<string> {
  const there = await toolchain();
  if (there !== undefined) return there;
  if (Deno.build.os === "linux" && await exists("/etc/debian_version") && Deno.uid() === 0) {
    const { success } = await new Deno.Command("bash", { args: [`${ROOT}scripts/wasm_toolchain.sh`] }).spawn().status;
    const made = success ? await toolchain() : undefined;
    if (made !== undefined) return made;
  }
  throw new Error(
    "Rust with the target wasm32-unknown-unknown, wasm-pack or wasm-bindgen is missing; " +
      "scripts/wasm_toolchain.sh says what is needed",
  );
}

/** SHA-256 of all that the bytes are made of. */
async function hashSources(): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([COMMON, BUILDS]));
  for (const path of walk(CRATE)) {
    if (!/(\.rs|\.toml|\.lock)$/.test(path)) continue;
    hash.update(`\n${path}\n`).update(await Deno.readFile(`${CRATE}/${path}`));
  }
  return hash.digest("hex");
}

async function build(name: string, flags: readonly string[]): Promise<Uint8Array> {
  const out = `${CACHE}/${name}`;
  const env = { RUSTFLAGS: [...flags, ...COMMON].join(" "), CARGO_TARGET_DIR: `${CACHE}/target-${name}` };
  const pack = ["--target", "web", "--release", "--mode", "no-install", "--no-pack", "--out-dir", out];
  await run("wasm-pack", ["build", CRATE, ...pack, "--", "--locked"], env);
  return await strip(`${out}/heed_kernels_bg.wasm`);
}

/**
 * Drops what nobody runs. Binaryen's optimisations are left out: after -O3 the int8 matvec ran at 0.7 of its speed in V8, and the
 * file was 0.3 % smaller; after -O1 and -O2 it was larger.
 */
async function strip(path: string): Promise<Uint8Array> {
  const module = binaryen.readBinary(await Deno.readFile(path));
  try {
    module.setFeatures(binaryen.Features.All);
    module.runPasses(["strip-debug", "strip-producers", "strip-target-features"]);
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** The module that carries a build. */
function moduleOf(name: string, wasm: Uint8Array, madeBy: string, sources: string): string {
  const base64 = encodeBase64(deflateRawSync(wasm, { level: 9 }));
  return `/**
 * The ${name} build of ../crate: base64 of its deflated bytes. Made by \`deno task build:wasm\`.
 *
 * Toolchain: ${madeBy}
 * Sources: ${sources}
 * WebAssembly: ${wasm.length} bytes, ${createHash("sha256").update(wasm).digest("hex")}
 */
export const base64: string =
  "${base64}";
`;
}

interface Recorded {
  readonly toolchain: string | undefined;
  readonly sources: string | undefined;
  readonly wasm: Uint8Array;
}

async function readModule(name: string): Promise<Recorded> {
  const text = await Deno.readTextFile(`${PACKAGE}/generated/${name}.ts`);
  const field = (key: string): string | undefined => new RegExp(`^ \\* ${key}: (.*)$`, "m").exec(text)?.[1];
  const base64 = /"([^"]*)";/.exec(text)?.[1] ?? "";
  return { toolchain: field("Toolchain"), sources: field("Sources"), wasm: await inflate(base64) };
}

/** Whether the committed modules are what the sources make, as far as the toolchain that is present can tell. */
async function check(
  name: string,
  flags: readonly string[],
  sources: string,
  present: string | undefined,
): Promise<string> {
  const recorded = await readModule(name);
  if (recorded.sources !== sources) throw new Error(`${name} is older than its sources: run \`deno task build:wasm\``);
  const same = present === recorded.toolchain;
  const made = `${name}: made of these sources, as their hash says`;
  if (!same && !INSISTS) return `${made}; not built again, for want of ${recorded.toolchain}`;
  const wasm = await build(name, flags);
  if (!same) return `${made}; ${present} builds them too, and bytes are compared only with ${recorded.toolchain}`;
  compare(name, wasm, recorded.wasm);
  return `${name}: the same bytes again`;
}

function compare(name: string, wasm: Uint8Array, recorded: Uint8Array): void {
  const same = wasm.length === recorded.length && wasm.every((byte, i) => byte === recorded[i]);
  if (!same) throw new Error(`${name} differs from what its sources make: run \`deno task build:wasm\``);
}

async function write(name: string, flags: readonly string[], madeBy: string, sources: string): Promise<string> {
  const wasm = await build(name, flags);
  const text = moduleOf(name, wasm, madeBy, sources);
  const shipped = gzipSync(text, { level: 9 }).length;
  await Deno.writeTextFile(`${PACKAGE}/generated/${name}.ts`, text);
  if (shipped > LIMIT_BYTES) Deno.exitCode = 1;
  return `${name}: ${wasm.length} bytes of WebAssembly, ${text.length} as a module, ${shipped} of that gzipped` +
    (shipped > LIMIT_BYTES ? `, which is more than ${LIMIT_BYTES}` : "");
}

async function lint(): Promise<void> {
  if (!INSISTS && await toolchain() === undefined) {
    console.log("not linted: there is no Rust for WebAssembly here");
    return console.log("0 passed, 0 failed, 1 skipped");
  }
  await installToolchain();
  await run("cargo", ["fmt", "--check"]);
  for (const [name, flags] of Object.entries(BUILDS)) {
    const env = { RUSTFLAGS: [...flags, ...COMMON].join(" "), CARGO_TARGET_DIR: `${CACHE}/clippy-${name}` };
    await run("cargo", ["clippy", "--locked", "--target", "wasm32-unknown-unknown", "--", "-D", "warnings"], env);
    console.log(`${name}: nothing to say`);
  }
}

async function main({ values }: CommandLine<typeof OPTIONS>): Promise<void> {
  if (values.check && values.lint) throw new UsageError("Cannot use --check with --lint: choose one");
  if (values.lint) return await lint();
  const sources = await hashSources();
  if (values.check) {
    const present = INSISTS ? await installToolchain() : await toolchain();
    for (const [name, flags] of Object.entries(BUILDS)) console.log(await check(name, flags, sources, present));
  } else {
    const madeBy = await installToolchain();
    for (const [name, flags] of Object.entries(BUILDS)) console.log(await write(name, flags, madeBy, sources));
  }
}

if (import.meta.main) await runScript({ help: HELP, options: OPTIONS }, main);
