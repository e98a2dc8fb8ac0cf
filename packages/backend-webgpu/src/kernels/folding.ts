/**
 * How the invocations of a workgroup fold what each of them has to one, `fn fold_workgroup(lane: u32, mine: Folded) -> Folded`
 * over LANES of them:
 *
 *     tree        log2(LANES) + 1 barriers; everywhere
 *     subgroups   1 barrier, where the device has subgroups; they may be of any size, lie anyhow, and be partly filled
 *
 * By subgroups the order of a sum, and so its last bits, depend on the device.
 */
import type { Gpu } from "../gpu.ts";
import SUBGROUPS from "../wgsl/fold_workgroup_subgroups.wgsl" with { type: "text" };
import TREE from "../wgsl/fold_workgroup_tree.wgsl" with { type: "text" };
import SUM_SUBGROUP from "../wgsl/sum_subgroup.wgsl" with { type: "text" };

/** One of the ways; a part of the key of each shader that folds. */
export type Folding = "tree" | "subgroups";

/** The way that a device allows. */
export function foldingOn({ acquired }: Gpu): Folding {
  return acquired.features.has("subgroups") ? "subgroups" : "tree";
}

/** The files; `subgroup` is the one that defines `fn fold_subgroup(x: Folded) -> Folded`, for all of a subgroup. */
export function foldingFiles(folding: Folding, subgroup: string = SUM_SUBGROUP): readonly string[] {
  return folding === "tree" ? [TREE] : [subgroup, SUBGROUPS];
}

/** What the shader enables for them. */
export function foldingFeatures(folding: Folding): readonly string[] {
  return folding === "tree" ? [] : ["subgroups"];
}
