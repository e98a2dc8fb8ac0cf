/**
 * A model on a server: one GGUF file, or weights in safetensors, whole or in shards, with the JSON files that Hugging Face
 * puts beside them. JSON is small, and a server may compress it and then tell no length: it is fetched whole.
 */
import { type ByteSource, bytesSource, checkRange, urlSource } from "../../../../packages/heed/mod.ts";
import { fileNameOf, isSafetensors, isSafetensorsIndex } from "../file_on_server.ts";
import type { RemoteModel } from "../protocol.ts";
import { openModel, type Sources } from "./open_model.ts";
import { askAbout, fetchSmall, Refusal, type RemoteFile, request } from "./remote.ts";

/**
 * The files that make a model, as the server has them now.
 *
 * @throws Error when one of them cannot be had
 */
export async function filesOf({ name, url, sha256 }: RemoteModel, signal: AbortSignal): Promise<readonly RemoteFile[]> {
  const weights = fileNameOf(new URL(url));
  if (!isSafetensors(weights)) return [{ ...await askAbout(name, url, signal), sha256 }];
  const beside = (fileName: string): string => new URL(encodeURIComponent(fileName), url).href;
  const json = (fileName: string) => fetchSmall(fileName, beside(fileName), signal);
  try {
    const config = [await json("config.json"), await json("tokenizer.json")];
    const optional = await orMissing(json("tokenizer_config.json"));
    if (optional !== undefined) config.push(optional);
    if (!isSafetensorsIndex(weights)) return [...config, await askAbout(weights, url, signal)];
    const index = await fetchSmall(weights, url, signal);
    const shards = await Promise.all(shardsOf(index).map((shard) => askAbout(shard, beside(shard), signal)));
    return [...config, index, ...shards];
  } catch (error) {
    if (!(error instanceof Refusal) || !error.isMissing) throw error;
    const message = `${error.message}; config.json, tokenizer.json and all weights must lie in one folder`;
    throw new Error(message, { cause: error });
  }
}

/** A file that need not be there. @throws Error when it cannot be had, and the server does not say that it is missing */
async function orMissing(file: Promise<RemoteFile>): Promise<RemoteFile | undefined> {
  try {
    return await file;
  } catch (error) {
    if (error instanceof Refusal && error.isMissing) return undefined;
    throw error;
  }
}

/** The files that an index names; whether they are names, and hold what it says, is seen when the model is opened. */
function shardsOf({ bytes }: RemoteFile): string[] {
  try {
    const index = JSON.parse(new TextDecoder().decode(bytes));
    return [...new Set(Object.values(index.weight_map).map(String))];
  } catch {
    return []; // opening the model tells what is wrong with it
  }
}

/**
 * Reads a model's headers where they lie, so that what cannot run is not downloaded; where the server sends no parts, that
 * would be a download, and is left out.
 *
 * @throws {FormatError} when it is no model, or none that runs here
 */
export async function checkHeaders(files: readonly RemoteFile[], signal: AbortSignal): Promise<void> {
  if (!files.every(({ inParts, bytes }) => inParts || bytes !== undefined)) return;
  const sources = await sourcesAt(files, signal);
  try {
    await openModel(sources);
  } finally {
    for (const source of sources.values()) source.close?.();
  }
}

/** Files that are read where they lie. */
export async function sourcesAt(files: readonly RemoteFile[], signal: AbortSignal): Promise<Sources> {
  const sources = new Map<string, ByteSource>();
  for (const file of files) {
    const { name, url, bytes, inParts } = file;
    if (bytes !== undefined) sources.set(name, bytesSource(bytes, name));
    else if (inParts && isSafetensors(name)) sources.set(name, rangesOf(file, signal));
    else sources.set(name, await urlSource(url, { name, signal }));
  }
  return sources;
}

/** A file of which each read is a request: a connection kept open for each of many shards is more than browsers have. */
function rangesOf({ name, url, byteLength }: RemoteFile, signal: AbortSignal): ByteSource {
  return {
    name,
    byteLength,
    async read(offset: number, length: number): Promise<Uint8Array> {
      checkRange(this, offset, length);
      if (length === 0) return new Uint8Array();
      const response = await request(name, url, {
        headers: { range: `bytes=${offset}-${offset + length - 1}` },
        signal,
      });
      if (response.status !== 206) {
        await response.body?.cancel(); // it may be the whole file
        throw new Error(`Cannot read ${name}: the server answers ${response.status} where a part was asked for`);
      }
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (bytes.length === length) return bytes;
      throw new Error(`Cannot read ${name}: of ${length} bytes at ${offset} the server sends ${bytes.length}`);
    },
  };
}
