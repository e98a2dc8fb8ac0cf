/**
 * What each op says when it is misused, word for word. Every refusal comes before anything is allocated, which the last
 * test asserts for all of them at once.
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  addmm,
  applyRope,
  arange,
  type Backend,
  BackendError,
  bmm,
  cat,
  crossEntropy,
  dropout,
  DTypeError,
  einsum,
  embedding,
  fromBytes,
  full,
  gather,
  glu,
  groupNorm,
  GrowableKvCache,
  layerNorm,
  linear,
  maskedSelect,
  mm,
  mseLoss,
  normalize,
  oneHot,
  pad,
  quantizeBlocks,
  rand,
  randint,
  randn,
  rmsNorm,
  roll,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  where,
  zeros,
} from "../mod.ts";

const backend = createScalarBackend();

function t(...shape: number[]): Tensor {
  return zeros(shape, { backend });
}

function i(...shape: number[]): Tensor {
  return zeros(shape, { backend, dtype: "i32" });
}

function b(...shape: number[]): Tensor {
  return zeros(shape, { backend, dtype: "bool" });
}

/** q8_0 blocks of zeros. */
function q(...shape: number[]): Tensor {
  const numel = shape.reduce((n, size) => n * size, 1);
  return fromBytes(quantizeBlocks("q8_0", new Float32Array(numel)), shape, "q8_0", { backend });
}

type Refusal = readonly [
  call: () => unknown,
  type: typeof ShapeError | typeof DTypeError | typeof BackendError,
  message: string,
];

