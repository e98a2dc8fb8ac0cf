/**
 * One parameter with fewer key/value heads. The rows of `k_proj` and `v_proj`, `[Hkv * D, E]`, are Hkv heads of D rows; new
 * head g stands for the contiguous block of `n = Hkv / kvHeads` heads `[g * n, (g + 1) * n)`, which are the ones that its
 * query heads read:
 * - `mean`: `new[g] = sum_i old[g * n + i] / n`
 * - `first`: `new[g] = old[g * n]`
 * - `random`: drawn anew as Hugging Face initialises a Llama, weights normal and biases 0
 *
 * Biases `[Hkv * D]` go the same way, and nothing else changes. What a parameter becomes depends on its name, itself and the
 * settings alone, so a checkpoint can be converted one tensor at a time.
 */
import { noGrad, type Tensor, tidy } from "../../core/mod.ts";
import { seedWords, splitSeed } from "../../core/src/ops/primitives/random.ts";
import { init } from "../../nn/mod.ts";
import type { ConvertHeadsOptions, HeadConfig } from "./convert_heads.ts";

/** A parameter that has rows for each key/value head. */
interface Projection {
  readonly layer: number;
  readonly which: "k" | "v";
  readonly kind: "weight" | "bias";
}

const DEFAULT_INITIALIZER_RANGE = 0.02; // of Hugging Face's LlamaConfig

function parseProjection(name: string): Projection | undefined {
  const match = /^model\.layers\.(\d+)\.self_attn\.([kv])_proj\.(weight|bias)$/.exec(name);
  if (match === null) return undefined;
  const [, layer, which, kind] = match;
  return { layer: Number(layer), which: which === "k" ? "k" : "v", kind: kind === "bias" ? "bias" : "weight" };
}

/** The names of all key and value weights of a model. */
export function* projectionWeights({ numHiddenLayers }: HeadConfig): Generator<string> {
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    for (const which of ["k", "v"]) yield `model.layers.${layer}.self_attn.${which}_proj.weight`;
  }
}

/** The shape of a parameter of `heads` key/value heads; undefined where it has no rows for them. */
export function projectionShape(name: string, config: HeadConfig, heads: number): number[] | undefined {
  const projection = parseProjection(name);
  if (projection === undefined) return undefined;
  const rows = heads * config.headDim;
  return projection.kind === "weight" ? [rows, config.hiddenSize] : [rows];
}

/**
 * One parameter converted. Settings, shape and dtype have been checked.
 *
 * @returns a tensor of the caller's own; it shares the storage of `x` where nothing changes
 */
export function convertParameter(name: string, x: Tensor, config: HeadConfig, options: ConvertHeadsOptions): Tensor {
  const { kvHeads, method } = options;
  const projection = parseProjection(name);
  if (projection === undefined) return x.detach();
  if (method === "random") return redraw(projection, x, config, options);
  if (kvHeads === config.numKeyValueHeads) return x.detach();
  const heads = [kvHeads, config.numKeyValueHeads / kvHeads, config.headDim];
  return noGrad(() =>
    tidy(() => {
      const blocks = x.unflatten(0, heads); // [kvHeads, n, D] or [kvHeads, n, D, E]
      // A clone, since a view would keep all of the old heads in memory.
      if (method === "first") return blocks.select(1, 0).clone().flatten(0, 1);
      const wide = x.dtype === "f64" ? blocks : blocks.to("f32");
      return wide.mean({ dim: 1 }).flatten(0, 1).to(x.dtype);
    })
  );
}

/** Draws of its own for each projection, whatever was drawn before. */
function redraw(projection: Projection, x: Tensor, config: HeadConfig, options: ConvertHeadsOptions): Tensor {
  const { layer, which, kind } = projection;
  const [low, high] = splitSeed(seedWords(options.seed ?? 0), 2 * layer + (which === "k" ? 0 : 1));
  const seed = (high % 2 ** 21) * 2 ** 32 + low; // 53 bits, what a number holds exactly
  const std = config.initializerRange ?? DEFAULT_INITIALIZER_RANGE;
  const draw = kind === "weight" ? init.normal({ std }) : init.zeros();
  const shape = [options.kvHeads * config.headDim, ...x.shape.slice(1)];
  return draw(shape, { backend: x.backend, seed, dtype: x.dtype });
}
