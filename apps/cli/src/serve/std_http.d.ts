/** The parts of `@std/media-types` and `@std/http` that are used, declared as the standard library declares them. */

/** A file's media type by its name's ending, `.js`, with the character set where it is text. */
export function contentType(extension: string): string | undefined;

/** Whether a file is to be sent, by the `If-None-Match` header of who asks and the file's entity tag. */
export function ifNoneMatch(value: string | null, etag: string | undefined): boolean;
