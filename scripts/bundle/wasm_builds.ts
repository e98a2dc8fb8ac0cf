/**
 * Both wasm builds packed as one, for a file that must carry both: most of the second is in the first, too far back for deflate
 * and not for LZMA, which makes 76 kB of what were 60 and 66. It unpacks in some 50 ms; a page that loads one build alone is
 * better off with its own bytes.
 *
 * In place of the generated modules stand ones that name their build, and in place of `inflate` one that unpacks it by name.
 */
import type { Plugin } from "esbuild";
import lzma from "lzma";
import { encodeBase64, inflate } from "../../packages/backend-wasm/src/base64.ts";
import * as plain from "../../packages/backend-wasm/generated/plain.ts";
import * as threads from "../../packages/backend-wasm/generated/threads.ts";

/** The package has no types. */
const compress: (bytes: Uint8Array, mode: number) => number[] = lzma.compress;

/** Of 1 to 9; higher ones take three times as long for 0.1 % less. */
const MODE = 3;

/** Makes every build that has it carry both as one. */
export const WASM_BUILDS_PACKED: Plugin = {
  name: "wasm builds packed",
  setup(build) {
    build.onLoad({ filter: /backend-wasm\/generated\/\w+\.ts$/ }, ({ path }) => ({
      contents: `export const base64 = "${/(\w+)\.ts$/.exec(path)?.[1]}";`,
      loader: "ts",
    }));
    build.onLoad({ filter: /backend-wasm\/src\/base64\.ts$/ }, async () => ({
      contents: await unpackingModule(),
      loader: "ts",
      resolveDir: import.meta.dirname!,
    }));
  },
};

async function unpackingModule(): Promise<string> {
  const [first, second] = [await inflate(plain.base64), await inflate(threads.base64)];
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  const packed = encodeBase64(Uint8Array.from(compress(both, MODE)));
  return `
import { decodeLzma } from "./lzma_decode.ts";
export async function inflate(build) {
  const both = decodeLzma(Uint8Array.from(atob("${packed}"), (char) => char.charCodeAt(0)));
  return build === "plain" ? both.slice(0, ${first.length}) : both.slice(${first.length});
}
`;
}
