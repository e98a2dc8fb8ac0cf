/**
 * What `heed serve` was asked for.
 */
import { numberOption, parseCommandLine } from "../command_line.ts";
import { UsageError } from "../errors.ts";
import { MODEL_HELP, MODEL_OPTIONS, type ModelRequest, readModelOptions } from "../model_options.ts";

/** What `heed serve --help` prints. */
export const SERVE_HELP = `heed serve

Serves a model over HTTP, as programs for the OpenAI API speak it (/v1/models, /v1/completions,
/v1/chat/completions), and the explorer for browsers (/). One answer is computed at a time.
What a prompt shares with the one before it is not computed again. With int8 activations that
rounds otherwise, and the same request may get another answer; --activations f32 makes answers
at temperature 0 repeat.

${MODEL_HELP}
  --host HOST            where to listen (default 127.0.0.1, which only this machine reaches)
  --port PORT            0 takes any that is free (default 8080)
  --api-key KEY          what clients of the API must send; better in HEED_API_KEY, since
                         other users see command lines. Pages then do not get the model's file
  --allow-host NAME      a name that clients call this server by, besides localhost and
                         addresses; may be given several times
  --allow-origin ORIGIN  a site whose pages may use the API; may be given several times
  --max-tokens N         tokens of one answer at most (default 1024)
  --max-body-bytes N     bytes of one request at most (default 262144)
  --queue N              requests that may wait for their turn (default 8)
  --explorer DIR         the explorer's folder (default dist/explorer of the project)
  -h, --help             show this
`;

/** A whole request. */
export interface ServeRequest extends ModelRequest {
  /** An address or a name of this machine. */
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** What clients of the API must send. */
  readonly apiKey: string | undefined;
  /** Names that clients may call the server by. */
  readonly hosts: readonly string[];
  /** Origins whose pages may use the API. */
  readonly origins: readonly string[];
  /** Tokens of one answer at most. */
  readonly maxTokens: number;
  /** Bytes of one request's body at most. */
  readonly maxBodyBytes: number;
  /** Requests that may wait. */
  readonly queue: number;
  /** The explorer's folder; undefined for the project's own. */
  readonly explorer: string | undefined;
}

/**
 * Reads the command line after `serve`.
 *
 * @param environmentKey the key that the environment has
 * @returns the request, or "help"
 * @throws {UsageError} saying which option is wrong, and what it takes
 */
export function parseServe(args: readonly string[], environmentKey: string | undefined): ServeRequest | "help" {
  const { values, positionals } = parseCommandLine(args, {
    ...MODEL_OPTIONS,
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8080" },
    "api-key": { type: "string" },
    "allow-host": { type: "string", multiple: true, default: [] },
    "allow-origin": { type: "string", multiple: true, default: [] },
    "max-tokens": { type: "string", default: "1024" },
    "max-body-bytes": { type: "string", default: "262144" },
    queue: { type: "string", default: "8" },
    explorer: { type: "string" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) return "help";
  const [extra] = positionals;
  if (extra !== undefined) throw new UsageError(`Cannot take "${extra}": serve has options only`);
  const apiKey = values["api-key"] ?? (environmentKey || undefined);
  if (apiKey === "") throw new UsageError("Cannot use an empty --api-key: leave it out for none");
  if (apiKey !== undefined && !/^[!-~]+$/.test(apiKey)) {
    throw new UsageError("Cannot use this API key: clients could not send it; it must be of visible ASCII characters");
  }
  const count = (name: "max-tokens" | "max-body-bytes" | "queue" | "port", min: number, max?: number): number =>
    numberOption(name, values[name], { min, whole: true, ...(max !== undefined && { max }) }) ?? 0;
  return {
    ...readModelOptions(values),
    host: values.host,
    port: count("port", 0, 65535),
    apiKey,
    hosts: [values.host, ...values["allow-host"]].map((host) => host.toLowerCase()),
    origins: values["allow-origin"].map(originOf),
    maxTokens: count("max-tokens", 1),
    maxBodyBytes: count("max-body-bytes", 1),
    queue: count("queue", 0),
    explorer: values.explorer,
  };
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.origin !== "null" && text.replace(/\/$/, "").toLowerCase() === url.origin) {
    return url.origin;
  }
  throw new UsageError(`Cannot use --allow-origin "${text}": it must be like https://example.com, with no path`);
}

/**
 * Whether only this machine reaches an address.
 *
 * @param host as it was given
 */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host);
}
