/**
 * onnxruntime-web on its WebAssembly provider, or on WebGPU with operands that lie there. Attention is offered as its fused `GroupQueryAttention` (keys and values of
 * before in a past that it copies to the present, as its language models do), as its `MultiHeadAttention` (with the keys and
 * values of a group repeated), as ONNX's own `Attention`, and as that with keys and values held by the model as constants,
 * which no model can do but which spares it copying them in.
 */
import { type Node, onnxModel, type Value } from "./onnx_model.ts";
import type { Peer, PeerOptions, Way } from "./peer.ts";
import {
  addsInputs,
  type AddsWork,
  attentionInputs,
  type AttentionWork,
  matmulInputs,
  type MatmulWork,
  softmaxInput,
  type SoftmaxWork,
  swapHeads,
  type Work,
} from "./work.ts";

interface OrtTensor {
  readonly data: Float32Array;
  dispose(): void;
}

interface Session {
  run(feeds: Record<string, OrtTensor>, fetches: string[]): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** What is used of `onnxruntime-web`. */
interface Ort {
  readonly env: {
    readonly versions: { readonly web: string };
    readonly wasm: { numThreads: number; wasmPaths: string };
    readonly webgpu: { readonly device: Promise<GPUDevice> | GPUDevice };
    logLevel: string;
  };
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: {
    new (type: string, data: Float32Array | Int32Array, shape: readonly number[]): OrtTensor;
    fromGpuBuffer(buffer: GPUBuffer, options: { dataType: string; dims: readonly number[] }): OrtTensor;
  };
}

type Provider = "wasm" | "webgpu";

type Data = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
type Feed = Omit<Value, "data"> & { readonly values: Data; readonly constant?: boolean };

const f32 = (name: string, shape: number[], values: Float32Array<ArrayBuffer>, constant = false): Feed => ({
  ...{ name, shape, type: "float32", values, constant },
});
const i32 = (name: string, shape: number[], value: number): Feed => ({
  ...{ name, shape, type: "int32", values: Int32Array.of(value) },
});

interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly feeds: readonly Feed[];
  readonly outputs: readonly Value[];
  /** To the order that reference.ts wants. */
  readonly order: (values: Float32Array) => Float32Array;
}

/** Numbers lie on the device, lengths with the caller: there the provider looks for them. */
async function operand(ort: Ort, provider: Provider, { type, shape, values }: Feed): Promise<OrtTensor> {
  if (provider === "wasm" || type === "int32" || values.length === 0) return new ort.Tensor(type, values, shape);
  const device = await ort.env.webgpu.device;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: Math.ceil(values.byteLength / 16) * 16, usage });
  device.queue.writeBuffer(buffer, 0, values);
  return ort.Tensor.fromGpuBuffer(buffer, { dataType: type, dims: shape });
}

async function way(ort: Ort, provider: Provider, { name, nodes, feeds, outputs, order }: Graph): Promise<Way> {
  const inputs = feeds.map((feed): Value =>
    feed.constant && feed.values instanceof Float32Array ? { ...feed, data: feed.values } : feed
  );
  const options = {
    ...{ executionProviders: [provider], graphOptimizationLevel: "all" },
    // What WebGPU does not have fails then, and is not done in WebAssembly instead.
    ...(provider === "webgpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
  };
  const session = await ort.InferenceSession.create(onnxModel(nodes, inputs, outputs), options);
  const given = feeds.filter(({ constant }) => !constant);
  const tensors: Record<string, OrtTensor> = {};
  for (const feed of given) tensors[feed.name] = await operand(ort, provider, feed);
  const wanted = outputs[0]!.name;
  return {
    name,
    run: async () => void await session.run(tensors, [wanted]),
    result: async () => order((await session.run(tensors, [wanted]))[wanted]!.data),
    free: () => session.release(),
  };
}

/** A way that is not there, for the report. */
function failed(name: string, error: Error): Way {
  const fail = (): Promise<never> => Promise.reject(error);
  return { name, run: fail, result: fail };
}

const same = (values: Float32Array): Float32Array => values;

function matmulGraph(work: MatmulWork): Graph {
  const { m, k, n, constant } = work;
  const { a, b } = matmulInputs(work);
  return {
    name: constant ? "MatMul, the weight an initializer" : "MatMul",
    nodes: [{ op: "MatMul", domain: "", inputs: ["a", "b"], outputs: ["c"], attributes: {} }],
    feeds: [f32("a", [m, k], a), f32("b", [k, n], b, constant)],
    outputs: [{ name: "c", shape: [m, n], type: "float32" }],
    order: same,
  };
}

function attentionGraph(work: AttentionWork, constant: boolean): Graph {
  const { heads, keyHeads, headDim, queries, keys } = work;
  const { query, key, value } = attentionInputs(work);
  const shape = [1, keyHeads, keys, headDim];
  return {
    name: constant ? "Attention, keys and values constant" : "Attention",
    nodes: [{
      ...{ op: "Attention", domain: "", inputs: ["q", "k", "v"], outputs: ["y"] },
      attributes: { is_causal: queries === keys ? 1 : 0 },
    }],
    feeds: [
      f32("q", [1, heads, queries, headDim], query),
      f32("k", shape, key, constant),
      f32("v", shape, value, constant),
    ],
    outputs: [{ name: "y", shape: [1, heads, queries, headDim], type: "float32" }],
    order: same,
  };
}

/** The keys of before [Hkv, S - T, D], and those of the new positions in [T, Hkv, D]. */
function pastAndNew({ keyHeads, headDim, queries, keys }: AttentionWork, x: Float32Array): Float32Array<ArrayBuffer>[] {
  const [before, row] = [keys - queries, keys * headDim];
  const past = new Float32Array(keyHeads * before * headDim);
  const fresh = new Float32Array(keyHeads * queries * headDim);
  for (let h = 0; h < keyHeads; h++) {
    past.set(x.subarray(h * row, h * row + before * headDim), h * before * headDim);
    fresh.set(x.subarray(h * row + before * headDim, (h + 1) * row), h * queries * headDim);
  }
  return [past, swapHeads(fresh, keyHeads, queries, headDim)];
}

function groupQueryGraph(work: AttentionWork): Graph {
  const { heads, keyHeads, headDim, queries, keys } = work;
  const inputs = attentionInputs(work);
  const [pastKey, key] = pastAndNew(work, inputs.key) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>]; // two
  const [pastValue, value] = pastAndNew(work, inputs.value) as typeof pastKey[]; // two
  const past = [1, keyHeads, keys - queries, headDim];
  const names = ["q", "k", "v", "past_k", "past_v", "seqlens_k", "total"];
  return {
    name: "GroupQueryAttention",
    nodes: [{
      ...{
        op: "GroupQueryAttention",
        domain: "com.microsoft",
        inputs: names,
        outputs: ["y", "present_k", "present_v"],
      },
      attributes: { num_heads: heads, kv_num_heads: keyHeads },
    }],
    feeds: [
      f32("q", [1, queries, heads * headDim], swapHeads(inputs.query, heads, queries, headDim)),
      f32("k", [1, queries, keyHeads * headDim], key),
      f32("v", [1, queries, keyHeads * headDim], value!),
      ...[f32("past_k", past, pastKey), f32("past_v", past, pastValue!)],
      ...[i32("seqlens_k", [1], keys - 1), i32("total", [1], keys)],
    ],
    outputs: [{ name: "y", shape: [1, queries, heads * headDim], type: "float32" }],
    order: (x) => swapHeads(x, queries, heads, headDim),
  };
}

