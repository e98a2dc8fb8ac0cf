/**
 * The two products of attention on one tile, `scores = q · k` and `sums += weights · v`, four rows by four keys or
 * columns at a time: sixteen sums stay in registers, and eight reads serve sixteen multiply-adds.
 *
 * Rows on the left are f64 without gaps; keys and values are lines of f32, where they lie or as a copy, a step apart.
 * Of three rows at the end four are computed, so there must be room for a fourth; one or two go one by one.
 * f64 keys and values take plain loops, so that the fast ones only ever see f32.
 *
 * Multiply-adds a second by those of a plain f32 dot product loop, [36, 64] x [64, 64], medians of runs in turns:
 *
 *     rows x keys     1 x 4   2 x 4   4 x 4   4 x 4 on an f64 copy
 *     q · k           0.75    1.04    1.48    1.70, which the copy takes back
 *
 *     weights · v     4 lines added to a row  4 to 2 rows   4 rows x 4 columns   the same, 4 x 4 on an f64 copy
 *                     0.66                    1.14          1.80                 1.75
 */

/** Keys or values: element d of line j is `x[at + j * step + d]`. */
export interface Lines {
  readonly x: Float32Array | Float64Array;
  readonly at: number;
  readonly step: number;
}

/**
 * `scores[r * scoreStep + j] = sum over d of q[r * size + d] * key[j, d]` for r < rows, j < keys.
 */
export function scoreLines(
  q: Float64Array,
  rows: number,
  size: number,
  lines: Lines,
  keys: number,
  scores: Float64Array,
  scoreStep: number,
): void {
  const { x, at, step } = lines;
  const fours = x instanceof Float32Array ? keys & ~3 : 0;
  if (x instanceof Float32Array) {
    for (let j = 0; j < fours; j += 4) {
      let r = 0;
      for (; r + 2 < rows; r += 4) {
        dot4x4(q, r * size, size, x, at + j * step, step, scores, r * scoreStep + j, scoreStep);
      }
      for (; r < rows; r++) dot1x4(q, r * size, size, x, at + j * step, step, scores, r * scoreStep + j);
    }
  }
  for (let r = 0; r < rows; r++) {
    for (let j = fours; j < keys; j++) {
      scores[r * scoreStep + j] = dot(q, r * size, size, x, at + j * step);
    }
  }
}

/** `sums[r * size + d] += sum over j of weights[r * weightStep + j] * value[j, d]` for r < rows, d < size. */
export function addLines(
  weights: Float64Array,
  weightStep: number,
  rows: number,
  lines: Lines,
  keys: number,
  sums: Float64Array,
  size: number,
): void {
  const { x, at, step } = lines;
  const fours = x instanceof Float32Array ? size & ~3 : 0;
  if (x instanceof Float32Array) {
    let r = 0;
    for (; r + 2 < rows; r += 4) {
      for (let d = 0; d < fours; d += 4) {
        add4x4(weights, r * weightStep, weightStep, keys, x, at + d, step, sums, r * size + d, size);
      }
    }
    for (; r < rows; r++) {
      for (let d = 0; d < fours; d += 4) add1x4(weights, r * weightStep, keys, x, at + d, step, sums, r * size + d);
    }
  }
  if (fours === size) return;
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < keys; j++) addLine(weights[r * weightStep + j]!, x, at + j * step, fours, sums, r * size, size);
  }
}

/** Adds one line, times a weight, to the elements of a row from `first` to `size`. */
export function addLine(
  weight: number,
  x: Lines["x"],
  ix: number,
  first: number,
  sums: Float64Array,
  row: number,
  size: number,
): void {
  for (let d = first; d < size; d++) sums[row + d]! += weight * x[ix + d]!;
}

function dot(q: Float64Array, iq: number, size: number, x: Lines["x"], ix: number): number {
  let sum = 0;
  for (let d = 0; d < size; d++) sum += q[iq + d]! * x[ix + d]!;
  return sum;
}

function dot1x4(
  q: Float64Array,
  iq: number,
  size: number,
  k: Float32Array,
  k0: number,
  step: number,
  out: Float64Array,
  io: number,
): void {
  const k1 = k0 + step, k2 = k1 + step, k3 = k2 + step;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (let d = 0; d < size; d++) {
    const x = q[iq + d]!;
    s0 += x * k[k0 + d]!;
    s1 += x * k[k1 + d]!;
    s2 += x * k[k2 + d]!;
    s3 += x * k[k3 + d]!;
  }
  out[io] = s0;
  out[io + 1] = s1;
  out[io + 2] = s2;
  out[io + 3] = s3;
}

