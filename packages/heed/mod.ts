/**
 * Heed with everything: tensors, attention, models, and a backend by its name.
 *
 * @module
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createBackend, tensor } from "@heed/heed";
 *
 * const backend = await createBackend("scalar");
 * using a = tensor([[1, 2], [3, 4]], { backend });
 * using product = a.matmul(a);
 * assertEquals(await product.toArray(), [[7, 10], [15, 22]]);
 * ```
 */
export * from "../core/mod.ts";
export * from "../formats/mod.ts";
export * from "../models/mod.ts";
export * from "../nn/mod.ts";
export * from "../text/mod.ts";
export * from "./src/create_backend.ts";
