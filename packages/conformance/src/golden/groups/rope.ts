/**
 * Group `rope`, and its ops in group `autograd`: rotary embedding in both pairings and both directions, at any positions, with
 * frequencies scaled as Hugging Face scales them.
 */
import { applyRope, type RopeFrequencies, ropeFrequencies, ropeTables, tensor } from "../../../../core/mod.ts";
import { ropeScalingFromJson } from "../../../../models/mod.ts";
import type { Call, OpTable } from "../call.ts";

function frequenciesOf({ attrs }: Call): RopeFrequencies {
  const scaling = ropeScalingFromJson(attrs.raw("scaling"));
  return ropeFrequencies(attrs.number("rotary_dim"), attrs.number("theta"), scaling);
}

/** Mappings of group `rope`. */
export const ROPE_OPS: OpTable = {
  rope: (c) => {
    const [x, rope, backend] = [c.tensor("x"), frequenciesOf(c), c.backend];
    const given = c.maybe("position_ids");
    const positions = given ?? { start: c.attrs.number("position_start"), length: x.shape[2]! };
    const { cos, sin } = ropeTables(rope, positions, { backend });
    const style = c.attrs.text("style");
    const output = applyRope(x, cos, sin, { interleaved: style === "interleaved", inverse: style === "half_negative" });
    if (given === undefined) return { output }; // group autograd asks for no more
    return { output, cos, sin, inv_freq: tensor(rope.frequencies, { backend }) };
  },
  rope_inv_freq: (c) => ({ inv_freq: tensor(frequenciesOf(c).frequencies, { backend: c.backend }) }),
};