const REFUSALS: readonly Refusal[] = [
  [() => t(2, 3).matmul(t(4, 5)), ShapeError, "Cannot matmul [2, 3] with [4, 5]: inner dimensions 3 and 4 differ"],
  [() => t().matmul(t(2)), ShapeError, "Cannot matmul [] with [2]: a scalar has no dims; use mul"],
  [
    () => t(2, 3, 4).matmul(t(5, 4, 6)),
    ShapeError,
    "Cannot matmul [2, 3, 4] with [5, 4, 6] over batch dims [2] with [5]: sizes 2 and 5 differ at dim -1 and neither is 1",
  ],
  [
    () => t(2, 3).matmul(i(3, 2)),
    DTypeError,
    "Cannot matmul f32 [2, 3] with i32 [3, 2]: dtypes differ; convert one with to()",
  ],
  [
    () => q(2, 32).matmul(t(32, 2)),
    DTypeError,
    "Cannot matmul q8_0 [2, 32] with f32 [32, 2]: only the right operand may be quantised",
  ],
  [() => mm(t(2), t(2, 2)), ShapeError, "Cannot mm [2] with [2, 2]: it takes 2 and 2 dims; use matmul"],
  [
    () => bmm(t(2, 3, 4), t(3, 4, 5)),
    ShapeError,
    "Cannot bmm [2, 3, 4] with [3, 4, 5]: batch sizes differ; matmul broadcasts",
  ],
  [() => linear(t(2, 3), t(5, 4)), ShapeError, "Cannot linear [2, 3] with a weight [5, 4]: last sizes must agree"],
  [
    () => t(2, 3).add(t(2, 4)),
    ShapeError,
    "Cannot add [2, 3] with [2, 4]: sizes 3 and 4 differ at dim -1 and neither is 1",
  ],
  [
    () => q(2, 32).add(t(2, 32)),
    DTypeError,
    'Cannot add q8_0 [2, 32] with f32 [2, 32]: block dtypes take no arithmetic; convert with to("f32") first',
  ],
  [() => b(2).sub(b(2)), DTypeError, "Cannot sub bool [2] with bool [2]: use logicalXor"],
  [() => b(2).neg(), DTypeError, 'Cannot neg bool [2]: it means nothing for truth values; use logicalNot or to("i32")'],
  [() => q(32).exp(), DTypeError, 'Cannot exp q8_0 [32]: convert with to("f32") first'],
  [() => t(2, 3).view([4, 2]), ShapeError, "Cannot view [2, 3] as [4, 2]: it has 6 elements"],
  [
    () => t(2, 3).view([-1, -1]),
    ShapeError,
    "Cannot view [2, 3] as [-1, -1]: sizes are whole numbers >= 0, and one may be -1",
  ],
  [
    () => t(2, 3).t().view([6]),
    ShapeError,
    "Cannot view [3, 2] with strides [1, 3] as [6]: its elements do not lie so; use reshape, which copies",
  ],
  [() => t(0, 3).view([0, -1]), ShapeError, "Cannot view [0, 3] as [0, -1]: beside a size of 0, -1 could be anything"],
  [() => t(2, 3).reshape([7]), ShapeError, "Cannot reshape [2, 3] as [7]: it has 6 elements"],
  [() => t(2, 3).flatten(1, 0), ShapeError, "Cannot flatten [2, 3] from dim 1 to 0: the first comes after the last"],
  [
    () => t(2, 6).unflatten(1, [4, 2]),
    ShapeError,
    "Cannot unflatten [2, 6] at dim 1 into [4, 2]: they do not multiply up to 6",
  ],
  [() => t(2, 3).expand([4, 3]), ShapeError, "Cannot expand [2, 3] to [4, 3]: size 2 at dim 0 is not 1"],
  [() => t(2, 3).expand([3]), ShapeError, "Cannot expand [2, 3] to [3]: no dim may go"],
  [() => t(3).expand([-1, 3]), ShapeError, "Cannot expand [3] to [-1, 3]: a new dim needs a size >= 0"],
  [() => t(2, 3).permute([0, 0]), ShapeError, "Cannot permute [2, 3] by [0, 0]: each of its 2 dims must be there once"],
  [() => t(2, 3, 4).t(), ShapeError, "Cannot t [2, 3, 4]: it takes at most 2 dims; use transpose(dim0, dim1)"],
  [() => t(2, 3).transpose(0, 2), ShapeError, "Cannot transpose [2, 3] along dim 2: dims go from -2 to 1"],
  [() => t(2, 3).unsqueeze(4), ShapeError, "Cannot unsqueeze [2, 3] along dim 4: dims go from -3 to 2"],
  [() => t(2, 3).narrow(1, 2, 2), ShapeError, "Cannot narrow [2, 3] at dim 1 to 2 elements from 2: the dim has 3"],
  [() => t(2, 3).select(0, 2), ShapeError, "Cannot select index 2 of dim 0 of [2, 3]: the dim has 2"],
  [
    () => t(2, 3).slice(0, 0, 2, 0),
    ShapeError,
    "Cannot slice [2, 3] at dim 0 by step 0: it takes a dim and a step >= 1",
  ],
  [
    () => q(2, 64).narrow(1, 0, 16),
    DTypeError,
    'Cannot narrow q8_0 [2, 64] to [2, 16]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(2, 64).transpose(0, 1).narrow(0, 0, 48),
    DTypeError,
    'Cannot narrow q8_0 [64, 2] to [48, 2]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(2, 64).select(1, 32),
    DTypeError,
    'Cannot select q8_0 [2, 64] to [2]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(2, 64).slice(1, 0, 64, 2),
    DTypeError,
    'Cannot slice q8_0 [2, 64] to [2, 32]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(64, 64).diagonal(),
    DTypeError,
    'Cannot diagonal q8_0 [64, 64] to [64]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(2, 64).unfold(1, 32, 16),
    DTypeError,
    'Cannot unfold q8_0 [2, 64] to [2, 3, 32]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(2, 64).asStrided([3, 32], [16, 1]),
    DTypeError,
    'Cannot asStrided q8_0 [2, 64] to [3, 32]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [
    () => q(2, 64).view([8, 16]),
    DTypeError,
    'Cannot view q8_0 [2, 64] to [8, 16]: that would cut its blocks of 32; convert with to("f32") first',
  ],
  [() => t(2, 3).split(0), ShapeError, "Cannot split [2, 3] at dim 0 by 0: a size is a whole number >= 1"],
  [() => t(2, 3).split([1, 1], 1), ShapeError, "Cannot split [2, 3] at dim 1 by [1,1]: the sizes do not add up to 3"],
  [() => t(2, 3).chunk(0), ShapeError, "Cannot chunk [2, 3] into 0: the number of pieces is a whole number >= 1"],
  [
    () => t(2, 3).diagonal(0, 1, 1),
    ShapeError,
    "Cannot take the diagonal of [2, 3] over dims 1 and 1: they are the same",
  ],
  [() => t(2, 3).unfold(1, 4, 1), ShapeError, "Cannot unfold [2, 3] at dim 1 into windows of 4 every 1: the dim has 3"],
  [
    () => t(2, 3).asStrided([4, 4], [4, 1]),
    ShapeError,
    "Cannot asStrided [2, 3] as [4, 4] with strides [4, 1] from 0: one stride a dim, none negative, within the storage's 6 elements",
  ],
  [() => cat([]), ShapeError, "Cannot cat []: there must be at least one tensor"],
  [
    () => cat([t(2, 3), t(2, 4)], 0),
    ShapeError,
    "Cannot cat [2, 3] with [2, 4] along dim 0: sizes differ at another dim",
  ],
  [() => cat([t(), t()]), ShapeError, "Cannot cat [] with []: scalars have no dim; use stack"],
  [() => stack([t(2), t(3)]), ShapeError, "Cannot stack [2] with [3]: shapes differ"],
  [() => t(2, 3).repeat([2]), ShapeError, "Cannot repeat [2, 3] by [2]: give a count >= 0 for each dim"],
  [() => t(2).repeatInterleave(-1), ShapeError, "Cannot repeatInterleave [2] by -1: the count is a whole number >= 0"],
  [
    () => roll(t(2, 3), [1], [0, 1]),
    ShapeError,
    "Cannot roll [2, 3] by [1] along dims [0,1]: give a shift for each dim",
  ],
  [
    () => pad(t(2), [0, 0, 1, 1]),
    ShapeError,
    "Cannot pad [2] by [0, 0, 1, 1]: give pairs for at most its dims, no size below 0",
  ],
  [
    () => t(2, 3).gather(1, i(3, 1)),
    ShapeError,
    "Cannot gather [2, 3] at dim 1 by an index [3, 1]: ranks must agree, and only dim 1 of the index may be larger",
  ],
  [
    () => t(2, 3).gather(1, t(2, 1)),
    DTypeError,
    'Cannot gather with an index f32 [2, 1]: indices are i32; use to("i32")',
  ],
  [
    () => t(2, 3).indexSelect(0, i(2, 2)),
    ShapeError,
    "Cannot indexSelect [2, 3] by an index [2, 2]: the index must be a list",
  ],
  [
    () => gather(t(2, 3), 1, full([2, 1], 3, { backend, dtype: "i32" })),
    ShapeError,
    "Cannot gather [2, 3] along dim 1 with index [2, 1]: the index 3 at [0, 0] is out of range for size 3",
  ],
  [
    () => embedding(t(2, 3), full([2], -1, { backend, dtype: "i32" })),
    ShapeError,
    "Cannot embedding [2, 3] along dim 0 with index [2, 3]: the index -1 at [0, 0] is out of range for size 2",
  ],
  [() => embedding(t(4), i(2)), ShapeError, "Cannot embedding [4]: the table must be [V, E]"],
  [
    () => embedding(t(4, 2), t(2)),
    DTypeError,
    'Cannot embedding with an index f32 [2]: indices are i32; use to("i32")',
  ],
  [() => where(t(2), 1, t(2)), DTypeError, "Cannot where f32 [2]: the condition must be bool; use ne(0)"],
  [
    () => where(b(2), t(3), t(2)),
    ShapeError,
    "Cannot where [2] with [3] with [2]: sizes 2 and 3 differ at dim -1 and neither is 1",
  ],
  [() => t(2).maskedFill(t(2), 0), DTypeError, "Cannot maskedFill with f32 [2]: the mask must be bool; use ne(0)"],
  [
    () => t(2).scatterAdd(0, i(3), t(2)),
    ShapeError,
    "Cannot scatterAdd f32 [2] into f32 [2] at dim 0 by an index [3]: dtypes and ranks must agree, and the index lies within both",
  ],
  [() => t(2, 3).sum({ dim: 2 }), ShapeError, "Cannot sum [2, 3] along dim 2: dims go from -2 to 1"],
  [() => t(2, 3).sum({ dim: [0, -2] }), ShapeError, "Cannot sum [2, 3] along dims [0, -2]: dim 0 is there twice"],
  [() => q(32).sum(), DTypeError, 'Cannot sum q8_0 [32]: convert with to("f32") first'],
  [() => t(2, 3).topk(4), ShapeError, "Cannot topk [2, 3] at dim 1 with k = 4: the dim has 3"],
  [() => q(32).sort(), DTypeError, 'Cannot sort q8_0 [32]: convert with to("f32") first'],
  [() => q(32).cumsum(0), DTypeError, 'Cannot cumsum q8_0 [32]: convert with to("f32") first'],
  [() => t(2, 3).softmax(2), ShapeError, "Cannot softmax [2, 3] along dim 2: dims go from -2 to 1"],
  [() => t(2, 3).logSoftmax(-3), ShapeError, "Cannot logSoftmax [2, 3] along dim -3: dims go from -2 to 1"],
  [() => layerNorm(t(2, 3), [2]), ShapeError, "Cannot layerNorm [2, 3] over [2]: those are not its last sizes"],
  [
    () => layerNorm(t(2, 3), [3], { weight: t(2) }),
    ShapeError,
    "Cannot layerNorm [2, 3] over [3] with a parameter [2]: it must have that shape",
  ],
  [() => layerNorm(i(2, 3), [3]), DTypeError, 'Cannot layerNorm i32 [2, 3]: it takes floats; use to("f32")'],
  [() => rmsNorm(i(2, 3)), DTypeError, 'Cannot rmsNorm i32 [2, 3]: it takes floats; use to("f32")'],
  [
    () => rmsNorm(t(2, 3), { weight: t(2) }),
    ShapeError,
    "Cannot rmsNorm [2, 3] over [3] with a parameter [2]: it must have that shape",
  ],
  [() => groupNorm(t(2, 6), 4), ShapeError, "Cannot groupNorm [2, 6] in 4 groups: dim 1 must divide into them"],
  [() => glu(t(2, 3), 1), ShapeError, "Cannot glu [2, 3] at dim 1: its size must be even"],
  [
    () => crossEntropy(t(2, 3), i(3)),
    ShapeError,
    "Cannot crossEntropy logits [2, 3] with target [3]: they must be [N, V] and [N]",
  ],
  [() => crossEntropy(t(2, 3), t(2)), DTypeError, "Cannot crossEntropy with a target of f32 [2]: classes are i32"],
  [
    () => crossEntropy(t(2, 3), full([2], 3, { backend, dtype: "i32" })),
    ShapeError,
    "Cannot crossEntropy [2, 3] along dim 1 with index [2, 1]: the index 3 at [0, 0] is out of range for size 3",
  ],
  [() => mseLoss(t(2), t(3)), ShapeError, "Cannot mseLoss [2] with [3]: shapes differ"],
  [
    () => einsum("ij,jk->ik", [t(2, 3)]),
    ShapeError,
    'Cannot einsum "ij,jk->ik" of [2, 3]: it names 2 operands, and 1 are given',
  ],
  [
    () => einsum("ij,jk->ik", [t(2, 3), t(4, 5)]),
    ShapeError,
    'Cannot einsum "ij,jk->ik" of [2, 3] with [4, 5]: "j" has sizes 3 and 4',
  ],
  [
    () => einsum("ij->ij->i", [t(2, 3)]),
    ShapeError,
    'Cannot einsum "ij->ij->i" of [2, 3]: there is more than one arrow',
  ],
  [() => einsum("i", [t(2, 3)]), ShapeError, 'Cannot einsum "i" of [2, 3]: "i" has 1 letters for 2 dims'],
  [
    () => einsum("ij->k", [t(2, 3)]),
    ShapeError,
    'Cannot einsum "ij->k" of [2, 3]: the output has "k" twice, or no operand has it',
  ],
  [
    () => einsum("i1", [t(2, 3)]),
    ShapeError,
    'Cannot einsum "i1" of [2, 3]: "i1" holds more than letters and one "..."',
  ],
  [
    () => einsum("ijk...", [t(2, 3)]),
    ShapeError,
    'Cannot einsum "ijk..." of [2, 3]: "ijk..." has more letters than the operand has dims, 2',
  ],
  [
    () => tensor([null as unknown as number], { backend }),
    DTypeError,
    "Cannot make a tensor of a null: it takes numbers, booleans and arrays of them",
  ],
  [
    () => crossEntropy(t(2, 3), i(2), { labelSmoothing: 5 }),
    ShapeError,
    "Cannot crossEntropy with labelSmoothing 5: it lies between 0 and 1",
  ],
  [
    () => applyRope(t(2, 3, 4), t(3, 2), t(3, 2)),
    ShapeError,
    "Cannot applyRope [2, 3, 4] with cos [3, 2] and sin [3, 2]: x is [B, H, T, D], and both tables are [T, R/2] or [B, T, R/2] with R <= D",
  ],
  [
    () => applyRope(t(1, 2, 3, 4), t(3, 4), t(3, 4)),
    ShapeError,
    "Cannot applyRope [1, 2, 3, 4] with cos [3, 4] and sin [3, 4]: x is [B, H, T, D], and both tables are [T, R/2] or [B, T, R/2] with R <= D",
  ],
  [
    () => applyRope(i(1, 2, 3, 4), t(3, 2), t(3, 2)),
    DTypeError,
    'Cannot applyRope i32 [1, 2, 3, 4]: it takes floats; use to("f32")',
  ],
  [() => new GrowableKvCache(0), ShapeError, "Cannot make a cache of 0 layers: there must be at least one"],
  [
    () => new GrowableKvCache(1).append(1, t(1, 1, 1, 2), t(1, 1, 1, 2)),
    ShapeError,
    "Cannot append to layer 1 of a cache: it has layers 0 to 0",
  ],
  [
    () => t(2).to("q8_0"),
    DTypeError,
    "Cannot cast f32 [2] to q8_0: its rows are no whole blocks of 32; pad its last dim",
  ],
  [() => q(32).clone(), DTypeError, 'Cannot copy q8_0 [32]: blocks stay as they lie; convert with to("f32")'],
  [
    () => t(3).expand([2, 3]).fill_(0),
    ShapeError,
    "Cannot fill [2, 3]: the target is expanded, so its elements share memory; clone it first",
  ],
  [() => q(32).fill_(0), DTypeError, "Cannot fill [32]: q8_0 blocks cannot be written to"],
  [
    () => t(2).requiresGrad_().fill_(0),
    DTypeError,
    "Cannot fill [2]: the target requires a gradient; write to target.detach()",
  ],
  [() => i(2).requiresGrad_(), DTypeError, "Cannot require a gradient of i32 [2]: only floats have one"],
  [() => oneHot(i(2), 0), ShapeError, "Cannot oneHot [2] into 0 classes: there must be at least one"],
  [
    () => randint(3, 3, [1], { backend, seed: 0 }),
    ShapeError,
    "Cannot randint from 3 to 3: whole numbers, at least 1 and at most 2^24 apart",
  ],
  [() => rand([2], { backend, seed: -1 }), ShapeError, "Cannot seed with -1: a seed is a whole number from 0 to 2^53"],
  [
    () => rand([2], { backend, seed: 0, dtype: "i32" }),
    DTypeError,
    "Cannot rand i32 [2]: draws are floats; use randint",
  ],
  [() => randn([2], { backend, seed: 0, dtype: "i32" }), DTypeError, "Cannot randn i32 [2]: draws are floats"],
  [() => zeros([-1], { backend }), ShapeError, "Cannot make zeros [-1]: sizes must be whole numbers >= 0, found -1"],
  [
    () => zeros([2 ** 30, 2 ** 30], { backend }),
    ShapeError,
    "Cannot make zeros [1073741824, 1073741824]: its number of elements is beyond 2^53",
  ],
  [() => arange(0, 3, -1, { backend }), ShapeError, "Cannot arange from 0 to 3 by -1: the step leads elsewhere"],
  [() => tensor([[1, 2], [3]], { backend }), ShapeError, "Cannot make a tensor: rows of shapes [2] and [1] differ"],
  [() => tensor([1, 2], { backend, shape: [3] }), ShapeError, "Cannot make a tensor [3] of 2 values: it holds 3"],
  [
    () => tensor([1, 2], { backend, dtype: "q8_0" }),
    DTypeError,
    'Cannot make a tensor of q8_0 from numbers: use fromBytes(quantizeBlocks("q8_0", values), …)',
  ],
  [
    () => fromBytes(new Uint8Array(3), [1], "f32", { backend }),
    ShapeError,
    "Cannot make f32 [1] of 3 bytes: it takes 4",
  ],
  [
    () => fromBytes(new Uint8Array(34), [2, 16], "q8_0", { backend }),
    DTypeError,
    "Cannot make a tensor q8_0 [2, 16]: its rows are no whole blocks of 32",
  ],
  [
    () => zeros([32], { backend, dtype: "q4_0" }),
    DTypeError,
    "Cannot fill q4_0 [32]: blocks come from files or quantizeBlocks",
  ],
  [() => dropout(t(2), 2, 0), ShapeError, "Cannot dropout [2] with p = 2: it is a probability"],
  [() => t(2, 3).size(2), ShapeError, "Cannot size [2, 3] along dim 2: dims go from -2 to 1"],
];

