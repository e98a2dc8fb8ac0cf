/**
 * A small GGUF writer for tests. Everything it writes can be overridden, so that it can write what no sane file holds.
 */

/** A growing run of little-endian bytes. */
export class Bytes {
  #bytes: number[] = [];

  u8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  u32(value: number): this {
    for (let i = 0; i < 4; i++) this.u8(value >>> (8 * i));
    return this;
  }

  u64(value: number | bigint): this {
    for (let i = 0n; i < 8n; i++) this.u8(Number((BigInt(value) >> (8n * i)) & 0xffn));
    return this;
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.u8(byte);
    return this;
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(bytes.length).raw(bytes);
  }

  pad(alignment: number): this {
    while (this.#bytes.length % alignment !== 0) this.u8(0);
    return this;
  }

  get length(): number {
    return this.#bytes.length;
  }

  done(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }
}

/** A metadata value: its type's number and its bytes. */
export interface Value {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export const u32Value = (value: number): Value => ({ type: 4, bytes: new Bytes().u32(value).done() });
export const textValue = (value: string): Value => ({ type: 8, bytes: new Bytes().text(value).done() });
export const arrayValue = (type: number, count: number | bigint, elements: Iterable<number>): Value => ({
  type: 9,
  bytes: new Bytes().u32(type).u64(count).raw(elements).done(),
});

/** A tensor: sizes innermost first, as the file has them. */
export interface TensorSpec {
  readonly name: string;
  readonly sizes: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Uint8Array;
  /** Where the record says it begins; right behind the one before when left out. */
  readonly offset?: number | bigint;
}

/** What a file is made of; the counts are true ones when left out. */
export interface GgufSpec {
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly valueCount?: number | bigint;
  readonly metadata?: readonly (readonly [string, Value])[];
  readonly tensors?: readonly TensorSpec[];
  readonly alignment?: number;
}

/** The bytes of a file. */
export function gguf(spec: GgufSpec): Uint8Array {
  const { version = 3, metadata = [], tensors = [], alignment = 32 } = spec;
  const out = new Bytes().raw(new TextEncoder().encode("GGUF")).u32(version);
  out.u64(spec.tensorCount ?? tensors.length).u64(spec.valueCount ?? metadata.length);
  for (const [key, value] of metadata) out.text(key).u32(value.type).raw(value.bytes);
  const data = new Bytes();
  for (const tensor of tensors) {
    data.pad(alignment);
    out.text(tensor.name).u32(tensor.sizes.length);
    for (const size of tensor.sizes) out.u64(size);
    out.u32(tensor.type).u64(tensor.offset ?? data.length);
    data.raw(tensor.data);
  }
  return out.pad(alignment).raw(data.done()).done();
}
