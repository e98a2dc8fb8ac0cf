/**
 * The standard library's media types and entity tags, with types: the npm package deno-std is Deno's standard library as
 * plain JavaScript, so the declarations of what is used stand beside this file.
 */
// @ts-types="./std_http.d.ts"
export { contentType } from "deno-std/media_types/content_type.js";
// @ts-types="./std_http.d.ts"
export { ifNoneMatch } from "deno-std/http/etag.js";
