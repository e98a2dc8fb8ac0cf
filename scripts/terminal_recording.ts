/**
 * Recording what a command does on a terminal: every screen it showed, and when.
 *
 * The command runs on a pseudo-terminal that `script` (of util-linux) opens, so it draws what it draws for a person: bars,
 * prompts, edited lines. xterm.js makes screens of what it writes.
 */
import xterm from "@xterm/headless";
import { dirname } from "node:path";
import { ROOT } from "./files.ts";

/** What a terminal showed at a moment. */
export interface Screen {
  /** Since the command began, in milliseconds. */
  readonly ms: number;
  /** Lines that were answered to prompts until then. */
  readonly turn: number;
  /** Its rows, without blanks at their ends. */
  readonly rows: readonly string[];
  /** Where the cursor was. */
  readonly cursor: { readonly column: number; readonly row: number };
}

/** What is recorded. */
export interface Recording {
  /** As a shell takes it, and as the first row shows it. */
  readonly command: string;
  /** What to answer to prompts (`> `), a line each; the last should end the command. */
  readonly answers?: readonly string[];
  /** Of the terminal. */
  readonly columns: number;
  /** Of the terminal. */
  readonly rows: number;
}

const TIMEOUT_MS = 120_000;

/**
 * Runs a command in the repository's root.
 *
 * @returns a screen for each piece of output, in order
 * @throws Error when the command fails, or does not end in two minutes
 */
export async function record({ command, answers = [], columns, rows }: Recording): Promise<Screen[]> {
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
  await written(terminal, `$ ${command}\r\n`);
  const start = performance.now();
  const child = spawn(`stty cols ${columns} rows ${rows}; exec ${command}`);
  const stdin = child.stdin.getWriter();
  const screens: Screen[] = [];
  let turn = 0;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    const ms = performance.now() - start;
    await written(terminal, piece);
    const screen = { ms, turn, ...shown(terminal) };
    screens.push(screen);
    if (isPrompt(screen) && turn < answers.length) await stdin.write(new TextEncoder().encode(`${answers[turn++]}\r`));
  }
  const { code } = await child.status;
  if (code !== 0) {
    throw new Error(`Cannot record ${command}: it ended with ${code}: ${screens.at(-1)?.rows.join("\n")}`);
  }
  return screens;
}

function spawn(shellCommand: string): Deno.ChildProcess {
  return new Deno.Command("script", {
    args: ["--quiet", "--return", "--flush", "--command", shellCommand, "/dev/null"],
    cwd: ROOT,
    env: { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`, TERM: "xterm-256color" }, // this Deno first
    stdin: "piped",
    stdout: "piped",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).spawn();
}

function written(terminal: xterm.Terminal, text: string): Promise<void> {
  return new Promise((resolve) => terminal.write(text, resolve));
}

function shown({ buffer: { active }, rows }: xterm.Terminal): Pick<Screen, "rows" | "cursor"> {
  const row = (y: number): string => active.getLine(active.baseY + y)?.translateToString(true) ?? "";
  return {
    rows: Array.from({ length: rows }, (_, y) => row(y)),
    cursor: { column: active.cursorX, row: active.cursorY },
  };
}

function isPrompt({ rows, cursor }: Screen): boolean {
  return cursor.column === 2 && rows[cursor.row]?.trimEnd() === ">";
}
