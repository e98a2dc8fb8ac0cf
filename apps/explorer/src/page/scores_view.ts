/** One token's way from scores to weights, in one head: four small charts, a bar for each key. */
import { formatNumber } from "../format.ts";
import type { Stage } from "../protocol.ts";
import { COMMON, type Plotting, show } from "./charts.ts";
import { byId, make, say } from "./elements.ts";
import type { PageStore, State } from "./state.ts";
import { quoted } from "./tokens_view.ts";

const TITLES: readonly (readonly [stage: Stage, title: string])[] = [
  ["raw", "raw, q · k"],
  ["scaled", "scaled by 1/√D"],
  ["masked", "masked"],
  ["weights", "softmax"],
];
const HEIGHT = 72;

/** Draws the charts of a store, each for itself. */
export function scoresView(store: PageStore): void {
  for (const [stage, title] of TITLES) {
    const [chart, most] = [make("div", "chart"), make("small")];
    byId("scores").append(make("figure", "", make("figcaption", "", title, " ", most), chart));
    store.view(["row", "plot", "width"], ({ row, tokens, plot }) => {
      const values = row?.stages[stage];
      say(most, values === undefined ? "" : largest(values, tokens));
      if (plot === undefined || values === undefined) chart.replaceChildren();
      else show(chart, bars(plot, values, stage, chart.clientWidth));
    }, chart);
  }
  store.view(["row"], ({ row, tokens }) => {
    say(
      byId("scores-of"),
      row === undefined ? "of one token in one head" : `of ${quoted(tokens[row.token])} in head ${row.head + 1}`,
    );
  });
}

function largest(values: Float32Array, tokens: State["tokens"]): string {
  const best = values.reduce((best, x, i) => x > values[best]! ? i : best, 0);
  return `most ${quoted(tokens[best])} ${formatNumber(values[best]!)}`;
}

function bars(plot: Plotting, values: Float32Array, stage: Stage, width: number): Element {
  const bars = Array.from(values, (y, i) => ({ x1: i + 0.1, x2: i + 0.9, y })).filter(({ y }) => y !== -Infinity);
  return plot.plot({
    ...COMMON,
    ...{ width: Math.max(width, 80), height: HEIGHT, marginTop: 6, marginBottom: 6, marginLeft: 40, marginRight: 2 },
    x: { domain: [0, values.length], axis: null },
    y: { ticks: 3, label: null, nice: true, ...(stage === "weights" ? { domain: [0, 1] } : { zero: true }) },
    marks: [
      plot.rectY(bars, { x1: "x1", x2: "x2", y1: 0, y2: "y", fill: "var(--accent)" }),
      plot.ruleY([0], { strokeOpacity: 0.4 }),
    ],
  });
}
