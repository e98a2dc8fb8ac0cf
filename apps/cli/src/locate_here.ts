/**
 * Finds a model on this machine: this system's cache folder, notices and progress on stderr.
 */
import { modelFolder } from "./cache_folder.ts";
import { locateModel } from "./model_store.ts";
import { ProgressBar } from "./progress.ts";

/**
 * The path of a model, fetched if it must be. An interrupt while it is fetched ends the program; what has come stays.
 *
 * @param model a known name, a URL or a path
 * @throws {ModelError | DownloadError} as {@linkcode locateModel} does
 */
export async function locateHere(model: string): Promise<string> {
  using bar = new ProgressBar("Downloading");
  return await locateModel(model, {
    folder: modelFolder((name) => Deno.env.get(name), Deno.build.os),
    download: {
      onNotice: (message) => {
        bar.end();
        console.error(message);
      },
      onProgress: (done, total) => bar.update(done, total),
    },
  });
}
