/**
 * `heed inspect MODEL`: what a model is made of and what its cache costs, from its header alone.
 */
import { checkWeights } from "./check_weights.ts";
import { onlyArgument, parseCommandLine } from "./command_line.ts";
import { describeModel } from "./describe_model.ts";
import { locateHere } from "./locate_here.ts";
import { openModel } from "./open_model.ts";
import { ProgressBar } from "./progress.ts";
import { showDescription } from "./show_description.ts";

/** What `heed inspect --help` prints. */
export const INSPECT_HELP = `heed inspect MODEL

Shows what a model is made of and what its key/value cache costs. Only headers are read.
MODEL is a GGUF file, a Hugging Face folder, an https URL of a GGUF file, or a known name.

  --json           print JSON
  --check-weights  read all weights too, and name the first that is NaN or infinite
  -h, --help       show this
`;

/**
 * Runs the command.
 *
 * @param args the command line after `inspect`
 * @throws {UsageError | ModelError | DownloadError | FormatError} as it goes wrong
 */
export async function inspect(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseCommandLine(args, {
    json: { type: "boolean" },
    "check-weights": { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) return console.log(INSPECT_HELP.trimEnd());
  const path = await locateHere(onlyArgument(positionals, "one model"));
  using model = await openModel(path);
  const description = describeModel(model);
  console.log(values.json ? JSON.stringify(description, null, 2) : showDescription(description).trimEnd());
  if (!values["check-weights"]) return;
  using bar = new ProgressBar("Checking weights");
  await checkWeights(model.file, (done, total) => bar.update(done, total));
  bar.end();
  console.error("All weights are finite");
}
