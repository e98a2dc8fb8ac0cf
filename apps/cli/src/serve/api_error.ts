/**
 * What the server refuses, in the form that clients of the OpenAI API read:
 * `{ "error": { "message", "type", "param", "code" } }`.
 */

/** What else an error tells. */
export interface ApiErrorDetails {
  /** A word that programs look at. */
  readonly code?: string;
  /** The parameter that is at fault. */
  readonly param?: string;
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is not answered as asked. */
export class ApiError extends Error {
  override name = "ApiError";

  /** @param status of HTTP */
  constructor(readonly status: number, message: string, readonly details: ApiErrorDetails = {}) {
    super(message);
  }

  /** The error as clients read it. */
  get body(): { readonly error: Readonly<Record<string, string | null>> } {
    const { code = null, param = null } = this.details;
    return { error: { message: this.message, type: typeOf(this.status), param, code } };
  }

  /** The error as an answer. */
  get response(): Response {
    return Response.json(this.body, { status: this.status, headers: this.details.headers ?? {} });
  }
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/**
 * Checks how something is asked for.
 *
 * @throws {ApiError} 405 saying which methods there are
 */
export function checkMethod({ method, url }: Request, ...allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  const { pathname } = new URL(url);
  throw new ApiError(405, `${pathname} takes ${allowed.join(" and ")}`, { headers: { allow: allowed.join(", ") } });
}

/**
 * A parameter that is wrong.
 *
 * @param param its name
 */
export function badParameter(param: string, message: string, code = "invalid_value"): ApiError {
  return new ApiError(400, message, { param, code });
}
