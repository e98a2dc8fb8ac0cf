/**
 * The scalar backend: every kernel as plain loops in TypeScript. It runs anywhere, and it is the specification that
 * faster backends are compared with.
 *
 * @module
 */
export { createScalarBackend, type ScalarBackendOptions } from "./src/backend.ts";
export type { ScalarBuffer } from "./src/buffer.ts";
export type { Elements } from "./src/elements.ts";
