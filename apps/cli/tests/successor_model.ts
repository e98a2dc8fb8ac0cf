/**
 * A one-layer Llama that knows the alphabet from a to h, for tests. Embeddings are rows of the identity, attention and
 * MLP add nothing, and the output product's row for each letter is the embedding of the letter before: whatever comes
 * last, the likeliest next token is its successor, and a follows h. E = V = 8, H = 2 on Hkv = 1, D = 4.
 */
import { type TensorData, writeSafetensors } from "../../../packages/formats/mod.ts";
import {
  arrayValue,
  Bytes,
  gguf,
  textValue,
  u32Value,
  type Value,
} from "../../../packages/formats/tests/gguf_writer.ts";

const LETTERS = [..."abcdefgh"];
const SIZE = LETTERS.length;
const F32 = 0;

const f32Value = (value: number): Value => ({ type: 6, bytes: bytesOf([value]) });
const stringsValue = (texts: readonly string[]): Value =>
  arrayValue(8, texts.length, texts.flatMap((text) => [...new Bytes().text(text).done()]));

interface Weight {
  readonly gguf: string;
  readonly huggingFace: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** What {@linkcode successorGguf} may be told to do differently. */
export interface SuccessorGguf {
  /** Tokens it holds; default 100. */
  readonly contextLength?: number;
  /** How a chat is written; default not at all. */
  readonly chatTemplate?: string;
  /** Whether h ends the text; default true. */
  readonly ends?: boolean;
  /** The last norm's weight; default 1. */
  readonly norm?: number;
}

/** The model as a GGUF file's bytes. */
export function successorGguf(
  { chatTemplate, contextLength = 100, ends = true, norm = 1 }: SuccessorGguf = {},
): Uint8Array {
  const metadata: [string, Value][] = [
    ["general.architecture", textValue("llama")],
    ["llama.block_count", u32Value(1)],
    ["llama.embedding_length", u32Value(SIZE)],
    ["llama.feed_forward_length", u32Value(SIZE)],
    ["llama.context_length", u32Value(contextLength)],
    ["llama.attention.head_count", u32Value(2)],
    ["llama.attention.head_count_kv", u32Value(1)],
    ["llama.attention.layer_norm_rms_epsilon", f32Value(1e-5)],
    ["tokenizer.ggml.model", textValue("gpt2")],
    ["tokenizer.ggml.pre", textValue("gpt-2")],
    ["tokenizer.ggml.tokens", stringsValue(LETTERS)],
    ["tokenizer.ggml.merges", stringsValue([])],
  ];
  if (chatTemplate !== undefined) metadata.push(["tokenizer.chat_template", textValue(chatTemplate)]);
  if (ends) metadata.push(["tokenizer.ggml.eos_token_id", u32Value(SIZE - 1)]);
  const tensors = weights(norm).map(({ gguf: name, shape, values }) => {
    return { name, sizes: shape.toReversed(), type: F32, data: bytesOf(values) };
  });
  return gguf({ metadata, tensors });
}

/** Writes the model as a Hugging Face folder, with its tokenizer. */
export async function writeSuccessorFolder(folder: string): Promise<void> {
  const tensors = weights(1).map(({ huggingFace, shape, values }): [string, TensorData] => {
    return [huggingFace, { dtype: "f32", shape, bytes: bytesOf(values) }];
  });
  await Deno.writeFile(`${folder}/model.safetensors`, writeSafetensors(new Map(tensors)));
  await writeJson(`${folder}/config.json`, {
    ...{ model_type: "llama", vocab_size: SIZE, hidden_size: SIZE, intermediate_size: SIZE, num_hidden_layers: 1 },
    ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 100, rms_norm_eps: 1e-5 },
  });
  await writeJson(`${folder}/tokenizer.json`, {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: { type: "BPE", vocab: Object.fromEntries(LETTERS.map((letter, id) => [letter, id])), merges: [] },
    added_tokens: [],
  });
  await writeJson(`${folder}/tokenizer_config.json`, { eos_token: "h" });
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, JSON.stringify(value));
}

function weights(norm: number): Weight[] {
  const letters = LETTERS.keys().toArray();
  const identity = (shift: number): number[] =>
    letters.flatMap((row) => letters.map((column) => row === (column + shift) % SIZE ? 1 : 0));
  const filled = (ggufName: string, huggingFace: string, shape: readonly number[], value: number): Weight => {
    const numel = shape.reduce((product, size) => product * size, 1);
    return {
      gguf: `${ggufName}.weight`,
      huggingFace: `${huggingFace}.weight`,
      shape,
      values: Array(numel).fill(value),
    };
  };
  const inLayer = (ggufName: string, name: string, shape: readonly number[], value = 0): Weight =>
    filled(`blk.0.${ggufName}`, `model.layers.0.${name}`, shape, value);
  return [
    { ...filled("token_embd", "model.embed_tokens", [SIZE, SIZE], 0), values: identity(0) },
    inLayer("attn_norm", "input_layernorm", [SIZE], 1),
    inLayer("attn_q", "self_attn.q_proj", [8, SIZE]),
    inLayer("attn_k", "self_attn.k_proj", [4, SIZE]),
    inLayer("attn_v", "self_attn.v_proj", [4, SIZE]),
    inLayer("attn_output", "self_attn.o_proj", [SIZE, 8]),
    inLayer("ffn_norm", "post_attention_layernorm", [SIZE], 1),
    inLayer("ffn_gate", "mlp.gate_proj", [SIZE, SIZE]),
    inLayer("ffn_up", "mlp.up_proj", [SIZE, SIZE]),
    inLayer("ffn_down", "mlp.down_proj", [SIZE, SIZE]),
    filled("output_norm", "model.norm", [SIZE], norm),
    { ...filled("output", "lm_head", [SIZE, SIZE], 0), values: identity(1) },
  ];
}

function bytesOf(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return bytes;
}
