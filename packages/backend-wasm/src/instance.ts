/** From bytes to a running instance: whether they are ours, what they import, and what they export. */
import { BackendError } from "../../core/src/errors.ts";
import { ABI_VERSION, OPERAND_WORDS } from "./abi.ts";
import { inflate } from "./base64.ts";
import { makeSharedMemory, mayCompile } from "./probe.ts";

/** The two builds of the kernels. */
export type WasmBuild = "plain" | "threads";

/** A kernel: `(operands, count, settings) -> code`. */
export type KernelExport = (operands: number, count: number, settings: number) => number;

/** Pages of a shared memory at the start: room for the kernels' data and first stack, and a little to spare. */
const INITIAL_PAGES = 32;

/** What every instance exports besides its kernels; the pool's functions only the threads build. */
export interface Exports {
  /** Must be {@linkcode ABI_VERSION}. */
  abi_version(): number;
  /** Bytes of an operand's record. */
  operand_bytes(): number;
  /** Address of a code and its detail, left before a trap. */
  pool_failure(): number;
  /** Gives the calling thread its first scratch. */
  pool_reserve(): void;
  /** wasm-bindgen's start: a stack and thread-local memory, for all instances but the first. */
  __wbindgen_start(stackBytes?: number): void;
  /** Where the stack's end is; a trap leaves it where it was. */
  __stack_pointer: { value: number };
  /** Sets how many threads share work, and when one counts as lost. */
  pool_configure?(threads: number, timeoutMs: number): void;
  /** After a trap of the calling thread: waits for the workers' chunks. */
  pool_abandon?(): void;
  /** Ends the workers' loops. */
  pool_stop?(): void;
  /** Packs a whole frozen weight in place. @returns what its operands' records must say from now on; 0 for not packed */
  quant_pack(operand: number): number;
  /** Undoes that. */
  quant_unpack(operand: number): void;
  /** Bytes of a `[k, n]` in panels. */
  matmul_pack_bytes(k: number, n: number): number;
  /** Puts a `[K, N]` into panels at an address. */
  matmul_pack_f32(operand: number, address: number): number;
}

/** A started instance and the memory it works in. */
export interface Started {
  readonly module: WebAssembly.Module;
  readonly instance: WebAssembly.Instance;
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory;
  readonly build: WasmBuild;
}

/** The committed bytes of a build, for those who serve them as a file of their own. */
export async function wasmBytes(build: WasmBuild): Promise<Uint8Array<ArrayBuffer>> {
  const { base64 } = build === "plain"
    ? await import("../generated/plain.ts")
    : await import("../generated/threads.ts");
  return await inflate(base64);
}

/** Where kernels come from when not from within: an address, the file's bytes, or a module compiled already. */
export type WasmSource = URL | Uint8Array<ArrayBuffer> | ArrayBuffer | WebAssembly.Module;

/** Compiles the committed bytes of a build. @throws {BackendError} when the engine or the page's policy takes none */
export async function compileBuild(build: WasmBuild): Promise<WebAssembly.Module> {
  return await compile(await wasmBytes(build), (reason, cause) => {
    return new BackendError(`Cannot create the wasm backend: its ${build} build does not compile: ${reason}`, {
      cause,
    });
  });
}

/** Compiles what a user gave. @throws {BackendError} when it cannot be fetched, is no WebAssembly, or is forbidden */
export async function compileSource(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  const bytes = source instanceof URL ? await fetchBytes(source) : source;
  return await compile(bytes, (reason, cause) => {
    return refuse(`they are no WebAssembly this engine takes (${reason})`, cause);
  });
}

async function compile(
  bytes: BufferSource,
  refusal: (reason: string, cause: unknown) => BackendError,
): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    if (mayCompile()) throw refusal(error instanceof Error ? error.message : `${error}`, error);
    const why = "this page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src";
    throw new BackendError(`Cannot create the wasm backend: ${why}`, { cause: error });
  }
}

async function fetchBytes(url: URL): Promise<ArrayBuffer> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new BackendError(`Cannot create the wasm backend: ${url} cannot be fetched`, { cause: error });
  }
  if (response.ok) return await response.arrayBuffer();
  throw new BackendError(`Cannot create the wasm backend: ${url} cannot be fetched: ${response.status}`);
}

/** Which build a module is: the one with threads imports its memory. */
export function buildOf(module: WebAssembly.Module): WasmBuild {
  return WebAssembly.Module.imports(module).some(({ kind }) => kind === "memory") ? "threads" : "plain";
}

/** Starts the first instance of a module. @throws {BackendError} when it is not ours, or of another version */
export async function start(module: WebAssembly.Module): Promise<Started> {
  const build = buildOf(module);
  const memory = build === "threads" ? makeSharedMemory(INITIAL_PAGES) : undefined;
  if (build === "threads" && memory === undefined) {
    throw refuse("they need shared memory, which is not to be had here; give the plain build");
  }
  let instance: WebAssembly.Instance;
  try {
    instance = await WebAssembly.instantiate(module, importsOf(module, memory));
  } catch (error) {
    throw refuse("they import what Heed's kernels do not", error);
  }
  const exports = ownExports(instance);
  exports.__wbindgen_start();
  exports.pool_reserve();
  return { module, instance, exports, memory: memory ?? (instance.exports.memory as WebAssembly.Memory), build };
}

/** The memory and the clock; wasm-bindgen's own import sets up a table of references, of which kernels hold none. */
function importsOf(module: WebAssembly.Module, memory: WebAssembly.Memory | undefined): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const known = kind === "memory" ? memory : name === "now" ? () => performance.now() : () => {};
    if (known !== undefined) (imports[from] ??= {})[name] = known;
  }
  return imports;
}

function ownExports({ exports }: WebAssembly.Instance): Exports {
  const own = exports as unknown as Exports; // checked right below
  if (typeof own.abi_version !== "function" || typeof own.pool_failure !== "function") {
    throw refuse("they are not Heed's kernels");
  }
  const version = own.abi_version();
  if (version === ABI_VERSION && own.operand_bytes() === OPERAND_WORDS * 4) return own;
  throw refuse(`they are version ${version} of Heed's kernels, and this is version ${ABI_VERSION}`);
}

function refuse(why: string, cause?: unknown): BackendError {
  const remedy = "leave the option `wasm` out, or take the bytes from wasmBytes()";
  return new BackendError(`Cannot create the wasm backend from the given bytes: ${why}; ${remedy}`, { cause });
}
