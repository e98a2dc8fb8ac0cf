/**
 * Asynchronous work that follows something that changes faster than it can be done: one piece of work at a time, and what
 * was asked for in between is done once, as it is by then.
 */
export function latest(work: () => Promise<void>): () => void {
  let [running, again] = [false, false];
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await work();
    } while (again);
    running = false;
  };
  return () => {
    again = true;
    if (!running) void run();
  };
}
