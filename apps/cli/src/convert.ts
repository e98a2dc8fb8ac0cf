/**
 * `heed convert IN OUT --kv-heads N`: a Hugging Face folder with fewer key/value heads. OUT appears once it is complete; an
 * interrupt or an error leaves everything as it was.
 */
import { convertFolder } from "./convert_folder.ts";
import { CONVERT_HELP, parseConvert } from "./convert_options.ts";
import { Interrupt } from "./interrupt.ts";
import { ProgressBar } from "./progress.ts";

/**
 * Runs the command.
 *
 * @param args the command line after `convert`
 * @throws {UsageError | ModelError | FormatError | ShapeError | BackendError} as it goes wrong
 * @throws {Interrupted | Terminated} when it is interrupted, or asked to terminate
 */
export async function convert(args: readonly string[]): Promise<void> {
  const request = parseConvert(args);
  if (request === "help") return console.log(CONVERT_HELP.trimEnd());
  using interrupt = new Interrupt();
  using bar = new ProgressBar("Converting");
  const notCopied = await convertFolder(request, {
    signal: interrupt.signal,
    onProgress: (done, total) => bar.update(done, total),
  });
  bar.end();
  for (const path of notCopied) console.error(`Not copied: ${path}, since its weights have the old heads`);
  console.error(`Wrote ${request.output}: num_key_value_heads ${request.kvHeads} by ${request.method}`);
}
