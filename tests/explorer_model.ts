/**
 * Models for the explorer's tests. A random Llama as a GGUF file of 300 kB: 3 layers, 8 query heads on 4 key/value heads,
 * printable ASCII, the line's end and the two bytes of `é` as its tokens, so that it writes `<` and `&` as gladly as letters.
 */
import {
  arrayValue,
  Bytes,
  gguf,
  type TensorSpec,
  textValue,
  u32Value,
  type Value,
} from "../packages/formats/tests/gguf_writer.ts";
import { ROOT } from "../scripts/files.ts";

const [LAYERS, E, HEADS, KV_HEADS, D, MLP] = [3, 64, 8, 4, 8, 96];
const F32 = 0;
/** As byte-level BPE writes them: a space is Ġ, a line's end Ċ, and é is Ã©. */
const TOKENS = ["Ċ", "Ġ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "Ã", "©"];

/** Numbers from -1 to 1 that are the same each time (Park and Miller's generator). */
function* noise(seed: number): Generator<number, never> {
  for (let state = seed;;) {
    state = state * 48271 % 0x7fffffff;
    yield state / 0x3fffffff - 1;
  }
}

/** The file's bytes. */
export function randomGguf(seed = 1): Uint8Array<ArrayBuffer> {
  const random = noise(seed);
  const matrix = (name: string, rows: number, columns: number, size = 2 / Math.sqrt(columns)): TensorSpec =>
    tensor(name, [columns, rows], Array.from({ length: rows * columns }, () => size * random.next().value));
  const ones = (name: string): TensorSpec => tensor(name, [E], Array(E).fill(1));
  const layer = (i: number): TensorSpec[] => [
    ones(`blk.${i}.attn_norm.weight`),
    matrix(`blk.${i}.attn_q.weight`, HEADS * D, E),
    matrix(`blk.${i}.attn_k.weight`, KV_HEADS * D, E),
    matrix(`blk.${i}.attn_v.weight`, KV_HEADS * D, E),
    matrix(`blk.${i}.attn_output.weight`, E, HEADS * D),
    ones(`blk.${i}.ffn_norm.weight`),
    matrix(`blk.${i}.ffn_gate.weight`, MLP, E),
    matrix(`blk.${i}.ffn_up.weight`, MLP, E),
    matrix(`blk.${i}.ffn_down.weight`, E, MLP),
  ];
  return gguf({
    metadata: metadata(),
    tensors: [
      matrix("token_embd.weight", TOKENS.length, E, 1),
      ...Array.from({ length: LAYERS }, (_, i) => layer(i)).flat(),
      ones("output_norm.weight"),
      matrix("output.weight", TOKENS.length, E),
    ],
  }) as Uint8Array<ArrayBuffer>; // made of an array of its own
}

/** Writes the sharded model of the golden vectors, with a tokenizer of as many characters as it has ids. */
export async function writeShardedFolder(folder: string): Promise<void> {
  const vectors = `${ROOT}packages/conformance/vectors/hf_tiny_sharded`;
  for await (const { name } of Deno.readDir(vectors)) await Deno.copyFile(`${vectors}/${name}`, `${folder}/${name}`);
  const { vocab_size } = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  const vocab = Object.fromEntries(Array.from({ length: vocab_size }, (_, id) => [String.fromCharCode(33 + id), id]));
  const tokenizer = {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: { type: "BPE", vocab, merges: [] },
    added_tokens: [],
  };
  await Deno.writeTextFile(`${folder}/tokenizer.json`, JSON.stringify(tokenizer));
}

function metadata(): [string, Value][] {
  const strings = (texts: readonly string[]): Value =>
    arrayValue(8, texts.length, texts.flatMap((text) => [...new Bytes().text(text).done()]));
  return [
    ["general.architecture", textValue("llama")],
    ["llama.block_count", u32Value(LAYERS)],
    ["llama.embedding_length", u32Value(E)],
    ["llama.feed_forward_length", u32Value(MLP)],
    ["llama.context_length", u32Value(256)],
    ["llama.attention.head_count", u32Value(HEADS)],
    ["llama.attention.head_count_kv", u32Value(KV_HEADS)],
    ["llama.attention.layer_norm_rms_epsilon", { type: 6, bytes: new Uint8Array(new Float32Array([1e-5]).buffer) }],
    ["tokenizer.ggml.model", textValue("gpt2")],
    ["tokenizer.ggml.pre", textValue("gpt-2")],
    ["tokenizer.ggml.tokens", strings(TOKENS)],
    ["tokenizer.ggml.merges", strings([])],
  ];
}

function tensor(name: string, sizes: readonly number[], values: readonly number[]): TensorSpec {
  return { name, sizes, type: F32, data: new Uint8Array(Float32Array.from(values).buffer) };
}
