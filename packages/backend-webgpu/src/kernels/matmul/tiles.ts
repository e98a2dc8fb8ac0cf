/** How a result `[batch…, M, N]` is cut into tiles, one for a workgroup. */
import { numelOf } from "../../../../core/src/shape.ts";
import type { Gpu, Grid } from "../../gpu.ts";

/** Rows and columns of a result. */
export type Tile = readonly [rows: number, columns: number];

/** Workgroups that fill most devices: with fewer of the large tile, small ones are taken. */
const FILLING_WORKGROUPS = 64;

/** Whether there are rows for most of a tile, and a workgroup for every part of most devices. */
export function fills([rows, columns]: Tile, shape: readonly number[]): boolean {
  const [m, n] = [shape.at(-2)!, shape.at(-1)!];
  if (2 * m <= rows) return false;
  return Math.ceil(m / rows) * Math.ceil(n / columns) * numelOf(shape) / (m * n) >= FILLING_WORKGROUPS;
}

/**
 * Columns along x, rows along y and the batch along z. Kernels walk on from there where a dim has more than the device
 * takes; `registers` does not, and is chosen for no such product.
 */
export function tileGrid(gpu: Gpu, [rows, columns]: Tile, shape: readonly number[]): Grid {
  const [m, n] = [shape.at(-2)!, shape.at(-1)!];
  const limit = gpu.device.limits.maxComputeWorkgroupsPerDimension;
  return [
    Math.min(Math.ceil(n / columns), limit),
    Math.min(Math.ceil(m / rows), limit),
    Math.min(numelOf(shape) / (m * n), limit),
  ];
}
