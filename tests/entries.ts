/**
 * One program for each public entry, for those who import Heed from outside: by URL in Deno, as a package in Node. Each uses
 * what its entry is for and prints what came of it, in JavaScript that Node 22 runs as well.
 */

/** A program that imports an entry. */
export interface Example {
  /** The export in deno.json: `.`, `./core`. */
  readonly entry: string;
  /** Its text. @param at what an entry is imported as: `./core` -> `https://…/packages/core/mod.ts` */
  readonly program: (at: (entry: string) => string) => string;
  /** What it prints. */
  readonly prints: string;
}

const TINY_LLAMA = `{
  vocabSize: 11, hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 1, maxPositionEmbeddings: 16,
  numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4, rmsNormEps: 1e-5, ropeTheta: 10000,
  ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true,
}`;

const MATMUL = `
const a = tensor([[1, 2], [3, 4]], { backend });
console.log(JSON.stringify(await a.matmul(a).toArray()));
`;

/** Every public entry but the suite and WebGPU, which Node has not. */
export const EXAMPLES: readonly Example[] = [
  {
    entry: ".",
    program: (at) => `
import { createBackend, tensor } from "${at(".")}";
const backend = await createBackend();
console.log(backend.name);
${MATMUL}`,
    prints: "wasm\n[[7,10],[15,22]]\n",
  },
  {
    entry: "./core",
    program: (at) => `
import { scaledDotProductAttention, tensor, zeros } from "${at("./core")}";
import { createScalarBackend } from "${at("./backend-scalar")}";
const backend = createScalarBackend();
// Four query heads on two key/value heads; equal scores, so each query averages the values up to its own.
const [query, key] = [4, 2].map((heads) => zeros([1, heads, 3, 8], { backend }));
const value = tensor([[[[1], [2], [6]], [[10], [20], [60]]]], { backend });
const out = await scaledDotProductAttention(query, key, value, { causal: "lower-right" }).data();
console.log(Array.from(out, (x) => x.toFixed(3)).join(" "));
`,
    prints: "1.000 1.500 3.000 1.000 1.500 3.000 10.000 15.000 30.000 10.000 15.000 30.000\n",
  },
  {
    entry: "./backend-scalar",
    program: (at) => `
import { tensor } from "${at("./core")}";
import { createScalarBackend } from "${at("./backend-scalar")}";
const backend = createScalarBackend();
${MATMUL}`,
    prints: "[[7,10],[15,22]]\n",
  },
  {
    entry: "./backend-wasm",
    program: (at) => `
import { tensor } from "${at("./core")}";
import { createWasmBackend } from "${at("./backend-wasm")}";
const backend = await createWasmBackend({ threads: 2 });
console.log(backend.describe().details.threads);
${MATMUL}`,
    prints: "2\n[[7,10],[15,22]]\n",
  },
  {
    entry: "./nn",
    program: (at) => `
import { tensor } from "${at("./core")}";
import { createScalarBackend } from "${at("./backend-scalar")}";
import { initialized, LlamaForCausalLM, SGD } from "${at("./nn")}";
const backend = createScalarBackend();
const model = new LlamaForCausalLM(${TINY_LLAMA}, initialized({ backend, seed: 1 })).requiresGrad_();
const ids = tensor(Int32Array.of(3, 1, 4, 1), { shape: [1, 4], backend });
const before = await model.loss(ids, ids).item();
const optimizer = new SGD(model.parameters(), { learningRate: 0.1 });
model.loss(ids, ids).backward();
optimizer.step();
console.log(await model.loss(ids, ids).item() < before);
`,
    prints: "true\n",
  },
  {
    entry: "./formats",
    program: (at) => `
import { createScalarBackend } from "${at("./backend-scalar")}";
import { bytesSource, loadTensor, openSafetensors, writeSafetensors } from "${at("./formats")}";
const x = { dtype: "f32", shape: [3], bytes: new Uint8Array(Float32Array.of(1, 2, 3).buffer) };
const bytes = new Uint8Array(await new Response(writeSafetensors(new Map([["x", x]]))).arrayBuffer());
const file = await openSafetensors(bytesSource(bytes, "x.safetensors"));
const tensor = await loadTensor(file, "x", { backend: createScalarBackend() });
console.log(JSON.stringify(await tensor.toArray()));
`,
    prints: "[1,2,3]\n",
  },
  {
    entry: "./models",
    program: (at) => `
import { tensor } from "${at("./core")}";
import { createScalarBackend } from "${at("./backend-scalar")}";
import { bytesSource, openSafetensors } from "${at("./formats")}";
import { llamaConfigToJson, loadModel, tensorData, weightFiles } from "${at("./models")}";
import { initialized, LlamaForCausalLM } from "${at("./nn")}";
const backend = createScalarBackend();
const made = new LlamaForCausalLM(${TINY_LLAMA}, initialized({ backend, seed: 1 }));
const tensors = Array.from(made.stateDict(), ([name, weight]) => [name, tensorData(weight)]);
const [written] = weightFiles(new Map(tensors));
const bytes = new Uint8Array(await new Response(written.stream()).arrayBuffer());
const file = await openSafetensors(bytesSource(bytes, written.name));
const loaded = await loadModel({ file, config: llamaConfigToJson(made.config) }, { backend });
const ids = tensor(Int32Array.of(3, 1, 4), { shape: [1, 3], backend });
const [want, got] = await Promise.all([made, loaded].map((model) => model.forward(ids).data()));
console.log(got.length, got.every((logit, i) => logit === want[i]));
`,
    prints: "33 true\n",
  },
  {
    entry: "./text",
    program: (at) => `
import { tokenizerFromJson } from "${at("./text")}";
const tokenizer = tokenizerFromJson({
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
  model: { type: "BPE", vocab: { a: 0, b: 1, "Ġ": 2, "Ġa": 3, ab: 4 }, merges: ["Ġ a", "a b"] },
  added_tokens: [{ id: 5, content: "<end>", special: true }],
});
const ids = tokenizer.encode("ab a<end>");
console.log(JSON.stringify(ids), tokenizer.decode(ids));
`,
    prints: "[4,3,5] ab a<end>\n",
  },
];

/** WebGPU, where there is an adapter, of software too. */
export const WEBGPU_EXAMPLE: Example = {
  entry: "./backend-webgpu",
  program: (at) => `
import { tensor } from "${at("./core")}";
import { createWebGpuBackend } from "${at("./backend-webgpu")}";
const backend = await createWebGpuBackend({ softwareAdapter: true });
${MATMUL}
backend.dispose();
`,
  prints: "[[7,10],[15,22]]\n",
};
