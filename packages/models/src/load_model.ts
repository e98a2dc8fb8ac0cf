/**
 * A model from an opened file: config, names as Hugging Face has them, shapes and room checked against the header before a
 * single weight is read, then weights streamed to the backend: in the form they are stored in, or to be trained as floats.
 */
import { type Backend, type DType, isBlock, isFloat, type Tensor } from "../../core/mod.ts";
import { checkNames } from "../../core/src/errors.ts";
import { FormatError, type LoadProgress, loadTensors, type TensorEntry, type TensorFile } from "../../formats/mod.ts";
import { LlamaForCausalLM, type ParameterSource } from "../../nn/mod.ts";
import { checkRoom } from "./check_room.ts";
import { llamaConfigFromGguf, llamaConfigFromJson } from "./llama_config.ts";

/** What `loadModel` reads: an opened file, and the parsed `config.json` beside it where the file has no metadata. */
export interface ModelFiles {
  /** The weights. */
  readonly file: TensorFile;
  /** The parsed config.json; GGUF needs none. */
  readonly config?: unknown;
}

/** Settings of {@linkcode loadModel}. */
export interface LoadModelOptions {
  /** Where the weights go. */
  readonly backend: Backend;
  /** Told as bytes arrive. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends the loading; nothing stays allocated. */
  readonly signal?: AbortSignal;
  /**
   * The dtype of activations, whatever the weights are stored in: f32 (when left out), f16, bf16, or f64 on scalar. Trainable
   * weights have it too; others keep what they are stored in, but for vectors (norms, biases).
   */
  readonly dtype?: DType | undefined;
  /**
   * Whether weights will be written to. They are then made of `dtype`, so that small steps are not lost in rounding: of f32,
   * 4 bytes each, whatever they are stored in. Backends may repack those that will not.
   */
  readonly trainable?: boolean;
}

const OPTIONS = {
  backend: true,
  dtype: true,
  onProgress: true,
  signal: true,
  trainable: true,
} as const satisfies Record<keyof LoadModelOptions, true>;
const FOREIGN = { device: "backend", device_map: "backend", progress: "onProgress", torch_dtype: "dtype" };

const GGUF_LAYER: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  "input_layernorm": "attn_norm",
  "post_attention_layernorm": "ffn_norm",
};
const GGUF_TOP: Readonly<Record<string, string>> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
};

/** GGUF's name for a Hugging Face parameter. */
function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  if (layer === null) return GGUF_TOP[name] ?? name;
  return `blk.${layer[1]}.${GGUF_LAYER[layer[2]!] ?? layer[2]}.${layer[3]}`;
}

/**
 * Loads a Llama from GGUF or safetensors (`from_pretrained`, with `dtype` in place of `torch_dtype`).
 *
 * @returns the model, which owns its weights
 * @throws {FormatError} naming file, tensor, expected and found, when something is missing, misshapen or unknown
 * @throws {ShapeError} when an option is unknown
 * @throws {DTypeError} when activations cannot be of that dtype, or the backend has not one that is needed
 * @throws {BackendError} when there is no room, before a weight is read: naming what is needed and what there is
 */
export async function loadModel(files: ModelFiles, options: LoadModelOptions): Promise<LlamaForCausalLM> {
  checkNames("load a model", options, OPTIONS, FOREIGN);
  const { dtype = "f32", trainable = false, ...rest } = options;
  const { file } = files;
  const isGguf = file.format === "gguf";
  const config = isGguf
    ? await llamaConfigFromGguf(file)
    : llamaConfigFromJson(files.config, `config.json of ${file.name}`);
  const stored = isGguf ? ggufName : (name: string) => name;
  const names = new Set<string>();
  new LlamaForCausalLM(config, headerOnly(file, stored, names), { dtype });
  const held = { dtypeOf: heldAs(dtype, trainable), trainable };
  checkRoom(file, names, options.backend, held);
  const tensors = await loadTensors(file, { ...rest, ...held, names: [...names] });
  const source: ParameterSource = {
    take: (name) => tensors.get(stored(name))!, // listed and checked by the pass over the header
  };
  return new LlamaForCausalLM(config, source, { dtype });
}

/** Vectors are held as activations are: they meet elementwise, which is one kernel only where dtypes agree. */
function heldAs(dtype: DType, trainable: boolean): (entry: TensorEntry) => DType {
  return ({ dtype: stored, shape }) => {
    const converts = (trainable || shape.length < 2) && (isFloat(stored) || isBlock(stored));
    return converts ? dtype : stored;
  };
}

/** A dry run over the header: every parameter must be there, in its shape; their stored names are collected. */
function headerOnly(file: TensorFile, stored: (name: string) => string, names: Set<string>): ParameterSource {
  return {
    take: (name, shape) => {
      const tensor = stored(name);
      const entry = file.tensors.get(tensor);
      const expected = `[${shape.join(", ")}]`;
      if (entry === undefined) {
        throw new FormatError(`Cannot load ${file.name}: tensor "${tensor}" ${expected} is missing`, {
          file: file.name,
          tensor,
          expected,
        });
      }
      const found = `[${entry.shape.join(", ")}]`;
      if (found !== expected) {
        throw new FormatError(
          `Cannot load ${file.name}: tensor "${tensor}" should be ${expected}, found ${found}`,
          { file: file.name, tensor, expected, found },
        );
      }
      names.add(tensor);
      return undefined as unknown as Tensor; // the dry run only asks; nothing computes with what it hands out
    },
  };
}
