/**
 * Who owns bytes, and when they go.
 *
 * A {@linkcode Storage} is one buffer of a backend with a count of its owners: live tensors (views share it) and
 * gradient nodes that saved it. It is freed when the count reaches 0, that is by `dispose`, `using` or `tidy`.
 * Storages that escape every scope are also registered with a FinalizationRegistry, as a net and no promise: engines
 * run it late or never, and registering costs more than a small op, so storages inside a `tidy` are not registered
 * until they leave it.
 *
 * A {@linkcode MemoryAccount} per backend counts what is alive (tests assert on it), holds the budget, and names the
 * largest live storages when an allocation would go beyond it.
 */
import type { Backend } from "./backend.ts";
import { byteLengthOf, type DType, dtypeInfo } from "./dtype.ts";
import { BackendError, internalError, ShapeError, showShape, showValue } from "./errors.ts";
import type { Shape } from "./shape.ts";

/** What is known of one live buffer; entries form a list, so that adding and removing one is a few writes. */
interface Allocation {
  readonly backend: Backend;
  readonly buffer: unknown;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly byteLength: number;
  previous: Allocation | undefined;
  next: Allocation | undefined;
  freed: boolean;
}

/**
 * @ignore Refuses a budget that no sum of bytes could be held against.
 * @throws {ShapeError} unless it is a number from 0
 */
export function checkMemoryBudget(budgetBytes: unknown): void {
  if (typeof budgetBytes === "number" && budgetBytes >= 0) return;
  throw new ShapeError(
    `Cannot keep to memoryBudgetBytes ${showValue(budgetBytes)}: it is a number of bytes, or left out for no end`,
  );
}

/** Live bytes of one backend, its budget, and the largest live storages. */
export class MemoryAccount {
  /** Bytes that may be live at once. */
  readonly budgetBytes: number;
  /** Bytes alive now. */
  liveBytes = 0;
  /** Storages alive now: the leak counter. */
  liveStorages = 0;
  /** The most bytes that were alive at once. */
  peakBytes = 0;
  /** Bytes of what a backend packed beside canonical forms; they are among the live ones. */
  packedBytes = 0;
  #first: Allocation | undefined;

  /**
   * An empty account.
   *
   * @param budgetBytes bytes that may be live at once; without end when left out
   * @throws {ShapeError} unless it is a number from 0
   */
  constructor(budgetBytes = Infinity) {
    checkMemoryBudget(budgetBytes);
    this.budgetBytes = budgetBytes;
  }

  /** The largest live storages, largest first, as `f32 [1024, 1024] (4194304 bytes)`. */
  largest(count = 3): string[] {
    const all: Allocation[] = [];
    for (let a = this.#first; a !== undefined; a = a.next) all.push(a);
    all.sort((a, b) => b.byteLength - a.byteLength);
    return all.slice(0, count).map((a) => `${a.dtype} ${showShape(a.shape)} (${a.byteLength} bytes)`);
  }

  /**
   * @ignore Checks the budget before a backend allocates.
   * @throws {BackendError} naming the bytes asked for, the live ones and the largest tensors
   */
  admit(backend: string, dtype: DType, shape: Shape, byteLength: number): void {
    if (this.liveBytes + byteLength <= this.budgetBytes) return;
    throw new BackendError(
      `Cannot allocate ${dtype} ${showShape(shape)} on ${backend}: ${byteLength} bytes more than the ` +
        `${this.liveBytes} live ones${this.packedBytes === 0 ? "" : ` (${this.packedBytes} of packed weights)`} ` +
        `would pass the budget of ${this.budgetBytes}; largest live tensors: ${this.largest().join(", ") || "none"}; ` +
        `dispose of tensors (using, tidy) or raise memoryBudgetBytes`,
    );
  }

  /** @ignore Enters a buffer. */
  add(allocation: Allocation): void {
    allocation.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = allocation;
    this.#first = allocation;
    this.liveStorages++;
    this.#grow(allocation.byteLength);
  }

  /** @ignore Strikes a buffer out and gives it back to its backend, once. */
  remove(allocation: Allocation): void {
    if (allocation.freed) return;
    allocation.freed = true;
    const { previous, next } = allocation;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    this.liveStorages--;
    this.liveBytes -= allocation.byteLength;
    allocation.backend.free(allocation.buffer);
  }

  /**
   * @ignore Enters bytes that a backend is to pack beside a live buffer, and takes out when that buffer is freed.
   * @returns whether the budget has room for them; nothing is entered where it has not
   */
  addPacked(byteLength: number): boolean {
    if (this.liveBytes + byteLength > this.budgetBytes) return false;
    this.packedBytes += byteLength;
    this.#grow(byteLength);
    return true;
  }

  /** @ignore Strikes out what `addPacked` entered. */
  removePacked(byteLength: number): void {
    this.packedBytes -= byteLength;
    this.liveBytes -= byteLength;
  }

  #grow(byteLength: number): void {
    this.liveBytes += byteLength;
    if (this.liveBytes > this.peakBytes) this.peakBytes = this.liveBytes;
  }
}

const unreachable = new FinalizationRegistry<Allocation>((allocation) => {
  allocation.backend.memory.remove(allocation);
});

