/**
 * The command line as one executable, with the explorer that `heed serve` shows inside. Bundles first.
 */
import { runScript } from "./command_line.ts";
import { ROOT } from "./files.ts";

const HELP = `deno task compile

Makes dist/heed (on Windows heed.exe), the command line as one executable, after bundling what
it serves. Fetches a runtime of Deno's the first time.

  -h, --help  show this
`;

const PERMISSIONS = ["read", "write", "net", "env", "run=python3"].map((it) => `--allow-${it}`);

/** Beside the code: the version, and the explorer. */
const INCLUDED = ["deno.json", "dist/explorer"].map((path) => `--include=${path}`);

async function deno(...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).spawn().status;
  if (code !== 0) Deno.exit(code); // it has said why
}

if (import.meta.main) {
  await runScript({ help: HELP, options: {} }, async () => {
    await deno("run", "-A", "scripts/bundle.ts");
    const output = ["--exclude-unused-npm", "--output=dist/heed"];
    await deno("compile", ...PERMISSIONS, ...INCLUDED, ...output, "apps/cli/main.ts");
  });
}
