/**
 * Threefry-2x32 with 20 rounds: random words by counter, so that a draw depends on its key and its place alone and
 * comes out equal on every backend, in any order.
 * A round adds, rotates and xors the two words; after every fourth the next two key words and a running number are
 * added in. Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011); Random123
 * `threefry.h`.
 */

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const PARITY = 0x1bd11bda;

/**
 * Two random words for the key `(key0, key1)` and the counter `(counter0, counter1)`; all are unsigned 32-bit integers.
 * @returns two unsigned 32-bit integers.
 */
export function threefry2x32(key0: number, key1: number, counter0: number, counter1: number): [number, number] {
  const keys = [key0, key1, PARITY ^ key0 ^ key1] as const;
  let x0 = (counter0 + key0) | 0;
  let x1 = (counter1 + key1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = ROTATIONS[round % 8]!;
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0;
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    x0 = (x0 + keys[injection % 3]!) | 0;
    x1 = (x1 + keys[(injection + 1) % 3]! + injection) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}
