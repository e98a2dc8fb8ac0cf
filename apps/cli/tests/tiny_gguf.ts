/**
 * A two-layer Llama's GGUF file of 6 kB, for tests: E = 64, H = 4 on Hkv = 2, D = 32 (so H * D is not E), V = 7.
 */
import {
  arrayValue,
  Bytes,
  gguf,
  type TensorSpec,
  textValue,
  u32Value,
  type Value,
} from "../../../packages/formats/tests/gguf_writer.ts";

const F32 = 0, F16 = 1, Q8_0 = 8;

/** What {@linkcode tinyGguf} may be told to do differently. */
export interface TinyGguf {
  /** Metadata in place of its own, or besides; undefined leaves a key out. */
  readonly metadata?: Readonly<Record<string, Value | undefined>>;
  /** Called with the bytes of each tensor before they are written. */
  readonly spoil?: (name: string, data: Uint8Array) => void;
}

/** The file's bytes. */
export function tinyGguf({ metadata = {}, spoil }: TinyGguf = {}): Uint8Array {
  const values: Record<string, Value | undefined> = {
    "general.architecture": textValue("llama"),
    "llama.block_count": u32Value(2),
    "llama.embedding_length": u32Value(64),
    "llama.context_length": u32Value(100),
    "llama.attention.head_count": u32Value(4),
    "llama.attention.head_count_kv": u32Value(2),
    "llama.attention.key_length": u32Value(32),
    "llama.attention.value_length": u32Value(32),
    "llama.rope.freq_base": { type: 6, bytes: new Uint8Array(new Float32Array([5000]).buffer) },
    "tokenizer.ggml.tokens": arrayValue(8, 7, [..."abcdefg"].flatMap((token) => [...new Bytes().text(token).done()])),
    ...metadata,
  };
  const tensors = [tensor("token_embd.weight", [64, 7], F16, 2), ...[0, 1].flatMap(layer)];
  for (const { name, data } of tensors) spoil?.(name, data);
  const present = Object.entries(values).flatMap(([key, value]) => value === undefined ? [] : [[key, value] as const]);
  return gguf({ metadata: present, tensors });
}

function layer(index: number): TensorSpec[] {
  return [
    tensor(`blk.${index}.attn_norm.weight`, [64], F32, 4),
    tensor(`blk.${index}.attn_k.weight`, [64, 64], Q8_0, 34 / 32),
    tensor(`blk.${index}.attn_v.weight`, [64, 64], Q8_0, 34 / 32),
    tensor(`blk.${index}.attn_k.bias`, [64], F32, 4),
  ];
}

/** Zeros; `sizes` innermost first. */
function tensor(name: string, sizes: readonly number[], type: number, bytesAnElement: number): TensorSpec {
  const numel = sizes.reduce((product, size) => product * size, 1);
  return { name, sizes, type, data: new Uint8Array(numel * bytesAnElement) };
}