/** What somebody without types writes. */
function untyped(value: unknown): never {
  return value as never; // it fits everywhere
}

const STRANGE_OPTIONS: readonly Refusal[] = [
  [() => t(2, 3).sum(untyped({ axis: 1 })), ShapeError, 'Cannot sum with an option "axis": there is none; use dim'],
  [() => t(2, 3).sum(untyped(1)), ShapeError, "Cannot sum with options 1: they are an object of dim, keepdim, dtype"],
  [
    () => t(2, 3).mean(untyped({ dim: 1, keepdims: true })),
    ShapeError,
    'Cannot mean with an option "keepdims": there is none; use keepdim',
  ],
  [
    () => t(2, 3).argmax(untyped({ axis: 1 })),
    ShapeError,
    'Cannot argmax with an option "axis": there is none; use dim',
  ],
  [() => t(2, 3).argmin(untyped(1)), ShapeError, "Cannot argmin with options 1: they are an object of dim, keepdim"],
  [
    () => t(2, 3).std(untyped({ ddof: 0 })),
    ShapeError,
    'Cannot std with an option "ddof": there is none; use correction',
  ],
  [
    () => t(2, 3).variance(untyped({ foo: 0 })),
    ShapeError,
    'Cannot variance with an option "foo": there is none; use dim, keepdim, dtype, correction',
  ],
  [
    () => t(2, 3).logsumexp(untyped(-1)),
    ShapeError,
    "Cannot logsumexp with options -1: they are an object of dim, keepdim, dtype",
  ],
  [
    () => t(2, 3).vectorNorm(untyped({ ord: 1 })),
    ShapeError,
    'Cannot vectorNorm with an option "ord": there is none; use p',
  ],
  [() => t(2, 3).sort(untyped({ axis: 0 })), ShapeError, 'Cannot sort with an option "axis": there is none; use dim'],
  [
    () => t(2, 3).argsort(untyped(0)),
    ShapeError,
    "Cannot argsort with options 0: they are an object of dim, descending",
  ],
  [
    () => t(2, 3).topk(1, untyped({ axis: 0 })),
    ShapeError,
    'Cannot topk with an option "axis": there is none; use dim',
  ],
  [
    () => rmsNorm(t(2, 3), untyped(t(3))),
    ShapeError,
    "Cannot rmsNorm with options an object of Tensor: they are an object of normalizedShape, weight, eps",
  ],
  [
    () => rmsNorm(t(2, 3), untyped({ epsilon: 1 })),
    ShapeError,
    'Cannot rmsNorm with an option "epsilon": there is none; use eps',
  ],
  [
    () => layerNorm(t(2, 3), [3], untyped(t(3))),
    ShapeError,
    "Cannot layerNorm with options an object of Tensor: they are an object of weight, bias, eps",
  ],
  [
    () => groupNorm(t(2, 4), 2, untyped({ epsilon: 1 })),
    ShapeError,
    'Cannot groupNorm with an option "epsilon": there is none; use eps',
  ],
  [
    () => normalize(t(2, 3), untyped({ axis: 1 })),
    ShapeError,
    'Cannot normalize with an option "axis": there is none; use dim',
  ],
  [() => t(2).clamp(untyped(0)), ShapeError, "Cannot clamp with options 0: they are an object of min, max"],
  [
    () => addmm(t(2, 2), t(2, 2), t(2, 2), untyped({ gamma: 1 })),
    ShapeError,
    'Cannot addmm with an option "gamma": there is none; use beta, alpha',
  ],
  [
    () => crossEntropy(t(2, 3), i(2), untyped({ ignore_index: 0 })),
    ShapeError,
    'Cannot crossEntropy with an option "ignore_index": there is none; use ignoreIndex',
  ],
  [
    () => crossEntropy(t(2, 3), i(2), untyped({ reduction: "avg" })),
    ShapeError,
    'Cannot crossEntropy with reduction "avg": it is "mean", "sum" or "none"',
  ],
  [
    () => mseLoss(t(2), t(2), untyped({ reduction: null })),
    ShapeError,
    'Cannot mseLoss with reduction null: it is "mean", "sum" or "none"',
  ],
];

