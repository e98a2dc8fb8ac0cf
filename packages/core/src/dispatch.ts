/**
 * From checked tensors to a kernel's `run`: one backend for all operands, dims collapsed for elementwise calls, one copy
 * where a kernel demands a layout it would not get, and a trace of all that on request. Outputs are allocated here.
 */
import type { Backend, Kernel, KernelName, Kernels, LayoutDemand, Operand } from "./backend.ts";
import { type DType, isBlock } from "./dtype.ts";
import { BackendError, DTypeError, showShape, showValue } from "./errors.ts";
import { collapse, Layout } from "./layout.ts";
import { Storage } from "./memory.ts";
import { numelOf, type Shape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** The settings that a kernel call takes. */
export type AttrsOf<K extends KernelName> = Kernels[K] extends Kernel<unknown, infer _, infer Attrs> | undefined ? Attrs
  : never;

type AnyKernel = Kernel<unknown, readonly Operand[], unknown>;

/** One kernel call as the trace shows it. */
export interface TraceEntry {
  /** The kernel's name. */
  readonly kernel: KernelName;
  /** Its settings. */
  readonly attrs: unknown;
  /** Inputs as `f32 [2, 3] strides [1, 2]`, before any inserted copy. */
  readonly inputs: readonly string[];
  /** Outputs likewise. */
  readonly outputs: readonly string[];
  /** Indices of the inputs that had to be copied into the layout the kernel demands. */
  readonly copied: readonly number[];
}

let recording: TraceEntry[] | undefined;

/**
 * Runs `fn` and lists every kernel call it makes, with the copies that dispatch inserted.
 *
 * @returns what `fn` returns, and the calls in order
 */
export function trace<T>(fn: () => T): { result: T; calls: TraceEntry[] } {
  const outer = recording;
  const calls: TraceEntry[] = [];
  recording = calls;
  try {
    return { result: fn(), calls };
  } finally {
    recording = outer;
    outer?.push(...calls);
  }
}

/**
 * A fresh tensor of undefined contents.
 *
 * @throws {DTypeError} when the backend has no such dtype
 * @throws {BackendError} when there is no room
 */
export function allocate(backend: Backend, shape: Shape, dtype: DType, constant = false): Tensor {
  if (!backend.hasDType(dtype)) {
    throw new DTypeError(
      `Cannot make ${dtype} ${showShape(shape)} on ${backend.name}: it has no ${dtype}; ` +
        (dtype === "f64" ? "use f32, or the scalar backend" : 'convert with to("f32") first'),
    );
  }
  return new Tensor(new Storage(backend, dtype, numelOf(shape), shape, constant), Layout.contiguous(shape));
}

/**
 * Refuses what callers without types may pass in a tensor's place.
 *
 * @param what the operation, and what it was to be done with: `matmul [2, 3]`
 * @param expected what would do
 * @throws {DTypeError} when it is no tensor
 */
export function checkTensor(what: () => string, x: unknown, expected = "a Tensor"): asserts x is Tensor {
  if (x instanceof Tensor) return;
  throw new DTypeError(`Cannot ${what()} with ${showValue(x)}: it is ${expected}; make one with tensor()`);
}

/**
 * The one backend of all operands.
 *
 * @throws {BackendError} when an operand was disposed of, or lives on another backend
 */
export function commonBackend(op: string, tensors: readonly Tensor[]): Backend {
  const backend = tensors[0]!.backend;
  for (let i = 0; i < tensors.length; i++) {
    const t = tensors[i]!;
    if (t.isDisposed) {
      throw new BackendError(
        `Cannot ${op} ${tensors.map((x) => showShape(x.layout.shape)).join(" with ")}: operand ${i} was disposed of`,
      );
    }
    if (t.backend !== backend) {
      throw new BackendError(
        `Cannot ${op} ${
          tensors.map((x) => showShape(x.shape)).join(" with ")
        }: operands live on ${backend.name} and on ` +
          `${
            t.backend.name === backend.name ? "another instance of it" : t.backend.name
          }; move one with await t.to(backend)`,
      );
    }
  }
  return backend;
}

/** What messages call a kernel: the op where one kernel serves several. */
function opName(name: KernelName, attrs: unknown): string {
  const op = typeof attrs === "object" && attrs !== null && "op" in attrs ? attrs.op : undefined;
  return typeof op === "string" ? op : name;
}

/** A call with one fresh output of the given shape and dtype. */
export function call<K extends KernelName>(
  name: K,
  inputs: readonly Tensor[],
  shape: Shape,
  dtype: DType,
  attrs: AttrsOf<K>,
): Tensor {
  const backend = commonBackend(opName(name, attrs), inputs);
  const out = allocate(backend, shape, dtype);
  callFresh(name, inputs, [out], attrs);
  return out;
}

/** A call into outputs that were allocated for it, and that nobody would free if it threw: they go when it does. */
export function callFresh<K extends KernelName>(
  name: K,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  attrs: AttrsOf<K>,
): void {
  try {
    callInto(name, inputs, outputs, attrs);
  } catch (error) {
    for (const output of outputs) output.dispose();
    throw error;
  }
}

/**
 * A call of a fused kernel with one fresh output, or undefined when the backend lacks it or declines the call; the
 * caller then runs the composition.
 */
export function callFused<K extends KernelName>(
  name: K,
  inputs: readonly Tensor[],
  shape: Shape,
  dtype: DType,
  attrs: AttrsOf<K>,
): Tensor | undefined {
  return numelOf(shape) > 0 && takesFused(name, inputs, attrs) ? call(name, inputs, shape, dtype, attrs) : undefined;
}

/**
 * Whether the backend has a fused kernel that takes this call: all operands have elements, dtypes and settings suit it.
 *
 * @throws {BackendError} when operands do not share a backend
 */
export function takesFused<K extends KernelName>(name: K, inputs: readonly Tensor[], attrs: AttrsOf<K>): boolean {
  const backend = commonBackend(name, inputs);
  const kernel = backend.kernels[name] as AnyKernel | undefined; // the table's types are per name; here any name
  if (kernel === undefined || inputs.some((t) => t.numel === 0)) return false;
  return kernel.supports?.(inputs.map((t) => operandOf(t, t.layout)), attrs) !== false;
}

/**
 * A call into outputs that exist: the one place where kernels run.
 *
 * @throws {BackendError} when operands do not share a backend
 * @throws {DTypeError} when a primitive declines the operands' dtypes
 */
export function callInto<K extends KernelName>(
  name: K,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  attrs: AttrsOf<K>,
): void {
  const backend = outputs[0]!.backend;
  const kernel = backend.kernels[name] as AnyKernel | undefined; // as above
  if (kernel === undefined) throw new BackendError(`Cannot ${name} on ${backend.name}: it has no such kernel`);
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i]!.backend !== backend) commonBackend(opName(name, attrs), [...outputs, ...inputs]);
  }
  if (outputs[0]!.numel === 0) return; // nothing to fill; kernels never see zero elements
  if (ELEMENTWISE.has(name)) runElementwise(name, kernel, inputs, outputs[0]!, attrs);
  else runWithLayouts(name, kernel, inputs, outputs, attrs);
  for (let i = 0; i < outputs.length; i++) outputs[i]!.storage.version++;
}

