/**
 * Group `autograd`: the ops of the other groups, whose gradients the runner takes by itself; here only those that the group
 * writes in its own way.
 */
import { cat, einsum, maskedFill, softmax } from "../../../../core/mod.ts";
import type { OpTable } from "../call.ts";
import { causalLMOf } from "./llama.ts";

/** Mappings that group `autograd` has of its own. */
export const AUTOGRAD_OPS: OpTable = {
  views: (c) => ({ output: c.tensor("x") }), // attrs.views is the op
  einsum: (c) => ({ output: einsum(c.attrs.text("equation") ?? "", [c.tensor("a"), c.tensor("b")]) }),
  cat: (c) => ({ output: cat([c.tensor("a"), c.tensor("b")], c.attrs.number("dim")) }),
  causal_lm_loss: (c) => {
    const model = causalLMOf(c);
    const ids = c.tensor("input_ids");
    return { loss: model.loss(ids, c.tensor("labels")), logits: model.forward(ids) };
  },
  masked_fill: (c) => {
    const filled = maskedFill(c.tensor("x"), c.tensor("mask"), c.attrs.number("value"));
    return { output: c.attrs.has("then") ? softmax(filled, -1) : filled }; // "softmax over the last dimension"
  },
};
