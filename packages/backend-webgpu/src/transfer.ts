/**
 * Bytes between host and device, in canonical form on the host's side.
 *
 * Writing: `writeBuffer` takes whole words and runs before all recorded work, so recorded work on the same buffer is
 * submitted first, and the ends of a piece that was cut within a word are merged in by a kernel of one invocation.
 * Reading: the bytes are copied, in whole words, to memory that the host can map.
 */
import { byteLengthOf } from "../../core/src/dtype.ts";
import { BackendError, internalError } from "../../core/src/errors.ts";
import { type BufferWindow, isSpread, type WebGpuBuffer } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import { unpack } from "./packing.ts";
import { Shader } from "./shader.ts";
import PARAMETERS from "./wgsl/parameters.wgsl" with { type: "text" };
import PATCH from "./wgsl/patch.wgsl" with { type: "text" };

/** Bytes sent at a time: the queue holds a copy until they are submitted. */
const UPLOAD_BYTES = 2 ** 24;

const PATCH_WORD = new Shader("patch_word", "w", {}, [PARAMETERS, PATCH]);

/** Writes canonical bytes at a byte offset of the canonical form. */
export function upload(gpu: Gpu, buffer: WebGpuBuffer, offsetBytes: number, bytes: Uint8Array): void {
  const total = byteLengthOf(buffer.dtype, buffer.numel);
  if (offsetBytes < 0 || offsetBytes + bytes.length > total) {
    throw internalError(`a write of ${bytes.length} bytes at ${offsetBytes} misses a buffer of ${total}`);
  }
  const what = (): string => `${bytes.length} bytes to ${buffer.numel} elements of ${buffer.dtype}`;
  gpu.faults.checkKept(buffer.lastWritten, "write", what);
  unpack(gpu, buffer);
  if (isSpread(buffer.dtype)) {
    sendWords(gpu, buffer, 4 * offsetBytes, new Uint8Array(Uint32Array.from(bytes).buffer));
    return;
  }
  const head = Math.min((4 - offsetBytes % 4) % 4, bytes.length);
  const reachesEnd = offsetBytes + bytes.length === total; // beyond it nothing is lost by writing a whole word
  const tail = reachesEnd ? 0 : (bytes.length - head) % 4;
  const middle = bytes.subarray(head, bytes.length - tail);
  if (middle.length > 0) sendWords(gpu, buffer, offsetBytes + head, wholeWords(middle));
  if (head > 0) patch(gpu, buffer, offsetBytes, bytes.subarray(0, head));
  if (tail > 0) patch(gpu, buffer, offsetBytes + bytes.length - tail, bytes.subarray(bytes.length - tail));
}

function wholeWords(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}

function sendWords(gpu: Gpu, buffer: WebGpuBuffer, at: number, bytes: Uint8Array): void {
  const { batch } = gpu.encoder;
  const memory = gpu.pool.forWriting(buffer, batch);
  if (memory.lastBatch === batch) gpu.flush();
  watchWrite(gpu, buffer, bytes.length, () => write(gpu.device.queue, memory.gpu, at, bytes));
}

/** Notes a failure; apart from the bytes, which would else be held until the device has answered. */
function watchWrite({ faults }: Gpu, buffer: WebGpuBuffer, byteLength: number, run: () => void): void {
  const describe = (): string => `write ${byteLength} bytes to ${buffer.numel} elements of ${buffer.dtype}`;
  faults.watch(describe, run, (_, lost) => buffer.lastWritten = lost);
}

function write(queue: GPUQueue, to: GPUBuffer, at: number, bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; from += UPLOAD_BYTES) {
    const size = Math.min(UPLOAD_BYTES, bytes.length - from);
    const source = bytes as Uint8Array<ArrayBuffer>; // of a view's memory the type cannot tell that it is not shared
    queue.writeBuffer(to, at + from, source, from, size);
    if (size === UPLOAD_BYTES) queue.submit([]); // lets the queue's copy go
  }
}

/** Merges one to three bytes into a word. */
function patch(gpu: Gpu, buffer: WebGpuBuffer, offsetBytes: number, bytes: Uint8Array): void {
  let [bits, mask] = [0, 0];
  bytes.forEach((byte, i) => {
    const shift = 8 * (offsetBytes % 4 + i);
    bits |= byte << shift;
    mask |= 0xff << shift;
  });
  const window = windowAround(gpu, buffer, offsetBytes);
  const attrs = [Math.floor((offsetBytes - window.offsetBytes) / 4), mask, bits];
  const operand = { buffer, dtype: buffer.dtype, shape: [1], strides: [1], offset: 0, window };
  gpu.run(PATCH_WORD, [operand], { shape: [1], operands: [], numel: 1, attrs }, [1, 1, 1]);
}

/** A small part of a buffer that holds a byte. */
function windowAround({ device }: Gpu, { byteLength }: WebGpuBuffer, offsetBytes: number): BufferWindow {
  const alignment = device.limits.minStorageBufferOffsetAlignment;
  const from = Math.floor(offsetBytes / alignment) * alignment;
  return { offsetBytes: from, byteLength: Math.min(alignment, byteLength - from) };
}

/** Canonical bytes of some elements, once all work recorded so far is done. Recording happens before this returns. */
export function download(gpu: Gpu, buffer: WebGpuBuffer, start: number, numel: number): Promise<Uint8Array> {
  const what = (): string => `${numel} elements of ${buffer.dtype}`;
  gpu.faults.checkKept(buffer.lastWritten, "read", what);
  unpack(gpu, buffer);
  const spread = isSpread(buffer.dtype);
  const from = spread ? 4 * start : byteLengthOf(buffer.dtype, start);
  const end = from + (spread ? 4 * numel : byteLengthOf(buffer.dtype, numel));
  const [firstWord, endWord] = [Math.floor(from / 4), Math.ceil(end / 4)];
  const size = 4 * (endWord - firstWord);
  const staging = gpu.staging.take(size, () => gpu.flush()); // where there is no room, only the read is lost
  const { batch } = gpu.encoder;
  gpu.encoder.copy(gpu.pool.forKernel(buffer), 4 * firstWord, staging, 0, size);
  gpu.flush();
  const take = (mapped: ArrayBuffer): Uint8Array =>
    spread
      ? Uint8Array.from(new Uint32Array(mapped))
      : new Uint8Array(mapped).slice(from - 4 * firstWord, end - 4 * firstWord);
  return settled(gpu, gpu.staging.read(staging, size, take), batch, what);
}

/** The bytes, unless the work that makes them failed or the device is lost. */
async function settled(gpu: Gpu, read: Promise<Uint8Array>, batch: number, what: () => string): Promise<Uint8Array> {
  const { deviceLoss, faults } = gpu;
  const answers = gpu.answers();
  read.catch(() => {}); // where the loss is told first
  try {
    const bytes = await deviceLoss.orLost(read);
    await deviceLoss.orLost(answers);
    faults.throwFirst();
    faults.checkKept(batch, "read", what);
    return bytes;
  } catch (error) {
    // Of a device that was just lost reads fail first, and the loss is told by the time that it answers again.
    if (error instanceof DOMException) await deviceLoss.orLost(gpu.device.queue.onSubmittedWorkDone());
    faults.throwFirst();
    if (!(error instanceof DOMException)) throw error;
    faults.checkKept(batch, "read", what);
    throw new BackendError(`Cannot read ${what()} on webgpu: the device gave an error instead, ${error.message}`, {
      cause: error,
    });
  }
}
