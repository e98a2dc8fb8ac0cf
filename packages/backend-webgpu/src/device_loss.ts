/**
 * The loss of a device, for those who wait for the device. A race against one promise that stays pending for years would
 * keep whatever was ever raced with it, bytes read included: who waits is listed here instead, while waiting.
 */

/** Whether a device is lost, and who is to be told when it is. */
export class DeviceLoss {
  readonly #waiting = new Set<(error: Error) => void>();
  #error: Error | undefined;

  /** Tells all who wait, and those who will. */
  tell(error: Error): void {
    this.#error = error;
    for (const reject of this.#waiting) reject(error);
  }

  /** What `answer` gives. @returns a promise that rejects with the loss where that is told first */
  orLost<T>(answer: Promise<T>): Promise<T> {
    if (this.#error !== undefined) return Promise.race([answer, Promise.reject(this.#error)]);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      void answer.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }
}
