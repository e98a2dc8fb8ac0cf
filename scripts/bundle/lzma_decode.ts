/**
 * A decoder of LZMA (the format of `.lzma` files, by Igor Pavlov's specification): what `heed.js` unpacks its WebAssembly with.
 * Each bit comes from a range coder whose probability is learnt for its context; bits make literals, and copies of what was
 * written before at one of the last four distances or at a new one.
 */

/** Where probabilities of each kind begin; a context's own number is added. */
const IS_MATCH = 0; // state * 16 + position
const IS_REP = IS_MATCH + 12 * 16; // state
const IS_REP0 = IS_REP + 12;
const IS_REP1 = IS_REP0 + 12;
const IS_REP2 = IS_REP1 + 12;
const IS_REP0_LONG = IS_REP2 + 12; // state * 16 + position
const DISTANCE_SLOT = IS_REP0_LONG + 12 * 16; // 4 lengths of a tree of 64
const DISTANCE_LOW = DISTANCE_SLOT + 4 * 64;
const DISTANCE_ALIGN = DISTANCE_LOW + 128;
const LENGTH = DISTANCE_ALIGN + 16;
const REP_LENGTH = LENGTH + 2 + 2 * 16 * 8 + 256;
const LITERAL = REP_LENGTH + 2 + 2 * 16 * 8 + 256; // contexts of 0x300

/** The bytes before the coded ones: a byte of properties, the dictionary's size, the length. */
const HEADER_BYTES = 13;

/** Reads bits as they were coded. */
class RangeDecoder {
  readonly #bytes: Uint8Array;
  readonly #probabilities: Uint16Array;
  #at: number;
  #range = 0xffffffff;
  #code = 0;

  constructor(bytes: Uint8Array, probabilities: number) {
    this.#bytes = bytes;
    this.#probabilities = new Uint16Array(probabilities).fill(1024);
    this.#at = HEADER_BYTES + 1; // the first byte is always 0
    for (let i = 0; i < 4; i++) this.#code = (this.#code << 8 | this.#bytes[this.#at++]!) >>> 0;
  }

  #normalise(): void {
    if (this.#range >= 0x1000000) return;
    this.#range = this.#range << 8 >>> 0;
    this.#code = (this.#code << 8 | this.#bytes[this.#at++]!) >>> 0;
  }

  /** A bit of the context with this number. */
  bit(context: number): 0 | 1 {
    const probability = this.#probabilities[context]!;
    const bound = (this.#range >>> 11) * probability;
    const bit = this.#code < bound ? 0 : 1;
    if (bit === 0) {
      this.#range = bound;
      this.#probabilities[context] = probability + (2048 - probability >> 5);
    } else {
      this.#range -= bound;
      this.#code -= bound;
      this.#probabilities[context] = probability - (probability >> 5);
    }
    this.#normalise();
    return bit;
  }

  /** Bits that are as likely 0 as 1, the highest first. */
  direct(count: number): number {
    let value = 0;
    for (; count > 0; count--) {
      this.#range >>>= 1;
      const bit = this.#code < this.#range ? 0 : 1;
      if (bit === 1) this.#code -= this.#range;
      this.#normalise();
      value = value << 1 | bit;
    }
    return value;
  }

  /** A number of some bits, the highest first, each with the ones before it as context. */
  tree(context: number, bits: number): number {
    let node = 1;
    for (let i = 0; i < bits; i++) node = node << 1 | this.bit(context + node);
    return node - (1 << bits);
  }

  /** The same, the lowest bit first. */
  reverseTree(context: number, bits: number): number {
    let [node, value] = [1, 0];
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(context + node);
      node = node << 1 | bit;
      value |= bit << i;
    }
    return value;
  }

  /** The length of a copy, from 2. */
  length(context: number, position: number): number {
    if (this.bit(context) === 0) return 2 + this.tree(context + 2 + position * 8, 3);
    if (this.bit(context + 1) === 0) return 10 + this.tree(context + 2 + 128 + position * 8, 3);
    return 18 + this.tree(context + 2 + 256, 8);
  }

  /** How far back a copy of this length begins, from 0. */
  distance(length: number): number {
    const slot = this.tree(DISTANCE_SLOT + Math.min(length - 2, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | slot & 1) << bits;
    if (slot < 14) return base + this.reverseTree(DISTANCE_LOW + base - slot, bits);
    return base + (this.direct(bits - 4) << 4) + this.reverseTree(DISTANCE_ALIGN, 4);
  }
}

/**
 * Unpacks what says its own length.
 *
 * @param bytes a whole `.lzma` file
 */
export function decodeLzma(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const properties = bytes[0]!;
  const literalContextBits = properties % 9;
  const literalPositionMask = (1 << (properties / 9 | 0) % 5) - 1;
  const positionMask = (1 << (properties / 45 | 0)) - 1;
  const out = new Uint8Array(new DataView(bytes.buffer, bytes.byteOffset).getUint32(5, true));
  const decoder = new RangeDecoder(bytes, LITERAL + (0x300 << literalContextBits) * (literalPositionMask + 1));
  const distances = [0, 0, 0, 0];
  let state = 0;

  const literal = (at: number): number => {
    const before = at === 0 ? 0 : out[at - 1]!;
    const group = ((at & literalPositionMask) << literalContextBits) + (before >> (8 - literalContextBits));
    const context = LITERAL + 0x300 * group;
    let node = 1;
    if (state >= 7) { // after a copy, the byte that would have gone on with it is context, as long as it agrees
      for (let match = out[at - distances[0]! - 1]!; node < 0x100; match <<= 1) {
        const bit = match >> 7 & 1;
        const got = decoder.bit(context + (1 + bit << 8) + node);
        node = node << 1 | got;
        if (got !== bit) break;
      }
    }
    while (node < 0x100) node = node << 1 | decoder.bit(context + node);
    return node;
  };

  const repeated = (position: number): number => {
    if (decoder.bit(IS_REP0 + state) === 0) {
      if (decoder.bit(IS_REP0_LONG + state * 16 + position) === 0) {
        state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      const which = decoder.bit(IS_REP1 + state) === 0 ? 1 : 2 + decoder.bit(IS_REP2 + state);
      distances.unshift(...distances.splice(which, 1));
    }
    state = state < 7 ? 8 : 11;
    return decoder.length(REP_LENGTH, position);
  };

  for (let at = 0; at < out.length;) {
    const position = at & positionMask;
    if (decoder.bit(IS_MATCH + state * 16 + position) === 0) {
      out[at] = literal(at);
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      at++;
      continue;
    }
    let length: number;
    if (decoder.bit(IS_REP + state) === 1) length = repeated(position);
    else {
      length = decoder.length(LENGTH, position);
      state = state < 7 ? 7 : 10;
      distances.unshift(decoder.distance(length));
      distances.pop();
    }
    for (const end = at + length; at < end; at++) out[at] = out[at - distances[0]! - 1]!;
  }
  return out;
}