function disposed(...shape: number[]): Tensor {
  const x = t(...shape);
  x.dispose();
  return x;
}

/** Numbers one by one, as PyTorch takes them, and settings where one number goes. */
const STRANGE_LISTS: readonly Refusal[] = ([
  [(x, n) => x.view(n), "view [2, 3] as"],
  [(x, n) => x.reshape(n), "reshape [2, 3] as"],
  [(x, n) => x.expand(n), "expand [2, 3] to"],
  [(x, n) => x.permute(n), "permute [2, 3] by"],
  [(x, n) => x.repeat(n), "repeat [2, 3] by"],
  [(x, n) => x.unflatten(1, n), "unflatten [2, 3] into"],
  [(x, n) => x.asStrided(n, [1]), "asStrided [2, 3] as"],
  [(x, n) => x.asStrided([2], n), "asStrided [2, 3] with strides"],
  [(x, n) => pad(x, n), "pad [2, 3] by"],
  [(_, n) => zeros(n, untyped(3)), "make zeros"],
  [(_, n) => full(n, 3, { backend }), "fill"],
  [(_, n) => randn(n, { seed: 0, backend }), "randn"],
  [(_, n) => tensor([1, 2], { shape: n, backend }), "make a tensor"],
  [(_, n) => fromBytes(new Uint8Array(8), n, "f32", { backend }), "make a tensor"],
] as const satisfies readonly (readonly [(x: Tensor, n: never) => unknown, string])[]).map(([run, what]) => [
  () => run(t(2, 3), untyped(2)),
  ShapeError,
  `Cannot ${what} 2: it takes a list; put its numbers in brackets, as [2]`,
]);

