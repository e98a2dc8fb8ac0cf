/** Who is measured, and what of npm that takes. */

/** One column of the report. */
export interface Participant {
  readonly name: string;
  /** The file of this folder that runs it. */
  readonly adapter: "heed" | "onnxruntime" | "tfjs" | "jax" | "wllama" | "llamacpp" | "limits" | "dispatches";
  /** Its packages in npm, by the name they are installed under; the first names the version. */
  readonly packages: Readonly<Record<string, string>>;
  /** What it takes part in. */
  readonly does: "tensors" | "models" | "both";
}

/** The machine's own limits: they take part in the rounds like everyone else. */
export const LIMITS: readonly Participant[] = ["multiply-adds", "reads", "int8 dots"].map((name) => ({
  ...{ name: `limit: ${name}`, adapter: "limits", packages: {}, does: name === "int8 dots" ? "models" : "both" },
}));

/** For `--native`: llama.cpp outside of WebAssembly, which runs in a process also where the others run in pages. */
export const NATIVE: Participant = {
  ...{ name: "llama.cpp (native)", adapter: "llamacpp", does: "models" },
  packages: { "node-llama-cpp": "3.22.1", "@node-llama-cpp/linux-x64": "3.22.1" },
};

/** Heed, then the others. wllama 2.4.0 is the fastest of its versions, and 3.8.1 was the newest when this was written. */
export const PARTICIPANTS: readonly Participant[] = [
  { name: "heed", adapter: "heed", packages: {}, does: "both" },
  { name: "heed (f32 activations)", adapter: "heed", packages: {}, does: "models" },
  {
    ...{ name: "onnxruntime-web", adapter: "onnxruntime", does: "tensors" },
    packages: { "onnxruntime-web": "1.30.0" },
  },
  {
    ...{ name: "tfjs-backend-wasm", adapter: "tfjs", does: "tensors" },
    packages: { "@tensorflow/tfjs-backend-wasm": "4.22.0", "@tensorflow/tfjs-core": "4.22.0" },
  },
  { name: "jax-js", adapter: "jax", packages: { "@jax-js/jax": "0.1.25" }, does: "tensors" },
  ...["2.4.0", "3.8.1"].map((version): Participant => ({
    ...{ name: `wllama ${version}`, adapter: "wllama", does: "models" },
    packages: { [`wllama-${version}`]: `npm:@wllama/wllama@${version}` },
  })),
];

/** What stands in for a limit on WebGPU: the same dispatches without a library. */
export const WEBGPU_LIMITS: readonly Participant[] = [
  { name: "limit: bare dispatches", adapter: "dispatches", packages: {}, does: "tensors" },
];

/** Those on WebGPU. */
export const WEBGPU_PARTICIPANTS: readonly Participant[] = PARTICIPANTS.filter(({ does, name }) =>
  does === "tensors" || name === "heed"
).map((it): Participant =>
  it.adapter !== "tfjs" ? it : {
    ...it,
    name: "tfjs-backend-webgpu",
    packages: { "@tensorflow/tfjs-backend-webgpu": "4.22.0", "@tensorflow/tfjs-core": "4.22.0" },
  }
);