const ELEMENTWISE: ReadonlySet<KernelName> = new Set<KernelName>(["fill", "copy", "unary", "binary", "where"]);

function operandOf(tensor: Tensor, layout: Layout): Operand {
  const { storage } = tensor;
  return {
    buffer: storage.buffer,
    dtype: storage.dtype,
    shape: layout.shape,
    strides: layout.strides,
    offset: layout.offset,
  };
}

/** Inputs have out's shape: all are walked together, over as few dims as their strides allow. */
function runElementwise(
  name: KernelName,
  kernel: AnyKernel,
  inputs: readonly Tensor[],
  out: Tensor,
  attrs: unknown,
): void {
  const operands: Operand[] = [];
  let flat = out.layout.isContiguous;
  for (let i = 0; flat && i < inputs.length; i++) flat = inputs[i]!.layout.isContiguous;
  if (flat) {
    const [shape, strides] = [[out.numel], UNIT_STRIDE];
    for (const t of inputs) operands.push(flatOperand(t, shape, strides));
    operands.push(flatOperand(out, shape, strides));
  } else {
    const layouts = collapse([out.layout, ...inputs.map((t) => t.layout)]);
    inputs.forEach((t, i) => operands.push(operandOf(t, layouts[i + 1]!)));
    operands.push(operandOf(out, layouts[0]!));
  }
  const output = operands.pop()!;
  decline(name, kernel, operands, attrs);
  if (recording !== undefined) note(name, inputs, [out], attrs, []);
  kernel.run(operands, [output], attrs);
}

const UNIT_STRIDE: readonly number[] = [1];

function flatOperand(tensor: Tensor, shape: readonly number[], strides: readonly number[]): Operand {
  const { storage, layout } = tensor;
  return { buffer: storage.buffer, dtype: storage.dtype, shape, strides, offset: layout.offset };
}

/** Inputs arrive as the kernel demands them, copied where they lie otherwise. */
function runWithLayouts(
  name: KernelName,
  kernel: AnyKernel,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  attrs: unknown,
): void {
  const copies: Tensor[] = [];
  const copied: number[] = [];
  try {
    const operands = inputs.map((t, i) => {
      if (isBlock(t.dtype) || meets(t.layout, kernel.layout)) return operandOf(t, t.layout);
      const copy = call("copy", [t], t.shape, t.dtype, {});
      copies.push(copy);
      copied.push(i);
      return operandOf(copy, copy.layout);
    });
    decline(name, kernel, operands, attrs);
    if (recording !== undefined) note(name, inputs, outputs, attrs, copied);
    kernel.run(operands, outputs.map((t) => operandOf(t, t.layout)), attrs);
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

function meets(layout: Layout, demand: LayoutDemand): boolean {
  if (demand === "strided" || layout.isContiguous) return true;
  if (demand === "contiguous") return false;
  const last = layout.shape.length - 1;
  return last < 0 || layout.strides[last] === 1 || layout.shape[last] === 1;
}

function decline(name: KernelName, kernel: AnyKernel, operands: readonly Operand[], attrs: unknown): void {
  if (kernel.supports === undefined || kernel.supports(operands, attrs)) return;
  const shown = operands.map((o) => `${o.dtype} ${showShape(o.shape)}`).join(" with ");
  throw new DTypeError(`Cannot ${name} ${shown}: the backend does not take these dtypes; convert with to("f32") first`);
}

function note(
  kernel: KernelName,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  attrs: unknown,
  copied: readonly number[],
): void {
  recording?.push({ kernel, attrs, inputs: inputs.map(show), outputs: outputs.map(show), copied });
}

function show({ dtype, shape, layout }: Tensor): string {
  const strides = layout.isContiguous ? "" : ` strides ${showShape(layout.strides)}`;
  return `${dtype} ${showShape(shape)}${strides}`;
}