/** Sum `rc` is of row r and key c; the compiler keeps all sixteen in registers. */
function dot4x4(
  q: Float64Array,
  q0: number,
  size: number,
  k: Float32Array,
  k0: number,
  step: number,
  out: Float64Array,
  io: number,
  outStep: number,
): void {
  const q1 = q0 + size, q2 = q1 + size, q3 = q2 + size;
  const k1 = k0 + step, k2 = k1 + step, k3 = k2 + step;
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let d = 0; d < size; d++) {
    const x0 = q[q0 + d]!, x1 = q[q1 + d]!, x2 = q[q2 + d]!, x3 = q[q3 + d]!;
    let y = k[k0 + d]!;
    s00 += x0 * y, s10 += x1 * y, s20 += x2 * y, s30 += x3 * y;
    y = k[k1 + d]!;
    s01 += x0 * y, s11 += x1 * y, s21 += x2 * y, s31 += x3 * y;
    y = k[k2 + d]!;
    s02 += x0 * y, s12 += x1 * y, s22 += x2 * y, s32 += x3 * y;
    y = k[k3 + d]!;
    s03 += x0 * y, s13 += x1 * y, s23 += x2 * y, s33 += x3 * y;
  }
  out[io] = s00, out[io + 1] = s01, out[io + 2] = s02, out[io + 3] = s03;
  io += outStep;
  out[io] = s10, out[io + 1] = s11, out[io + 2] = s12, out[io + 3] = s13;
  io += outStep;
  out[io] = s20, out[io + 1] = s21, out[io + 2] = s22, out[io + 3] = s23;
  io += outStep;
  out[io] = s30, out[io + 1] = s31, out[io + 2] = s32, out[io + 3] = s33;
}

function add1x4(
  weights: Float64Array,
  iw: number,
  keys: number,
  v: Float32Array,
  iv: number,
  step: number,
  out: Float64Array,
  io: number,
): void {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (let j = 0; j < keys; j++, iv += step) {
    const x = weights[iw + j]!;
    s0 += x * v[iv]!;
    s1 += x * v[iv + 1]!;
    s2 += x * v[iv + 2]!;
    s3 += x * v[iv + 3]!;
  }
  out[io]! += s0;
  out[io + 1]! += s1;
  out[io + 2]! += s2;
  out[io + 3]! += s3;
}

/** Sum `rc` is of row r and column c. */
function add4x4(
  weights: Float64Array,
  w0: number,
  weightStep: number,
  keys: number,
  v: Float32Array,
  iv: number,
  step: number,
  out: Float64Array,
  io: number,
  outStep: number,
): void {
  const w1 = w0 + weightStep, w2 = w1 + weightStep, w3 = w2 + weightStep;
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let j = 0; j < keys; j++, iv += step) {
    const x0 = weights[w0 + j]!, x1 = weights[w1 + j]!, x2 = weights[w2 + j]!, x3 = weights[w3 + j]!;
    let y = v[iv]!;
    s00 += x0 * y, s10 += x1 * y, s20 += x2 * y, s30 += x3 * y;
    y = v[iv + 1]!;
    s01 += x0 * y, s11 += x1 * y, s21 += x2 * y, s31 += x3 * y;
    y = v[iv + 2]!;
    s02 += x0 * y, s12 += x1 * y, s22 += x2 * y, s32 += x3 * y;
    y = v[iv + 3]!;
    s03 += x0 * y, s13 += x1 * y, s23 += x2 * y, s33 += x3 * y;
  }
  out[io]! += s00, out[io + 1]! += s01, out[io + 2]! += s02, out[io + 3]! += s03;
  io += outStep;
  out[io]! += s10, out[io + 1]! += s11, out[io + 2]! += s12, out[io + 3]! += s13;
  io += outStep;
  out[io]! += s20, out[io + 1]! += s21, out[io + 2]! += s22, out[io + 3]! += s23;
  io += outStep;
  out[io]! += s30, out[io + 1]! += s31, out[io + 2]! += s32, out[io + 3]! += s33;
}
