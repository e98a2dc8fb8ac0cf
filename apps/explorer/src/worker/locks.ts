/** Locks that all tabs of the page share (Web Locks), one a model. */

function nameOf(key: string): string {
  return `heed-model-${key}`;
}

/**
 * Runs `work` while no other tab reads or writes the model.
 *
 * @param otherwise what to say when another one does
 * @throws Error saying that
 */
export async function alone<T>(key: string, otherwise: string, work: () => Promise<T>): Promise<T> {
  return await navigator.locks.request(nameOf(key), { ifAvailable: true }, async (lock) => {
    if (lock === null) throw new Error(otherwise);
    return await work();
  });
}

/** Keeps other tabs from removing a model, until it is told to let go. */
export async function hold(key: string): Promise<() => void> {
  const { promise: letGo, resolve } = Promise.withResolvers<void>();
  await new Promise<void>((held) => {
    navigator.locks.request(nameOf(key), { mode: "shared" }, () => {
      held();
      return letGo;
    });
  });
  return resolve;
}
