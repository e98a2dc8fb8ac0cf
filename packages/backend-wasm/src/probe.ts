/**
 * What this engine can do, told by modules of a few bytes that only validate where it can, and by trying to share memory.
 *
 * A page that is not cross-origin isolated may make a shared memory in some engines, but not send it to a worker; such a
 * page runs the build with relaxed SIMD on one thread.
 */

/** A module of nothing. */
const EMPTY = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
/** `i8x16.splat`, `i8x16.popcnt` */
const SIMD = [
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  10,
  1,
  8,
  0,
  65,
  0,
  253,
  15,
  253,
  98,
  11,
];
/** `i8x16.relaxed_swizzle` */
const RELAXED_SIMD = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
];
/** A shared memory, `i32.atomic.load` */
const THREADS = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1],
  ...[10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11],
];

/** The most pages a shared memory is declared with; engines that cannot reserve as much get less. */
const MAXIMUM_PAGES = [65_536, 32_768, 16_384, 8_192];

/** What was found. */
export interface Abilities {
  /** Whether WebAssembly is there, with SIMD: nothing runs without. */
  readonly simd: boolean;
  /** Why the build with relaxed SIMD and shared memory cannot run; undefined where it can. */
  readonly noThreadsBuild: string | undefined;
  /** Why there cannot be workers; undefined where there can. */
  readonly noWorkers: string | undefined;
}

/** Tries everything. */
export function probe(): Abilities {
  const simd = typeof WebAssembly === "object" && validates(SIMD);
  const noThreadsBuild = simd ? whyNoThreadsBuild() : "WebAssembly with SIMD is not there";
  return { simd, noThreadsBuild, noWorkers: noThreadsBuild ?? whyNoWorkers() };
}

/**
 * A shared memory that can grow as far as the engine allows.
 *
 * @param initial pages
 */
export function makeSharedMemory(initial: number): WebAssembly.Memory | undefined {
  for (const maximum of MAXIMUM_PAGES) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared: true });
    } catch {
      continue; // no shared memory at all, or not as much
    }
  }
  return undefined;
}

/** Whether this page's policy lets WebAssembly be compiled: one that does not still lets it be validated. */
export function mayCompile(): boolean {
  try {
    return new WebAssembly.Module(EMPTY) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
}

function validates(bytes: readonly number[]): boolean {
  return WebAssembly.validate(new Uint8Array(bytes));
}

function whyNoThreadsBuild(): string | undefined {
  if (!validates(RELAXED_SIMD)) return "the engine has no relaxed SIMD";
  if (!validates(THREADS) || makeSharedMemory(1) === undefined) return "the engine has no shared memory";
  return undefined;
}

function whyNoWorkers(): string | undefined {
  if (Reflect.get(globalThis, "crossOriginIsolated") !== false) return undefined; // undefined outside of pages
  return "the page is not cross-origin isolated; serve it with Cross-Origin-Opener-Policy: same-origin and " +
    "Cross-Origin-Embedder-Policy: require-corp";
}
