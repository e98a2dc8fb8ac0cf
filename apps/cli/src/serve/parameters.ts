/**
 * The parameters of a request, each read with its range. A parameter that would change the answer and that this server
 * does not have is refused, unless it asks for what it does anyway; so is one that nobody knows.
 */
import type { SampleOptions } from "../../../../packages/heed/mod.ts";
import { badParameter } from "./api_error.ts";

/** A request's body. */
export type Body = Readonly<Record<string, unknown>>;

/** What both kinds of completions have in common. */
export interface CommonParameters {
  /** The model asked for. */
  readonly model: string;
  /** How tokens are chosen. */
  readonly sampling: SampleOptions;
  /** Tokens at most. */
  readonly maxTokens: number;
  /** Texts that end the answer. */
  readonly stop: readonly string[];
  /** Whether the answer comes as events. */
  readonly stream: boolean;
  /** Whether the events end with what it cost. */
  readonly includeUsage: boolean;
}

const MAX_STOPS = 16; // the API's own limit is 4; more do no harm
const MAX_STOP_LENGTH = 1000;

/** What both kinds read. */
const COMMON = ["model", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "stream", "stream_options"];

/** Notes of the caller that change nothing in an answer. */
const NOTES = ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"];

/** What is not there, with the values that ask for nothing. null always does. */
const ABSENT: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ["n", (value) => value === 1],
  ["best_of", (value) => value === 1],
  ["echo", (value) => value === false],
  ["logprobs", (value) => value === false],
  ["top_logprobs", (value) => value === 0],
  ["frequency_penalty", (value) => value === 0],
  ["presence_penalty", (value) => value === 0],
  ["logit_bias", isEmpty],
  ["suffix", (value) => value === ""],
  ["tools", isEmpty],
  ["tool_choice", (value) => value === "none" || value === "auto"],
  ["parallel_tool_calls", (value) => typeof value === "boolean"],
  ["functions", isEmpty],
  ["function_call", (value) => value === "none" || value === "auto"],
  ["response_format", (value) => isRecord(value) && value["type"] === "text"],
  ["reasoning_effort", (value) => value === "none"],
  ["verbosity", (value) => value === "medium"], // what the API takes for not saying
  ["prediction", () => false],
  ["audio", () => false],
  ["web_search_options", () => false],
  ["modalities", (value) => Array.isArray(value) && value.every((item) => item === "text")],
]);

/**
 * Reads what both kinds have in common.
 *
 * @param own names that only this kind reads
 * @param most the server's limit of tokens
 * @param usual tokens when the request does not say
 * @throws {ApiError} 400 naming the parameter
 */
export function readCommon(body: Body, own: readonly string[], most: number, usual: number): CommonParameters {
  checkNames(body, [...COMMON, ...NOTES, ...own]);
  const stream = booleanOf(body, "stream");
  const { model } = body;
  if (typeof model !== "string") throw badParameter("model", "model must be a model's name");
  return {
    model,
    sampling: readSampling(body),
    maxTokens: Math.min(most, readMaxTokens(body) ?? usual),
    stop: readStop(body["stop"] ?? []),
    stream,
    includeUsage: readIncludeUsage(body["stream_options"] ?? undefined, stream),
  };
}

function checkNames(body: Body, known: readonly string[]): void {
  for (const [name, value] of Object.entries(body)) {
    if (known.includes(name) || value === null) continue;
    const asksNothing = ABSENT.get(name);
    if (asksNothing === undefined) throw badParameter(name, `Unknown parameter: ${name}`, "unknown_parameter");
    if (asksNothing(value)) continue;
    throw badParameter(
      name,
      `${name} ${JSON.stringify(value)} is not supported by this server`,
      "unsupported_parameter",
    );
  }
}

function readSampling(body: Body): SampleOptions {
  const topK = numberOf(body, "top_k", 0, Number.MAX_SAFE_INTEGER, true);
  const minP = numberOf(body, "min_p", 0, 1);
  return {
    temperature: numberOf(body, "temperature", 0, 2) ?? 1,
    topP: numberOf(body, "top_p", 0, 1) ?? 1,
    ...(topK !== undefined && topK > 0 && { topK }), // 0 is what servers take for off
    ...(minP !== undefined && { minP }),
    seed: numberOf(body, "seed", 0, Number.MAX_SAFE_INTEGER, true) ?? crypto.getRandomValues(new Uint32Array(1))[0]!,
  };
}

function readMaxTokens(body: Body): number | undefined {
  return numberOf(body, "max_completion_tokens", 1, Number.MAX_SAFE_INTEGER, true) ??
    numberOf(body, "max_tokens", 1, Number.MAX_SAFE_INTEGER, true);
}

function readStop(value: unknown): readonly string[] {
  const stops: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = stops.filter((stop) => typeof stop === "string" && stop !== "" && stop.length <= MAX_STOP_LENGTH);
  if (texts.length === stops.length && stops.length <= MAX_STOPS) return texts.map(String);
  throw badParameter(
    "stop",
    `stop must be a text or up to ${MAX_STOPS}, none of them empty or longer than ${MAX_STOP_LENGTH} characters`,
  );
}

function readIncludeUsage(options: unknown, stream: boolean): boolean {
  if (options === undefined) return false;
  if (!stream) throw badParameter("stream_options", "stream_options goes with stream: true only");
  if (!isRecord(options)) throw badParameter("stream_options", "stream_options must be an object");
  return booleanOf(options, "include_usage");
}

function booleanOf(body: Body, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value === "boolean") return value;
  throw badParameter(name, `${name} must be true or false`, "invalid_type");
}

function numberOf(body: Body, name: string, min: number, max: number, whole = false): number | undefined {
  const value = body[name] ?? undefined;
  if (value === undefined) return undefined;
  const kind = whole ? "a whole number" : "a number";
  if (typeof value !== "number" || (whole && !Number.isInteger(value))) {
    throw badParameter(name, `${name} must be ${kind}`, "invalid_type");
  }
  if (value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `from ${min} to ${max}`;
  throw badParameter(name, `${name} ${value} is out of range: it must be ${range}`);
}

/** Whether a value is an object with named parts. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
