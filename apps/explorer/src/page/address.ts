/** A model's address as people type it, refused at once where it cannot work. */
import { decoded, fileNameOf, isSafetensors } from "../file_on_server.ts";
import type { RemoteModel } from "../protocol.ts";

/**
 * The model of an address.
 *
 * @param address what was typed
 * @param page the page's own address
 * @throws Error saying why it cannot be loaded, and what can be done
 */
export function modelAt(address: string, page: string): RemoteModel {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Error(`Cannot load ${address}: it is no address of the web; give one that begins with https://`);
  }
  const fileName = fileNameOf(url);
  const name = isSafetensors(fileName) ? folderOf(url) : fileName || url.href;
  if (url.protocol === "http:" && url.origin !== new URL(page).origin) {
    throw new Error(
      `Cannot load ${name}: this page's policy lets it read other sites by https alone; ` +
        `download the file, and choose it here`,
    );
  }
  if (url.pathname.endsWith("/") || (/\.json$/i.test(fileName) && !isSafetensors(fileName))) {
    throw new Error(
      `Cannot load ${name} by its address: give that of a .gguf file, of model.safetensors, or of ` +
        `model.safetensors.index.json; what lies beside them is found`,
    );
  }
  return { name, url: url.href };
}

/** What a folder of safetensors is called: Hugging Face's addresses have a revision between the model's name and its files. */
function folderOf({ pathname, host }: URL): string {
  const folder = /([^/]+)(?:\/resolve\/[^/]+)?\/[^/]+$/.exec(pathname)?.[1];
  return folder === undefined ? host : decoded(folder);
}
