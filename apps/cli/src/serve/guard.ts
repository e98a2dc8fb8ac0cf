/**
 * Who may ask. A server on loopback is within reach of every page a browser has open, so names and origins are looked at:
 *
 * - a page elsewhere whose name resolves here (DNS rebinding) sends its own name as Host; addresses cannot be rebound;
 * - a page elsewhere that posts here says so by Origin or Sec-Fetch-Site, or may only send what forms send, no JSON;
 * - with a key, the API wants it from everybody.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "./api_error.ts";

/** What is let through. */
export interface GuardOptions {
  /** Names that clients may call the server by, besides localhost and addresses. */
  readonly hosts: readonly string[];
  /** Origins whose pages may use the API. */
  readonly origins: readonly string[];
  /** What clients of the API must know; undefined where they need not. */
  readonly apiKey: string | undefined;
}

/**
 * Checks the name that a request calls the server by.
 *
 * @throws {ApiError} 403 when it could be a page's elsewhere
 */
export function checkHost(request: Request, { hosts }: GuardOptions): void {
  const { hostname } = new URL(request.url);
  const isAddress = /^\[.*\]$|^\d+\.\d+\.\d+\.\d+$/.test(hostname); // URL has made every form of address one of these
  if (isAddress || hostname === "localhost" || hosts.includes(hostname)) return;
  throw new ApiError(403, `This server is not called "${hostname}"; start it with --allow-host ${hostname} if it is`, {
    code: "host_not_allowed",
  });
}

/**
 * Checks where a request to the API comes from.
 *
 * @returns the origin of another site that may use the API, or undefined where it is none
 * @throws {ApiError} 403 when a page of another site sent it
 */
export function checkOrigin({ headers, url }: Request, { origins }: GuardOptions): string | undefined {
  const origin = headers.get("origin");
  if (origin !== null && origins.includes(origin)) return origin;
  const site = headers.get("sec-fetch-site") ?? "none";
  const own = new URL(url).origin;
  if ((origin === null || origin === own) && (site === "none" || site === "same-origin")) return undefined;
  const from = origin ?? "another site";
  throw new ApiError(403, `Pages of ${from} may not use this server; start it with --allow-origin for those that may`, {
    code: "origin_not_allowed",
  });
}

/**
 * Checks the key, in a time that does not tell how much of it is right.
 *
 * @throws {ApiError} 401 when it is missing or wrong
 */
export function checkKey({ headers }: Request, { apiKey }: GuardOptions): void {
  if (apiKey === undefined) return;
  const [, given] = /^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "") ?? [];
  if (given !== undefined && timingSafeEqual(digest(given), digest(apiKey))) return;
  const message = given === undefined
    ? "This server wants a key: send it as Authorization: Bearer KEY"
    : "The key is not this server's";
  throw new ApiError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
}

/** Of one length whatever the key's. */
function digest(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/** Headers that let a page of another origin read the answer. */
export function originHeaders(origin: string | undefined): Record<string, string> {
  return origin === undefined ? {} : { "access-control-allow-origin": origin, vary: "origin" };
}

/** The answer to a browser that asks first whether a page may send a request. */
export function preflight(origin: string | undefined): Response {
  const headers = {
    ...originHeaders(origin),
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "*, authorization", // the star does not cover it
    "access-control-max-age": "600",
  };
  return new Response(null, { status: 204, headers });
}
