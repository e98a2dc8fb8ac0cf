/**
 * The README's strip of the command line, docs/cli.svg: `heed chat` at three moments, and how `heed generate` ends. Both
 * are run, and drawn as a terminal showed them, with the time since they began.
 *
 * Dark frames on nothing suit light and dark pages alike. Text stays text; lines are stretched to the grid, since nobody
 * knows which monospaced font a reader has.
 */
import { locateHere } from "../apps/cli/src/locate_here.ts";
import { DEFAULT_MODEL } from "../apps/cli/src/pinned_models.ts";
import { runScript } from "./command_line.ts";
import { ROOT } from "./files.ts";
import { record, type Screen } from "./terminal_recording.ts";

const HELP = `deno task screenshot:cli

Draws docs/cli.svg, the README's strip of heed chat and heed generate, which both are run.

  -h, --help  show this
`;

const TERMINAL = { columns: 64, rows: 16 }; // the widest line the two write is that of the cache
const CHAT = {
  command: "deno task -q chat",
  answers: ["Write a haiku about the sea.", "Now about a mountain.", "/exit"],
};
const GENERATE = { command: 'deno task -q generate "A neural network is" --max-tokens 44' };

/** A screen with its place in what was recorded. */
interface Frame {
  readonly name: string;
  readonly screen: Screen;
  readonly totalMs: number;
}

// In units of the drawing; a character is as wide as most monospaced fonts make it at that size.
const [FONT_SIZE, CHARACTER, LINE] = [12, 7.2, 17];
const [PADDING, HEADER, GAP] = [14, 30, 12];
const FRAME_WIDTH = TERMINAL.columns * CHARACTER + 2 * PADDING;
const ACROSS = 2;

const STYLE = `
text { font: ${FONT_SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9cac8; white-space: pre }
.typed { fill: #ffffff; font-weight: 600 }
.head { fill: #a3a6ad }
.frame { fill: #1c1e23; stroke: #34373f }
.track { fill: #34373f }
.time, .cursor { fill: #6cb6ff }
`;

async function frames(): Promise<Frame[]> {
  const chat = await record({ ...TERMINAL, ...CHAT });
  const generate = await record({ ...TERMINAL, ...GENERATE });
  const answering = chat.filter(({ turn }) => turn === 1);
  const answered = chat.filter(({ turn }) => turn === 2);
  const frame = (name: string, all: readonly Screen[], screen: Screen | undefined): Frame => {
    if (screen === undefined) throw new Error(`Cannot draw "${name}": the command never showed it`);
    return { name, screen, totalMs: all.at(-1)!.ms };
  };
  return [
    frame("chat: the model loads", chat, chat.find(({ rows }) => loaded(rows) >= 50)),
    frame("chat: an answer streams", chat, answering[Math.floor(answering.length * 0.75)]),
    frame("chat: the next turn", chat, answered.at(-1)),
    frame("generate: speeds at the end", generate, generate.at(-1)),
  ];
}

/** How much of the model is loaded, in percent. */
function loaded(rows: readonly string[]): number {
  return Number(/Loading \[.*\] (\d+)%/.exec(rows.join("\n"))?.[1] ?? 0);
}

/** All frames, from left to right and down; those beside each other are as high as the fuller one. */
function strip(all: readonly Frame[]): string {
  const drawn: string[] = [];
  let y = 0.5; // borders lie on whole pixels
  for (let first = 0; first < all.length; first += ACROSS) {
    const beside = all.slice(first, first + ACROSS);
    const height = HEADER + 2 * PADDING + Math.max(...beside.map(({ screen }) => usedRows(screen))) * LINE;
    drawn.push(...beside.map((frame, i) => drawFrame(frame, 0.5 + i * (FRAME_WIDTH + GAP), y, height)));
    y += height + GAP;
  }
  const [width, height] = [ACROSS * (FRAME_WIDTH + GAP) - GAP + 1, y - GAP + 0.5].map(Math.ceil);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(all.map(({ name }) => name).join("; "))}</title>
<style>${STYLE}</style>
${drawn.join("\n")}
</svg>
`;
}

function usedRows({ rows, cursor }: Screen): number {
  return Math.max(cursor.row, rows.findLastIndex((row) => row !== "")) + 1;
}

function drawFrame({ name, screen, totalMs }: Frame, x: number, y: number, height: number): string {
  const lines = screen.rows.map((row, i) => drawLine(row, HEADER + PADDING + i * LINE)).filter((line) => line !== "");
  const seconds = `${(screen.ms / 1000).toFixed(1)} s`;
  const played = FRAME_WIDTH * Math.min(1, screen.ms / totalMs);
  const { column, row } = screen.cursor;
  return `<g transform="translate(${x} ${y})">
<rect class="frame" width="${FRAME_WIDTH}" height="${height}" rx="8"/>
<text class="head" x="${PADDING}" y="20">${escaped(name)}</text>
<text class="time" x="${FRAME_WIDTH - PADDING}" y="20" text-anchor="end">${seconds}</text>
<rect class="track" y="${HEADER}" width="${FRAME_WIDTH}" height="1"/>
<rect class="time" y="${HEADER - 0.5}" width="${played.toFixed(1)}" height="2"/>
${lines.join("\n")}
<rect class="cursor" x="${PADDING + column * CHARACTER}" y="${
    HEADER + PADDING + row * LINE
  }" width="${CHARACTER}" height="${LINE - 2}"/>
</g>`;
}

/** What a person typed stands out. */
function drawLine(row: string, top: number): string {
  if (row === "") return "";
  const typed = /^[$>] /.test(row) ? ' class="typed"' : "";
  const width = (row.length * CHARACTER).toFixed(1);
  return `<text${typed} x="${PADDING}" y="${top + FONT_SIZE}" textLength="${width}">${escaped(row)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

if (import.meta.main) {
  await runScript({ help: HELP, options: {} }, async () => {
    await locateHere(DEFAULT_MODEL); // a download is no part of the picture
    await Deno.writeTextFile(`${ROOT}docs/cli.svg`, strip(await frames()));
  });
}
