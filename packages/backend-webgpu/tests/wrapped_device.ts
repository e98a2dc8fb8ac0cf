/** A real device whose buffers are counted, and some of them refused as if there were no room. */
import { anyAdapter } from "./software_backend.ts";

/** More than any device has. */
const NO_ROOM = 2 ** 40;

/** A device that tells and obeys. */
export interface WrappedDevice extends Disposable {
  /** To be injected. */
  readonly device: GPUDevice;
  /** Whether a buffer of so many bytes is refused; none is at first. */
  refuses: (size: number) => boolean;
  /** Buffers created and not destroyed. */
  alive: number;
  /** Errors that no scope caught. */
  uncaught: number;
}

/** Wraps a fresh device. */
export async function wrappedDevice(): Promise<WrappedDevice> {
  const device = await (await anyAdapter()).requestDevice();
  const wrapped: WrappedDevice = {
    ...{ device, refuses: () => false, alive: 0, uncaught: 0 },
    [Symbol.dispose]: () => device.destroy(),
  };
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const { size } = descriptor;
    const buffer = create({ ...descriptor, size: wrapped.refuses(size) ? NO_ROOM : size });
    const destroy = buffer.destroy.bind(buffer);
    wrapped.alive++;
    buffer.destroy = () => {
      wrapped.alive--;
      destroy();
    };
    return buffer;
  };
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    wrapped.uncaught++;
  });
  return wrapped;
}
