/**
 * The explorer's page. State is in one store (page/state.ts); each part of the page is a view that draws some of it and
 * changes some of it (page/*_view.ts); models run in a worker (worker.ts), which is called by page/actions.ts.
 */
import { Actions } from "./page/actions.ts";
import { backendsView } from "./page/backends_view.ts";
import { cacheView } from "./page/cache_view.ts";
import { loadPlotting } from "./page/charts.ts";
import { byId } from "./page/elements.ts";
import { followAttention } from "./page/following.ts";
import { headsView } from "./page/heads_view.ts";
import { heatmapView } from "./page/heatmap_view.ts";
import { legendView } from "./page/legend_view.ts";
import { modelsView } from "./page/models_view.ts";
import { problemView } from "./page/problem_view.ts";
import { promptView } from "./page/prompt_view.ts";
import { regroupView } from "./page/regroup_view.ts";
import { ropeView } from "./page/rope_view.ts";
import { scoresView } from "./page/scores_view.ts";
import { createStore } from "./page/state.ts";
import { themeView } from "./page/theme.ts";
import { tokensView } from "./page/tokens_view.ts";

const store = createStore();
const actions = new Actions(store);

themeView(store);
promptView(store, actions);
modelsView(store, actions);
backendsView(store, actions);
problemView(store);
tokensView(store);
headsView(store);
heatmapView(store);
legendView(store);
scoresView(store);
ropeView(store);
cacheView(store);
regroupView(store, actions);
followAttention(store, actions);

// The only observer of sizes: all charts' places are parts of this one.
const main = document.querySelector("main")!; // the page has one
new ResizeObserver(() => store.set({ width: main.clientWidth })).observe(main);

void actions.list().then(() => byId("models", HTMLDialogElement).showModal());
// After the first paint, so that it does not wait for the charts' library.
requestAnimationFrame(() => setTimeout(drawCharts));

async function drawCharts(): Promise<void> {
  try {
    store.set({ plot: await loadPlotting() });
  } catch {
    store.set({ problem: "Cannot draw charts: the part of the page that does could not be fetched; reload the page" });
  }
}
