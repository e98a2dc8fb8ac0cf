/**
 * A Hugging Face `config.json` with another number of key/value heads. Only that number changes; everything else stays as it
 * is written, fields that nobody here knows and the spelling of numbers (`10000.0`, `1e-05`) included. So models of any family
 * that names its projections as Llama does can be converted.
 */
import { FormatError } from "../../formats/mod.ts";
import type { HeadConfig } from "./convert_heads.ts";

const HEADS_KEY = "num_key_value_heads";

/** What conversion reads of a config.json. */
export interface HeadCounts extends HeadConfig {
  /** H. */
  readonly numAttentionHeads: number;
}

/**
 * The numbers of heads in a config.json.
 *
 * @param text the file
 * @param file its name, for messages
 * @throws {FormatError} when it is no JSON object, or a field is missing or no whole number
 */
export function readHeadCounts(text: string, file: string): HeadCounts {
  const fields = parseFields(text, file);
  const count = (key: string, fallback?: number): number => wholeNumber(file, key, fields.get(key) ?? fallback);
  const numAttentionHeads = count("num_attention_heads");
  const hiddenSize = count("hidden_size");
  const range = fields.get("initializer_range");
  return {
    hiddenSize,
    numHiddenLayers: count("num_hidden_layers"),
    numAttentionHeads,
    numKeyValueHeads: count(HEADS_KEY, numAttentionHeads),
    headDim: count("head_dim", hiddenSize / numAttentionHeads),
    ...(typeof range === "number" && { initializerRange: range }),
  };
}

function parseFields(text: string, file: string): Map<string, unknown> {
  if (typeof text !== "string") { // from JavaScript anything may come
    throw new FormatError(`Cannot read ${file}: it is parsed already; give the file's text, which is kept as it is`, {
      file,
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`Cannot read ${file}: it is not JSON: ${why}`, { file, cause });
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return new Map(Object.entries(json));
  throw new FormatError(`Cannot read ${file}: it is not a JSON object`, { file });
}

function wholeNumber(file: string, key: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  const [expected, found] = ["a whole number above 0", JSON.stringify(value) ?? "nothing"];
  throw new FormatError(`Cannot read ${file}: "${key}" should be ${expected}, found ${found}`, {
    file,
    expected,
    found,
  });
}

/**
 * The config.json with `kvHeads` key/value heads.
 *
 * @param text a JSON object
 */
export function withKvHeads(text: string, kvHeads: number): string {
  const span = findValue(text, HEADS_KEY);
  if (span !== undefined) return text.slice(0, span.start) + kvHeads + text.slice(span.end);
  return text.replace("{", `{\n  "${HEADS_KEY}": ${kvHeads},`); // it has other fields: this one had a default
}

/** A key with its colon, a string, a bracket, or a bare word: what JSON is made of, but for commas. */
const TOKENS = /"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]|[^\s{}[\],"]+/g;

/** Where the number or null of a key of the outermost object lies; the last one, as JSON.parse has it. */
function findValue(text: string, key: string): { start: number; end: number } | undefined {
  let depth = 0;
  let wanted = false;
  let span: { start: number; end: number } | undefined;
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    if (wanted) span = { start: index, end: index + token.length };
    wanted = depth === 1 && token.endsWith(":") && JSON.parse(token.slice(0, -1)) === key;
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
  }
  return span;
}
