/** Colours of scores, from the plotting library's scales, as tables that a canvas is painted from. */
import type { Look } from "../protocol.ts";
import type { Plotting } from "./charts.ts";

const STEPS = 256;

/** How scores become colours. */
export interface ColourScale {
  /** What a legend is drawn from. */
  readonly options: {
    readonly type: "sqrt" | "linear";
    readonly domain: readonly [number, number];
    readonly scheme: "ylgnbu" | "magma";
  };
  /** 256 colours as a canvas has them in memory, evenly from the least score to the largest. */
  readonly table: Uint32Array;
  /** Where between the least and the largest a score is, 0 to 1. */
  readonly position: (score: number) => number;
}

/** A scale for a head's scores: weights by their root, so that small ones are seen, others between their ends. */
export function colourScale(plot: Plotting, look: Look, head: number, dark: boolean): ColourScale {
  const isWeights = look.stage === "weights";
  const [least, most] = isWeights ? [0, 1] : endsOf(scoresOf(look, head));
  const options = {
    type: isWeights ? "sqrt" : "linear",
    domain: [least, most],
    scheme: dark ? "magma" : "ylgnbu",
  } as const;
  const spread = most - least || 1;
  const position = (score: number) => isWeights ? Math.sqrt(score) : (score - least) / spread;
  return { options, table: tableOf(plot, options.scheme), position };
}

const tables = new Map<string, Uint32Array>();

function tableOf(plot: Plotting, scheme: "ylgnbu" | "magma"): Uint32Array {
  const known = tables.get(scheme);
  if (known !== undefined) return known;
  const { apply } = plot.scale({ color: { type: "linear", domain: [0, 1], scheme } })!; // a colour scale is there
  const table = Uint32Array.from({ length: STEPS }, (_, i) => packed(apply(i / (STEPS - 1))));
  tables.set(scheme, table);
  return table;
}

/** A head's scores, `[T, T]`. */
function scoresOf({ values, tokens }: Look, head: number): Float32Array {
  return values.subarray(head * tokens * tokens, (head + 1) * tokens * tokens);
}

function endsOf(values: Float32Array): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const x of values) {
    if (x < least && x !== -Infinity) least = x;
    if (x > most) most = x;
  }
  return least <= most ? [least, most] : [0, 1];
}

/** `rgb(1, 2, 3)` or `#010203` as a canvas has it in memory, opaque. */
function packed(colour: string): number {
  const [r = 0, g = 0, b = 0] = colour.startsWith("#")
    ? [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16))
    : [...colour.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  return (0xff000000 | b << 16 | g << 8 | r) >>> 0;
}

/**
 * Paints one head's scores, a pixel a score; where later tokens are hidden it stays clear.
 *
 * @param most pixels a side: where there are more tokens, each pixel is the largest of a block
 */
export function paint(canvas: HTMLCanvasElement, look: Look, head: number, scale: ColourScale, most = Infinity): void {
  const step = Math.max(1, Math.ceil(look.tokens / most));
  const side = Math.ceil(look.tokens / step);
  const blocks = largestOfBlocks(look, head, step, side);
  const image = new ImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < blocks.length; i++) {
    if (blocks[i] !== -Infinity) pixels[i] = scale.table[Math.round(255 * scale.position(blocks[i]!))]!;
  }
  if (canvas.width !== side || canvas.height !== side) [canvas.width, canvas.height] = [side, side];
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** The largest score of each block of `step` by `step`, row by row; -Infinity where all of it is hidden. */
function largestOfBlocks(look: Look, head: number, step: number, side: number): Float32Array {
  const { tokens, stage } = look;
  const scores = scoresOf(look, head);
  const blocks = new Float32Array(side * side).fill(-Infinity);
  const shows = stage === "raw" || stage === "scaled";
  for (let t = 0; t < tokens; t++) {
    const end = shows ? tokens : t + 1;
    for (let s = 0, at = Math.floor(t / step) * side; s < end; at++) {
      for (const next = Math.min(s + step, end); s < next; s++) {
        const x = scores[t * tokens + s]!;
        if (x > blocks[at]!) blocks[at] = x;
      }
    }
  }
  return blocks;
}
