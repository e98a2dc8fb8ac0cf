/** Numbers as people read them; page and worker use the same. */

const UNITS = ["kB", "MB", "GB", "TB"];

/** Bytes in decimal units: `98.4 MB`. */
export function formatBytes(byteLength: number): string {
  if (byteLength < 1000) return `${byteLength}\u00a0bytes`;
  const power = Math.min(UNITS.length, Math.floor(Math.log10(byteLength) / 3));
  return `${(byteLength / 1000 ** power).toFixed(1)}\u00a0${UNITS[power - 1]}`;
}

/** A number in few digits: `0.0312`, `-14.2`, `2.4e-7`. */
export function formatNumber(x: number): string {
  if (x === -Infinity) return "−∞";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return x.toExponential(1).replace("-", "−");
  return `${Number(x.toPrecision(3))}`.replace("-", "−");
}
