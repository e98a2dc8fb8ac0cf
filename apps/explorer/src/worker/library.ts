/**
 * Models that the browser keeps between visits, in the page's own file system (OPFS): a folder a model, with its files and
 * what is known of them in `about.json`. A model that is not complete is a download to go on with.
 *
 * Tabs share it. Who reads a model holds its lock together with others, who writes or removes it has it alone.
 */
import type { FileIdentity } from "../file_on_server.ts";
import type { RemoteModel, StoredModel } from "../protocol.ts";
import { openForWriting, readJson, writeJson } from "./origin_files.ts";

/** What is known of a model that is kept. */
export interface About {
  readonly name: string;
  /** What was chosen, or what the server had when the download began. */
  readonly files: readonly FileIdentity[];
  /** Where it was downloaded from. */
  readonly remote?: RemoteModel | undefined;
  readonly complete: boolean;
}

const ABOUT = "about.json";

/** The models in the page's own file system. */
export class Library {
  readonly #root: FileSystemDirectoryHandle;

  private constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  /** The library; undefined where the browser lends no storage, as to pages that are not secure. */
  static async open(): Promise<Library | undefined> {
    try {
      const origin = await navigator.storage.getDirectory();
      return new Library(await origin.getDirectoryHandle("heed-models", { create: true }));
    } catch {
      return undefined; // how it is refused differs from browser to browser
    }
  }

  /** All models, by name. */
  async list(): Promise<readonly StoredModel[]> {
    const models: StoredModel[] = [];
    for await (const key of this.#root.keys()) {
      const about = await this.about(key);
      if (about === undefined) continue;
      const { name, files, complete, remote } = about;
      const stored = await Promise.all(files.map(async (file) => (await this.#fileOf(key, file.name))?.size ?? 0));
      const byteLength = sum(files.map((file) => file.byteLength));
      const { sha256, tag } = files.length === 1 ? files[0]! : {};
      models.push({ key, name, byteLength, sha256, tag, storedBytes: sum(stored), complete, remote });
    }
    return models.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** What is known of a model; undefined where there is none. */
  async about(key: string): Promise<About | undefined> {
    const folder = await this.#folder(key);
    return folder === undefined ? undefined : await readJson<About>(folder, ABOUT);
  }

  /** Notes what is known of a model, which is there from then on. */
  async note(key: string, about: About): Promise<void> {
    await writeJson(await this.#root.getDirectoryHandle(key, { create: true }), ABOUT, about);
  }

  /** The files of a complete model by name. */
  async files(key: string): Promise<ReadonlyMap<string, File>> {
    const about = await this.about(key);
    const files = new Map<string, File>();
    for (const { name } of about?.complete === true ? about.files : []) {
      const file = await this.#fileOf(key, name);
      if (file !== undefined) files.set(name, file);
    }
    if (files.size === about?.files.length) return files;
    throw new Error("Cannot open the model: it is no longer kept here; load it again");
  }

  /** Opens a file of a model for writing; its lock must be held. The caller closes it. */
  async write(key: string, name: string): Promise<Awaited<ReturnType<typeof openForWriting>>> {
    return await openForWriting(await this.#root.getDirectoryHandle(key, { create: true }), name);
  }

  /** Removes a model. Its lock must be held, unless what is kept turned out to be none. */
  async drop(key: string): Promise<void> {
    if ((await this.#folder(key)) !== undefined) await this.#root.removeEntry(key, { recursive: true });
  }

  async #folder(key: string): Promise<FileSystemDirectoryHandle | undefined> {
    return await orUndefined(this.#root.getDirectoryHandle(key));
  }

  async #fileOf(key: string, name: string): Promise<File | undefined> {
    const folder = await this.#folder(key);
    if (folder === undefined) return undefined;
    return await (await orUndefined(folder.getFileHandle(name)))?.getFile();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
    throw error;
  }
}
