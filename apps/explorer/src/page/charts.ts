/**
 * Charts by Observable Plot, which is loaded after the page is there. Plot's own style sheet stays out, as the page's policy
 * has no inline styles; what it says is in style/charts.css.
 */
import type * as Plot from "./plotting.ts";

/** The plotting library. */
export type Plotting = typeof Plot;

/** Fetches the plotting library. */
export async function loadPlotting(): Promise<Plotting> {
  return await import("./plotting.ts");
}

/** Puts a chart into its place, instead of the one before. */
export function show(place: Element, chart: Element): void {
  for (const style of chart.querySelectorAll("style")) style.remove();
  chart.setAttribute("aria-hidden", "true"); // each chart's message stands beside it as text
  place.replaceChildren(chart);
}

/** What all charts share. */
export const COMMON = { className: "plot", style: { background: "none", fontSize: "11px" } } as const;