/**
 * Small storages are registered in batches, by when most have been disposed of: registering each of them at once makes an
 * add of one element take twice as long. The few in waiting are held until the next batch; large ones never wait.
 */
const nursery: Storage[] = [];
const NURSERY_SIZE = 256;
const LARGE_BYTES = 1 << 16;

/** One buffer of a backend, shared by a tensor and its views. */
export class Storage {
  /** The backend that owns the bytes. */
  readonly backend: Backend;
  /** How elements are stored. */
  readonly dtype: DType;
  /** The number of elements. */
  readonly numel: number;
  /** Bytes taken, in canonical form. */
  readonly byteLength: number;
  /** Written once, as loaded weights are: the backend may repack it, so ops refuse to write to it. */
  readonly constant: boolean;
  /** Counts writes after creation; a gradient that saved an older version refuses to run. */
  version = 0;
  readonly #allocation: Allocation;
  #owners = 0;
  #registered = false;

  /**
   * Asks the backend for room.
   *
   * @param shape the first tensor's shape, kept for messages
   * @throws {BackendError} when the budget or the device has no room
   */
  constructor(backend: Backend, dtype: DType, numel: number, shape: Shape, constant = false) {
    this.backend = backend;
    this.dtype = dtype;
    this.numel = numel;
    this.constant = constant;
    this.byteLength = byteLengthOf(dtype, numel);
    backend.memory.admit(backend.name, dtype, shape, this.byteLength);
    const buffer = backend.allocate(dtype, Math.max(numel, dtypeInfo(dtype).blockSize), { constant });
    this.#allocation = {
      backend,
      buffer,
      dtype,
      shape,
      byteLength: this.byteLength,
      previous: undefined,
      next: undefined,
      freed: false,
    };
    backend.memory.add(this.#allocation);
  }

  /** The backend's handle. */
  get buffer(): unknown {
    return this.#allocation.buffer;
  }

  /** Whether the buffer was given back. */
  get isFreed(): boolean {
    return this.#allocation.freed;
  }

  /** @ignore One owner more. */
  retain(): void {
    this.#owners++;
  }

  /** @ignore One owner less; the last one frees the buffer. */
  release(): void {
    if (--this.#owners === 0) this.backend.memory.remove(this.#allocation);
    else if (this.#owners < 0) throw internalError("a storage was released more often than retained");
  }

  /** @ignore Lets the finaliser free it, should its last owner be forgotten instead of disposed of. */
  registerEscape(): void {
    if (this.#registered) return;
    this.#registered = true;
    if (this.byteLength >= LARGE_BYTES) unreachable.register(this, this.#allocation);
    else if (nursery.push(this) === NURSERY_SIZE) Storage.#emptyNursery();
  }

  /** Registers the young storages that are still alive. */
  static #emptyNursery(): void {
    for (const storage of nursery) {
      if (!storage.isFreed) unreachable.register(storage, storage.#allocation);
    }
    nursery.length = 0;
  }
}

/** What a scope can dispose of: a tensor. */
export interface Scoped {
  /** The storage it shares. */
  readonly storage: Storage;
  /** Whether it outlives the scopes it was made in. */
  readonly isKept: boolean;
  /** Gives up its share. */
  dispose(): void;
}

interface Scope {
  readonly parent: Scope | undefined;
  readonly members: Scoped[];
}

let current: Scope | undefined;

/** @ignore Puts a new tensor into the innermost scope, or under the finaliser's net when there is none. */
export function track(tensor: Scoped): void {
  if (current === undefined) tensor.storage.registerEscape();
  else current.members.push(tensor);
}

/**
 * Runs `fn` and disposes of every tensor made in it, except those it returns (in arrays or plain objects too) and
 * those marked by `keep`. Scopes nest: what an inner one returns belongs to the outer one.
 *
 * @param fn a synchronous function; after an `await` nobody could tell whose tensors are whose
 * @returns what `fn` returns
 * @throws {TypeError} when `fn` returns a promise
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { tensor, tidy } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * using x = tensor([1, 2, 3], { backend });
 * using y = tidy(() => x.add(1).mul(2)); // the sum is gone, the product is not
 * assertEquals(backend.memory.liveStorages, 2);
 * ```
 */
export function tidy<T>(fn: () => T): T {
  const scope: Scope = { parent: current, members: [] };
  current = scope;
  let result: T | undefined;
  let held: Set<unknown> | undefined; // by the result, where it is no tensor itself
  try {
    result = fn();
    if (result instanceof Promise) {
      throw new TypeError("Cannot tidy an async function: its tensors outlive the call; use `using` inside it instead");
    }
    if (isContainer(result)) collectTensors(result, held = new Set());
    return result;
  } finally {
    current = scope.parent;
    for (const tensor of scope.members) {
      const escapes = held === undefined ? tensor === result : held.has(tensor);
      if (escapes && !tensor.isKept) track(tensor);
      else if (tensor.isKept) tensor.storage.registerEscape();
      else tensor.dispose();
    }
  }
}

/** Whether tensors are looked for in it: an array or a plain object. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

/** Finds tensors in what a scope returns, through arrays and plain objects. */
function collectTensors(value: unknown, found: Set<unknown>): void {
  if (found.has(value)) return;
  found.add(value);
  if (isContainer(value)) { for (const item of Object.values(value)) collectTensors(item, found); }
}