const STRANGE_DIMS: readonly Refusal[] = [
  [
    () => t(2, 3).view(untyped(undefined)),
    ShapeError,
    "Cannot view [2, 3] as undefined: it takes a list; put its numbers in brackets, as [2, 3]",
  ],
  [
    () => t(2, 3).split(untyped("1")),
    ShapeError,
    'Cannot split [2, 3] by "1": it takes a list; put its numbers in brackets, as [2, 3]',
  ],
  [
    () => t(2, 3).softmax(untyped({ dim: -1 })),
    ShapeError,
    "Cannot softmax [2, 3] along dim an object of Object: a dim is a plain number from -2 to 1",
  ],
  [
    () => t(2, 3).logSoftmax(untyped(undefined)),
    ShapeError,
    "Cannot logSoftmax [2, 3] along dim undefined: a dim is a plain number from -2 to 1",
  ],
  [
    () => t(2, 3).sum({ dim: untyped("1") }),
    ShapeError,
    'Cannot sum [2, 3] along dim "1": a dim is a plain number from -2 to 1',
  ],
  [
    () => t(2, 3).flip(untyped({ dims: [0] })),
    ShapeError,
    "Cannot flip [2, 3] along dim an object of Object: a dim is a plain number from -2 to 1",
  ],
  [
    () => t(2, 3).squeeze(untyped(null)),
    ShapeError,
    "Cannot squeeze [2, 3] along dim null: a dim is a plain number from -2 to 1",
  ],
];

