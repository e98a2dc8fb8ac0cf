/**
 * `@std/assert` with types.
 *
 * Deno's standard library comes from the npm package deno-std, which is the same code as plain JavaScript. Imported
 * bare, all of it would be `any` (also the assertion functions, which then narrow nothing), so the declarations of what
 * the tests use stand beside this file.
 */
// @ts-types="./assert.d.ts"
export * from "deno-std/assert/mod.js";
