/**
 * What a kernel is made of: a prelude of `enable` and `const`, then WGSL files in the order listed. There is no
 * preprocessor; a file is specialised by the constants before it and by its neighbours in the list.
 */

/** A shader before it meets a device. Its entry point is `main`. */
export class Shader {
  /** `<op>_<variant>_<dtype>`: the label of the pipeline, and the name in messages. */
  readonly label: string;
  /** How each buffer is bound, in the order of bindings from 1 on: `r` to read, `w` to read and write. */
  readonly access: string;
  readonly #constants: Readonly<Record<string, string | number>>;
  readonly #files: readonly string[];
  readonly #features: readonly string[];

  /** `constants` become `const NAME = value;`, and `features` `enable NAME;`. */
  constructor(
    label: string,
    access: string,
    constants: Readonly<Record<string, string | number>>,
    files: readonly string[],
    features: readonly string[] = [],
  ) {
    this.label = label;
    this.access = access;
    this.#constants = constants;
    this.#files = files;
    this.#features = features;
  }

  /** The whole text. */
  get code(): string {
    const enables = this.#features.map((name) => `enable ${name};`);
    const prelude = Object.entries(this.#constants).map(([name, value]) => `const ${name} = ${value};`);
    return [`// ${this.label}`, ...enables, ...prelude, ...this.#files].join("\n");
  }
}

/** Makes each shader once, when it is first asked for; shaders belong to no device. */
export class Shaders {
  readonly #make: (key: string) => Shader;
  readonly #made = new Map<string, Shader>();

  /** `make` gets the key that `get` was given. */
  constructor(make: (key: string) => Shader) {
    this.#make = make;
  }

  /** The shader of a key. */
  get(key: string): Shader {
    const found = this.#made.get(key);
    if (found !== undefined) return found;
    const shader = this.#make(key);
    this.#made.set(key, shader);
    return shader;
  }
}
