/** The parts of `@std/assert` that tests use, declared as the standard library's own TypeScript declares them. */

/** A constructor of errors, as `assertThrows` takes it; abstract classes count. */
// deno-lint-ignore no-explicit-any -- a constructor type accepts every parameter list only through any
type ErrorClass<E extends Error = Error> = abstract new (...args: any[]) => E;

// deno-lint-ignore no-explicit-any -- as above
type Class<T> = abstract new (...args: any[]) => T;

/** What every failed assertion throws. */
export class AssertionError extends Error {}

/** Throws unless `expr` is truthy; narrows. */
export function assert(expr: unknown, msg?: string): asserts expr;
/** Throws unless `expr` is false. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is false;
/** Throws unless the two are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
/** Throws if the two are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
/** Throws unless the two are the same by `Object.is`; narrows. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T;
/** Throws if the two are the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;
/** Throws unless the numbers are within `tolerance` (default 1e-7 of the expected one). */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void;
/** Throws unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
/** Throws unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
/** Throws unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void;
/** Throws unless `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;
/** Throws on null and undefined; narrows. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
/** Throws unless `actual` is an instance of the class; narrows. */
export function assertInstanceOf<T>(actual: unknown, expectedType: Class<T>, msg?: string): asserts actual is T;
/** Throws if `actual` is an instance of the class. */
export function assertNotInstanceOf<T>(actual: unknown, unexpectedType: Class<T>, msg?: string): void;
/** Throws unless `error` is such an error, with such a message; narrows. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E;
/** Throws unless every expected item is in the array. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void;
/** Throws unless the string holds `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
/** Throws unless the string matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
/** Throws if the string matches. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
/** Throws unless `actual` has what `expected` has. */
export function assertObjectMatch(actual: object, expected: object, msg?: string): void;
/** Throws unless `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Throws unless `fn` throws such an error with a message that holds `msgIncludes`; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
/** Throws unless `fn`'s promise rejects; resolves to what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Throws unless `fn`'s promise rejects with such an error and a message that holds `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
/** Whether the two are deeply equal. */
export function equal(a: unknown, b: unknown): boolean;
/** Throws always. */
export function fail(msg?: string): never;
/** Throws always: a place that is never reached. */
export function unreachable(msg?: string): never;
