/**
 * RoPE: a clock for each pair of a head's elements. The hand stands where the chosen token's position has turned it to; the
 * thin hand is that of the key pointed at. Scores see only the angle between the two.
 */
import { formatNumber } from "../format.ts";
import { COMMON, type Plotting, show } from "./charts.ts";
import { byId, say } from "./elements.ts";
import type { PageStore, State } from "./state.ts";
import { quoted } from "./tokens_view.ts";

const COLUMNS = 8;
const DEGREES = 180 / Math.PI;

/** Draws the clocks of a store. */
export function ropeView(store: PageStore): void {
  const place = byId("rope");
  store.view(["token", "key", "model", "plot", "width"], ({ token, key, model, plot }) => {
    if (model === undefined || plot === undefined) return place.replaceChildren();
    show(place, clocks(plot, model.ropeFrequencies, token, key, place.clientWidth));
  }, place);
  store.view(["token", "key", "model"], (state) => say(byId("rope-says"), sentence(state)));
}

function sentence({ token, key, tokens, model }: State): string {
  if (model === undefined) return "A model's pairs appear here, a clock each.";
  const { ropeFrequencies: frequencies } = model;
  const [fast = 0, slow = 0] = [frequencies[0], frequencies.at(-1)];
  const between = key === undefined ? "" : ` Thin hands: position ${key}, ${quoted(tokens[key])}.`;
  return `Position ${token}${tokens.length > 0 ? `, ${quoted(tokens[token])}` : ""}. The first pair turns by ` +
    `${formatNumber(fast * DEGREES)}° a token, the last by ${formatNumber(slow * DEGREES)}°.${between}`;
}

function clocks(
  plot: Plotting,
  frequencies: readonly number[],
  token: number,
  key: number | undefined,
  width: number,
): Element {
  const columns = Math.min(COLUMNS, frequencies.length);
  const rows = Math.ceil(frequencies.length / columns);
  const cell = Math.max(width, 160) / columns;
  const at = frequencies.map((frequency, i) => ({ x: i % columns, y: Math.floor(i / columns), frequency }));
  const hands = (position: number, stroke: string, strokeWidth: number) =>
    plot.vector(at, {
      ...{ x: "x", y: "y", anchor: "start", shape: "spike", length: cell * 0.4, r: strokeWidth, fill: stroke },
      rotate: ({ frequency }: { frequency: number }) => frequency * position * DEGREES % 360,
    });
  return plot.plot({
    ...COMMON,
    ...{ width: Math.max(width, 160), height: rows * cell, margin: 0 },
    x: { domain: [-0.5, columns - 0.5], axis: null },
    y: { domain: [rows - 0.5, -0.5], axis: null },
    marks: [
      plot.dot(at, { x: "x", y: "y", r: cell * 0.42, stroke: "currentColor", strokeOpacity: 0.25 }),
      ...(key === undefined ? [] : [hands(key, "var(--muted)", 1.5)]),
      hands(token, "var(--accent)", 3),
    ],
  });
}
