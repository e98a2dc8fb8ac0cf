/** A model's address as people type it, refused at once where it cannot work. */
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
  const name = decoded(url.pathname.split("/").at(-1) ?? "") || url.href;
  if (url.protocol === "http:" && url.origin !== new URL(page).origin) {
    throw new Error(
      `Cannot load ${name}: this page's policy lets it read other sites by https alone; ` +
        `download the file, and choose it here`,
    );
  }
  if (/\.(safetensors|json)$/i.test(name) || url.pathname.endsWith("/")) {
    throw new Error(
      `Cannot load ${name} by its address, which must be that of a .gguf file: a safetensors model is several files; ` +
        `download them, and choose them here together`,
    );
  }
  return { name, url: url.href };
}

/** A part of a path as people read it; as it stands where its escapes are none. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
