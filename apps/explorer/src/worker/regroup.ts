/**
 * The same model with fewer key/value heads: those of each block of heads averaged (Ainslie et al., 2023). Only the key and
 * value projections are copied, dequantised; all other weights are the original's own.
 */
import {
  convertHeads,
  dtypeInfo,
  fromStateDict,
  LlamaForCausalLM,
  noGrad,
  type Tensor,
} from "../../../../packages/heed/mod.ts";

/**
 * Regroups a model's heads by their mean.
 *
 * @param kvHeads divides the present number
 * @returns a model that shares weights with the given one: dispose of both
 * @throws {ShapeError} when it does not divide it
 */
export function regroup(model: LlamaForCausalLM, kvHeads: number): LlamaForCausalLM {
  return noGrad(() => {
    const own = model.stateDict();
    const floats = new Map<string, Tensor>();
    try {
      for (const [name, x] of own) {
        const isProjection = /\.[kv]_proj\.weight$/.test(name);
        if (isProjection && dtypeInfo(x.dtype).blockSize > 1) floats.set(name, x.to("f32"));
      }
      const { state, config } = convertHeads(new Map([...own, ...floats]), model.config, { kvHeads, method: "mean" });
      return new LlamaForCausalLM(config, fromStateDict(state), { dtype: model.dtype });
    } finally {
      for (const x of floats.values()) x.dispose();
    }
  });
}
