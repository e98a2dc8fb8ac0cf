/** One thing after another: each turn begins when the one before has ended, whatever became of it. */

/** A queue of turns. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` once all earlier turns have ended. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Resolves in a task of its own, so that messages that have come are looked at first; timers would wait 4 ms. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
