/** From where a model comes to its files: kept ones, chosen ones (which are copied for the next visit), or a server's. */
import { blobSource } from "../../../../packages/heed/mod.ts";
import type { ModelSource } from "../protocol.ts";
import { download, type DownloadOptions, keyOf } from "./download.ts";
import type { Library } from "./library.ts";
import { alone, hold } from "./locks.ts";
import { type OpenedModel, openModel, type Sources } from "./open_model.ts";
import { pieces } from "./pieces.ts";
import { filesOf, sourcesAt } from "./remote_model.ts";
import { checkMemory, freeStorage, totalBytes } from "./room.ts";

/** A model that is open. */
export interface FoundModel extends OpenedModel {
  /** Lets other tabs remove it. */
  readonly letGo: () => void;
}

/** What finding a model takes; the library is missing where the browser lends no storage. */
export type FindOptions = Omit<DownloadOptions, "library"> & { readonly library: Library | undefined };

/** Opens a model, wherever it is. @throws Error as {@linkcode download} does; {FormatError} when it does not run here */
export async function findModel(source: ModelSource, options: FindOptions): Promise<FoundModel> {
  const { library } = options;
  if (source.kind === "files") return await openFiles(source.files, options);
  if (source.kind === "stored") return await openKept(needLibrary(library), source.key, options);
  if (library !== undefined) {
    return await openKept(library, await download(source.model, { ...options, library }), options);
  }
  const { model } = source; // not kept then, but read where it lies
  const files = await filesOf(model, options.signal);
  checkMemory(model.name, totalBytes(files), options.backend);
  return { ...await openModel(await sourcesAt(files, options.signal)), name: model.name, letGo: () => {} };
}

function needLibrary(library: Library | undefined): Library {
  if (library !== undefined) return library;
  throw new Error("Cannot open a kept model: this browser lends the page no storage");
}

/** Opens a kept model; one that turns out not to be a model is removed. */
async function openKept(library: Library, key: string, { backend }: FindOptions): Promise<FoundModel> {
  const letGo = await hold(key);
  try {
    const sources = sourcesOf([...(await library.files(key)).values()]);
    const name = (await library.about(key))?.name ?? key;
    checkMemory(name, totalBytes([...sources.values()]), backend);
    return { ...await openModel(sources), name, letGo };
  } catch (error) {
    letGo();
    if (error instanceof Error && error.name === "FormatError") await library.drop(key);
    throw error;
  }
}

/** Opens chosen files where they lie, then copies them into the library if there is room. */
async function openFiles(files: readonly File[], options: FindOptions): Promise<FoundModel> {
  const opened = await openModel(sourcesOf(files));
  checkMemory(opened.name, opened.byteLength, options.backend);
  const { library } = options;
  if (library === undefined || await freeStorage() < opened.byteLength) {
    return { ...opened, letGo: () => {} };
  }
  const key = await keyOf(
    files.map(({ name, size, lastModified }) => `${name} ${size} ${lastModified}`).sort().join("\n"),
  );
  if ((await library.about(key))?.complete !== true) await copy(library, key, opened.name, files, options);
  return { ...opened, letGo: await hold(key) };
}

async function copy(
  library: Library,
  key: string,
  name: string,
  files: readonly File[],
  { signal, onProgress }: FindOptions,
): Promise<void> {
  const about = { name, files: files.map((file) => ({ name: file.name, byteLength: file.size })) };
  const total = totalBytes(about.files);
  await alone(key, `Cannot keep ${name}: another tab is at it`, async () => {
    let doneBytes = 0;
    try {
      await library.note(key, { ...about, complete: false });
      for (const file of files) {
        const target = await library.write(key, file.name);
        try {
          target.truncate(0);
          for await (const bytes of pieces(file.stream())) {
            signal.throwIfAborted();
            target.write(bytes, { at: target.getSize() });
            onProgress({ phase: "copying", doneBytes: doneBytes += bytes.byteLength, totalBytes: total });
          }
        } finally {
          target.close();
        }
      }
      await library.note(key, { ...about, complete: true });
    } catch (error) {
      await library.drop(key); // a part of a copy is of no use: the file is still where it was
      throw error;
    }
  });
}

function sourcesOf(files: readonly File[]): Sources {
  return new Map(files.map((file) => [file.name, blobSource(file)]));
}
