/** Scaled dot-product attention against PyTorch, and a plain f64 reference for what PyTorch does not offer. */
import { attention, type AttentionOptions, scaledDotProductAttention } from "../../../../core/mod.ts";
import type { Call, GoldenOp, OpTable } from "../call.ts";

/** The vector's settings as options. */
function optionsOf(c: Call): AttentionOptions {
  const side = (name: string) => {
    const count = c.attrs.maybeNumber(name);
    return count === -1 ? undefined : count;
  };
  const lowerRight = c.attrs.text("causal_alignment") === "bottom-right";
  return {
    mask: c.maybe("attn_mask"),
    causal: c.attrs.flag("is_causal") ? (lowerRight ? "lower-right" : "upper-left") : undefined,
    window: { left: side("window_left"), right: side("window_right") },
    scale: c.attrs.maybeNumber("scale"),
    softcap: c.attrs.maybeNumber("softcap"),
    alibiSlopes: c.maybe("alibi_slopes"),
    sinks: c.maybe("sinks"),
    keyLengths: c.maybe("key_lengths"),
  };
}

/** The call that gives the output alone, which may be fused. */
const outputOnly: GoldenOp = (c) => ({
  output: scaledDotProductAttention(c.tensor("query"), c.tensor("key"), c.tensor("value"), optionsOf(c)),
});

/** The call that gives weights too, where the case has them. */
const withWeights: GoldenOp = (c) => {
  const operands = [c.tensor("query"), c.tensor("key"), c.tensor("value")] as const;
  if (!c.attrs.flag("need_weights")) return outputOnly(c);
  const options = optionsOf(c);
  const { output, weights } = attention(...operands, { ...options, returns: { weights: true } });
  const mean = attention(...operands, { ...options, returns: { weights: "mean" } });
  return { output, weights, weights_mean_heads: mean.weights };
};

/** Mappings of the group sdpa. */
export const SDPA_OPS: OpTable = { sdpa: withWeights };
