/** What the heatmap's colours mean: the plotting library's legend, drawn again where the scale is another one. */
import { formatNumber } from "../format.ts";
import type { Stage } from "../protocol.ts";
import { COMMON, show } from "./charts.ts";
import { colourScale } from "./colours.ts";
import { byId } from "./elements.ts";
import type { PageStore } from "./state.ts";

/** What is coloured, by stage. */
export const LEGENDS: Readonly<Record<Stage, string>> = {
  raw: "query · key",
  scaled: "query · key / √D",
  masked: "scaled, later tokens hidden",
  weights: "weight",
};

/** Draws the legend of a store. */
export function legendView(store: PageStore): void {
  const place = byId("legend");
  let drawn = "";
  store.view(["look", "head", "dark", "plot"], ({ look, head, dark, plot }) => {
    if (plot === undefined || look === undefined) return place.replaceChildren();
    const { type, domain, scheme } = colourScale(plot, look, head, dark).options;
    const key = `${look.stage} ${domain} ${scheme}`;
    if (key === drawn && place.hasChildNodes()) return;
    drawn = key;
    const color = { type, domain: [...domain], scheme, label: LEGENDS[look.stage], tickFormat: formatNumber } as const;
    const shape = { width: 216, marginLeft: 8, marginRight: 16, ticks: 4 };
    show(place, plot.legend({ ...COMMON, ...shape, color }) as Element); // a ramp is an SVG element
  }, place);
}
