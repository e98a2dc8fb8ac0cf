/**
 * The whole server as one handler: the API below `/v1/`, `/health`, and the site for everything else.
 */
import type { Api } from "./api.ts";
import { ApiError, checkMethod } from "./api_error.ts";
import { checkHost, checkKey, checkOrigin, type GuardOptions, originHeaders, preflight } from "./guard.ts";
import type { Handler } from "./site.ts";

const API_HEADERS: Readonly<Record<string, string>> = {
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

/**
 * A handler of all requests; it never throws.
 *
 * @param api answers below `/v1/`
 * @param site answers everything else
 * @param onFault told of errors that are nobody's but the server's
 */
export function serverHandler(
  api: Pick<Api, "answer">,
  site: Handler,
  guard: GuardOptions,
  onFault: (error: unknown) => void,
): Handler {
  return async (request) => {
    try {
      checkHost(request, guard);
      const { pathname } = new URL(request.url);
      if (pathname === "/health") return health(request);
      return pathname.startsWith("/v1/") ? await answerApi(api, request, guard, onFault) : await site(request);
    } catch (error) {
      return refusal(error, onFault);
    }
  };
}

function health(request: Request): Response {
  checkMethod(request, "GET", "HEAD");
  return Response.json({ status: "ok" });
}

async function answerApi(
  api: Pick<Api, "answer">,
  request: Request,
  guard: GuardOptions,
  onFault: (error: unknown) => void,
): Promise<Response> {
  const origin = checkOrigin(request, guard);
  if (request.method === "OPTIONS") return preflight(origin);
  const response = await answerWithKey(api, request, guard).catch((error: unknown) => refusal(error, onFault));
  for (const [name, value] of Object.entries({ ...API_HEADERS, ...originHeaders(origin) })) {
    response.headers.set(name, value);
  }
  return response;
}

async function answerWithKey(api: Pick<Api, "answer">, request: Request, guard: GuardOptions): Promise<Response> {
  checkKey(request, guard);
  return await api.answer(request);
}

function refusal(error: unknown, onFault: (error: unknown) => void): Response {
  if (error instanceof ApiError) return error.response;
  onFault(error);
  return new ApiError(500, "The server failed; its log says more").response;
}
