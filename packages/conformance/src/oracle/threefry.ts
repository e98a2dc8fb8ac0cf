/**
 * Threefry-2x32-20 in 64-bit integers (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011), and the uniform
 * draw that the contract makes of its first word.
 */

const MASK = 0xffffffffn;
const ROTATIONS = [13n, 15n, 26n, 6n, 17n, 29n, 16n, 24n];

function rotate(x: bigint, by: bigint): bigint {
  return ((x << by) | (x >> (32n - by))) & MASK;
}

/** Two words for a key of two words and a counter of two. */
export function threefry(key: readonly [number, number], counter: readonly [number, number]): [number, number] {
  const k0 = BigInt(key[0]);
  const k1 = BigInt(key[1]);
  const keys = [k0, k1, k0 ^ k1 ^ 0x1bd11bdan];
  let [a, b] = [(BigInt(counter[0]) + k0) & MASK, (BigInt(counter[1]) + k1) & MASK];
  for (let round = 0; round < 20; round++) {
    a = (a + b) & MASK;
    b = rotate(b, ROTATIONS[round % 8]!) ^ a;
    if (round % 4 === 3) {
      const turn = (round + 1) / 4;
      a = (a + keys[turn % 3]!) & MASK;
      b = (b + keys[(turn + 1) % 3]! + BigInt(turn)) & MASK;
    }
  }
  return [Number(a), Number(b)];
}

/** Draw `i` in [0, 1): the top 24 bits of the first word over 2^24. */
export function uniform(key: readonly [number, number], i: number): number {
  return Math.floor(threefry(key, [i, 0])[0] / 256) / 2 ** 24;
}
