/**
 * What a worker runs, as text: it is started from a blob, or by node:worker_threads from the text itself, so that no file
 * must be found. It makes an instance of its own on the shared memory, says so, and goes into `pool_work`, which returns
 * when the pool is stopped. A trap in there is counted as a chunk that failed, and the worker goes on.
 */
export const WORKER_SOURCE = `
const run = ({ module, memory, stackBytes }, post) => {
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const value = kind === "memory" ? memory : name === "now" ? () => performance.now() : () => {};
    (imports[from] ??= {})[name] = value;
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  exports.__wbindgen_start(stackBytes);
  exports.pool_reserve();
  const stack = exports.__stack_pointer.value;
  post("ready");
  for (;;) {
    try {
      return exports.pool_work();
    } catch {
      exports.__stack_pointer.value = stack;
      exports.pool_chunk_failed();
    }
  }
};
const threads = globalThis.process?.getBuiltinModule?.("node:worker_threads");
if (threads?.parentPort) {
  run(threads.workerData, (message) => threads.parentPort.postMessage(message));
} else {
  onmessage = ({ data }) => {
    run(data, (message) => postMessage(message));
    close();
  };
}
`;