/** What is no tensor, or none any more. */
const STRANGE_OPERANDS: readonly Refusal[] = [
  [() => t(2).copy_(untyped(3)), DTypeError, "Cannot copy into [2] with 3: it is a Tensor; make one with tensor()"],
  [() => t(2, 2).matmul(untyped(3)), DTypeError, "Cannot matmul [2, 2] with 3: it is a Tensor; make one with tensor()"],
  [
    () => t(2).add(untyped(undefined)),
    DTypeError,
    "Cannot add [2] with undefined: it is a number or a Tensor; make one with tensor()",
  ],
  [
    () => t(2).add(untyped("3")),
    DTypeError,
    'Cannot add [2] with "3": it is a number or a Tensor; make one with tensor()',
  ],
  [
    () => t(2).eq(untyped([1, 2])),
    DTypeError,
    "Cannot eq [2] with [1, 2]: it is a number or a Tensor; make one with tensor()",
  ],
  [() => where(untyped(true), 1, t(2)), DTypeError, "Cannot where with true: it is a Tensor; make one with tensor()"],
  [
    () => where(b(2), t(2), untyped(null)),
    DTypeError,
    "Cannot where [2] with null: it is a number or a Tensor; make one with tensor()",
  ],
  [
    () => (einsum as (...all: unknown[]) => Tensor)("ij,jk->ik", t(2, 2), t(2, 2)), // as in PyTorch
    ShapeError,
    'Cannot einsum "ij,jk->ik" of an object of Tensor: operands are a list; write einsum("ij,jk->ik", [a, b])',
  ],
  [
    () => einsum("i,i", [t(2), untyped(3)]),
    DTypeError,
    'Cannot einsum "i,i" with 3: it is a Tensor; make one with tensor()',
  ],
  [
    () => cat(untyped(t(2))),
    ShapeError,
    "Cannot cat an object of Tensor: it takes a list of tensors; write cat([a, b])",
  ],
  [() => stack([t(2), untyped(3)]), DTypeError, "Cannot stack with 3: it is a Tensor; make one with tensor()"],
  [
    () => linear(t(2, 2), untyped(3)),
    DTypeError,
    "Cannot linear [2, 2] with 3: it is a weight, a Tensor; make one with tensor()",
  ],
  [
    () => linear(t(2, 2), t(2, 2), untyped(3)),
    DTypeError,
    "Cannot linear [2, 2] with 3: it is a bias, a Tensor; make one with tensor()",
  ],
  [
    () => gather(t(2), 0, untyped(1)),
    DTypeError,
    "Cannot gather by an index with 1: it is a Tensor; make one with tensor()",
  ],
  ...([
    ["add", (x) => x.add(1)],
    ["sum", (x) => x.sum()],
    ["mean", (x) => x.mean()],
    ["sort", (x) => x.sort()],
    ["cast", (x) => x.to("f32")],
    ["softmax", (x) => x.softmax(0)],
    ["logSoftmax", (x) => x.logSoftmax(0)],
    ["rmsNorm", (x) => rmsNorm(x)],
    ["layerNorm", (x) => layerNorm(x, [2])],
    ["gather", (x) => gather(x, 0, i(2))],
  ] as const satisfies readonly (readonly [string, (x: Tensor) => unknown])[]).map(([op, run]): Refusal => [
    () => run(disposed(2)),
    BackendError,
    `Cannot ${op} [2]: it was disposed of; keep it out of using and tidy`,
  ]),
  [
    () => linear(t(2, 2), disposed(2, 2)),
    BackendError,
    "Cannot linear [2, 2] with [2, 2]: operand 1 was disposed of",
  ],
];