/** [Hkv, S, D] as [S, H, D]: each key/value head as often as it has query heads. */
function repeated({ heads, keyHeads, headDim, keys }: AttentionWork, x: Float32Array): Float32Array<ArrayBuffer> {
  const all = new Float32Array(heads * keys * headDim);
  const head = keys * headDim;
  for (let h = 0; h < heads; h++) {
    const from = Math.floor(h * keyHeads / heads) * head;
    all.set(x.subarray(from, from + head), h * head);
  }
  return swapHeads(all, heads, keys, headDim);
}

function multiHeadGraph(work: AttentionWork): Graph {
  const { heads, headDim, queries, keys } = work;
  const { query, key, value } = attentionInputs(work);
  const [q, kv] = [[1, queries, heads * headDim], [1, keys, heads * headDim]];
  return {
    name: "MultiHeadAttention, heads repeated",
    nodes: [{
      ...{ op: "MultiHeadAttention", domain: "com.microsoft", inputs: ["q", "k", "v"], outputs: ["y"] },
      attributes: { num_heads: heads, unidirectional: queries === keys ? 1 : 0 },
    }],
    feeds: [
      f32("q", q, swapHeads(query, heads, queries, headDim)),
      ...[f32("k", kv, repeated(work, key)), f32("v", kv, repeated(work, value))],
    ],
    outputs: [{ name: "y", shape: q, type: "float32" }],
    order: (x) => swapHeads(x, queries, heads, headDim),
  };
}

function softmaxGraph(work: SoftmaxWork): Graph {
  const shape = [work.rows, work.width];
  return {
    name: "Softmax",
    nodes: [{ op: "Softmax", domain: "", inputs: ["x"], outputs: ["y"], attributes: { axis: 1 } }],
    feeds: [f32("x", shape, softmaxInput(work))],
    outputs: [{ name: "y", shape, type: "float32" }],
    order: same,
  };
}

function addsGraph(work: AddsWork): Graph {
  const { x, y } = addsInputs(work);
  const nodes = Array.from({ length: work.count }, (_, i): Node => ({
    ...{ op: "Add", domain: "", inputs: [`x${i}`, "y"], outputs: [`x${i + 1}`], attributes: {} },
  }));
  const shape = [work.numel];
  return {
    ...{ name: "Add", nodes, feeds: [f32("x0", shape, x), f32("y", shape, y)], order: same },
    outputs: [{ name: `x${work.count}`, shape, type: "float32" }],
  };
}

function graphsOf(work: Work): Graph[] {
  if (work.kind === "matmul") return [matmulGraph(work)];
  if (work.kind === "softmax") return [softmaxGraph(work)];
  if (work.kind === "adds") return [addsGraph(work)];
  if (work.kind !== "attention") return [];
  return [groupQueryGraph(work), multiHeadGraph(work), attentionGraph(work, false), attentionGraph(work, true)];
}

/** Starts onnxruntime-web. */
export async function start({ base, threads, backend }: PeerOptions): Promise<Peer> {
  const dist = `${base}node_modules/onnxruntime-web/dist/`;
  const provider = backend === "webgpu" ? "webgpu" : "wasm";
  const ort: Ort = await import(`${dist}ort.${provider}.bundle.min.mjs`);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = dist;
  ort.env.logLevel = "error";
  return {
    summary: `onnxruntime-web ${ort.env.versions.web}, ${provider}, ${threads} thread(s)`,
    async ways(work: Work): Promise<Way[]> {
      const ways: Way[] = [];
      for (const graph of graphsOf(work)) {
        ways.push(await way(ort, provider, graph).catch((error) => failed(graph.name, error)));
      }
      return ways;
    },
  };
}
