/** A group's manifest, checked: what each case takes, gives, and how near it must come. The format is vectors/README.md. */
import type { Tolerance } from "../compare.ts";
import { Attrs, isRecord } from "./attrs.ts";

/** Keys of tensors: one, a list, or by name. */
export type Keys = string | readonly Keys[] | { readonly [name: string]: Keys };

/** What a view must be besides its values. */
export interface ViewExpectation {
  /** Sizes. */
  readonly shape: readonly number[];
  /** Strides; those of dims with at most one element mean nothing. */
  readonly stride: readonly number[];
  /** Index of the first element. */
  readonly storageOffset: number;
  /** Whether it is contiguous. */
  readonly isContiguous: boolean;
  /** Whether it shares the base's storage. */
  readonly sharesStorage: boolean;
}

/** One case of a group. */
export interface GoldenCase {
  /** Unique within the group. */
  readonly name: string;
  /** The operation. */
  readonly op: string;
  /** Its settings. */
  readonly attrs: Attrs;
  /** What it takes, as keys of tensors. */
  readonly inputs: Readonly<Record<string, Keys>>;
  /** What it must give; undefined where it must throw. */
  readonly outputs: Readonly<Record<string, Keys>> | undefined;
  /** Why it must throw, in the reference's words. */
  readonly error: string | undefined;
  /** How near it must come. */
  readonly tolerance: Tolerance;
  /** The result's dtype in PyTorch's words, where the case names it. */
  readonly outDtype: string | undefined;
  /** The result's shape, where the case names it. */
  readonly outShape: readonly number[] | undefined;
  /** What the resulting view must be. */
  readonly expect: ViewExpectation | undefined;
}

function isKeys(value: unknown): value is Keys {
  if (typeof value === "string") return true;
  return Array.isArray(value) ? value.every(isKeys) : isRecord(value) && Object.values(value).every(isKeys);
}

function keysByName(value: unknown, what: string): Readonly<Record<string, Keys>> {
  if (isRecord(value) && isKeys(value)) return value as Readonly<Record<string, Keys>>; // keys, and an object: not one key
  throw new Error(`${what} should map names to tensor keys`);
}

function parseExpectation(value: unknown): ViewExpectation | undefined {
  if (!isRecord(value)) return undefined;
  const expect = new Attrs(value);
  return {
    shape: expect.numbers("shape"),
    stride: expect.numbers("stride"),
    storageOffset: expect.number("storage_offset"),
    isContiguous: expect.flag("is_contiguous"),
    sharesStorage: expect.flag("shares_storage"),
  };
}

function parseCase(value: unknown, position: number): GoldenCase {
  if (!isRecord(value)) throw new Error(`case ${position} should be an object`);
  const { name, op, attrs = {}, inputs = {}, outputs, error, expect } = value;
  if (typeof name !== "string" || typeof op !== "string") throw new Error(`case ${position} lacks its name or op`);
  if (!isRecord(attrs)) throw new Error(`attrs of ${name} should be an object`);
  if (error === undefined && outputs === undefined) throw new Error(`${name} has neither outputs nor an error`);
  const settings = new Attrs(value);
  return {
    name,
    op,
    attrs: new Attrs(attrs),
    inputs: keysByName(inputs, `inputs of ${name}`),
    outputs: outputs === undefined ? undefined : keysByName(outputs, `outputs of ${name}`),
    error: settings.text("error"),
    tolerance: { rtol: settings.maybeNumber("rtol") ?? 0, atol: settings.maybeNumber("atol") ?? 0 },
    outDtype: settings.text("out_dtype"),
    outShape: settings.has("out_shape") ? settings.numbers("out_shape") : undefined,
    expect: parseExpectation(expect),
  };
}

/**
 * The cases of a manifest.
 *
 * @param json the parsed `<group>.json`
 */
export function parseManifest(json: unknown): GoldenCase[] {
  if (!isRecord(json) || !Array.isArray(json["cases"])) throw new Error("the manifest should have a list of cases");
  return json["cases"].map(parseCase);
}
