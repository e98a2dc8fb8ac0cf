/** Text to stdout at once, so that it is seen as it is generated. */

const ENCODER = new TextEncoder();

/** Writes all of a text. */
export function writeStdout(text: string): void {
  for (let rest = ENCODER.encode(text); rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}