for (
  const [call, type, message] of [
    ...REFUSALS,
    ...STRANGE_OPTIONS,
    ...STRANGE_LISTS,
    ...STRANGE_DIMS,
    ...STRANGE_OPERANDS,
  ]
) {
  Deno.test(message, () => {
    assertEquals(assertThrows(call, type).message, message);
  });
}

Deno.test("a refused op allocates nothing", () => {
  const own = createScalarBackend();
  const [a, wrong] = [zeros([2, 3], { backend: own }), zeros([4, 5], { backend: own })];
  const mask = zeros([2, 3], { backend: own, dtype: "bool" });
  const before = own.memory.liveStorages;
  const calls = [
    () => a.matmul(wrong),
    () => a.add(wrong),
    () => cat([a, wrong], 0),
    () => stack([a, wrong]),
    () => where(mask, a, wrong),
    () => linear(a, wrong),
    () => layerNorm(a, [3], { weight: wrong }),
    () => a.gather(0, wrong),
    () => a.copy_(wrong),
    () => einsum("ij,jk->ik", [a, wrong]),
    () => fromBytes(new Uint8Array(3), [1], "f32", { backend: own }),
  ];
  for (const call of calls) assertThrows(call);
  assertEquals(own.memory.liveStorages, before);
});

Deno.test("an index that only the kernel finds out of range leaves nothing behind", () => {
  const own = createScalarBackend();
  const ids = (...values: number[]) => tensor(Int32Array.from(values), { backend: own });
  const [x, list, one] = [zeros([3, 2], { backend: own }), zeros([3], { backend: own }), zeros([1], { backend: own })];
  const [bad, strange] = [ids(9), zeros([1], { backend })];
  const [wide, classes, good] = [bad.reshape([1, 1]), ids(0, 9, 1), ids(0)];
  const before = own.memory.liveStorages;
  const calls: readonly [op: string, call: () => unknown, type?: typeof ShapeError | typeof BackendError][] = [
    ["gather", () => x.gather(0, wide)],
    ["gather of a view", () => x.t().gather(1, wide)],
    ["scatter", () => list.scatter(0, bad, one)],
    ["scatterAdd", () => list.scatterAdd(0, bad, one)],
    ["embedding", () => embedding(x, bad)],
    ["indexSelect", () => x.indexSelect(1, bad)],
    ["crossEntropy", () => crossEntropy(x, classes)],
    ["scatterAdd of two backends", () => list.scatterAdd(0, good, strange), BackendError],
  ];
  for (const [op, call, type = ShapeError] of calls) {
    assertThrows(call, type);
    assertEquals(own.memory.liveStorages, before, op);
  }
});

