/**
 * Numbers as people read them.
 */

const UNITS = ["kB", "MB", "GB", "TB"];

/**
 * Bytes in decimal units, as download pages state them: `98.4 MB`.
 *
 * @param byteLength a whole number of bytes
 */
export function formatBytes(byteLength: number): string {
  if (byteLength < 1000) return `${byteLength} bytes`;
  const power = Math.min(UNITS.length, Math.floor(Math.log10(byteLength) / 3));
  return `${(byteLength / 1000 ** power).toFixed(1)} ${UNITS[power - 1]}`;
}

/** A whole number with separators: `134,515,008`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}