Deno.test("what dispatch copied for a kernel goes when the next copy finds no room", () => {
  const own = createScalarBackend({ memoryBudgetBytes: 3 * 16 });
  const kernels = { ...own.kernels, matmul: { ...own.kernels.matmul, layout: "contiguous" as const } };
  const picky: Backend = new Proxy<Backend>(own, {
    get: (target, key) => {
      const value: unknown = key === "kernels" ? kernels : Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const turned = tensor([[1, 2], [3, 4]], { backend: picky }).t();
  const error = assertThrows(() => turned.matmul(turned), BackendError); // one output, two copies
  assertEquals(
    error.message.startsWith("Cannot allocate f32 [2, 2] on scalar: 16 bytes more than the 48 live ones"),
    true,
  );
  assertEquals(own.memory.liveStorages, 1);
});

Deno.test("item refuses more than one element", async () => {
  const error = await assertRejects(() => t(2).item(), ShapeError);
  assertEquals(error.message, "Cannot item [2]: it has 2 elements, not one; use data()");
});

Deno.test("maskedSelect refuses a mask that is not bool", async () => {
  const error = await assertRejects(() => maskedSelect(t(2), t(2)), DTypeError);
  assertEquals(error.message, "Cannot maskedSelect with f32 [2]: the mask must be bool");
});
