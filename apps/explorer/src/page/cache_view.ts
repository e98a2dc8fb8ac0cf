/** The cache as it grows: bytes by tokens for this model's heads, and for as many key/value heads as MHA and MQA have. */
import { formatBytes } from "../format.ts";
import type { ModelFacts } from "../protocol.ts";
import { COMMON, type Plotting, show } from "./charts.ts";
import { byId, say } from "./elements.ts";
import type { PageStore, State } from "./state.ts";

const HEIGHT = 150;
const LEAST_TOKENS = 32;

/** Draws the chart of a store. */
export function cacheView(store: PageStore): void {
  const place = byId("cache");
  store.view(["cacheBytes", "model", "plot", "width"], ({ tokens, model, plot }) => {
    if (model === undefined || plot === undefined) return place.replaceChildren();
    show(place, chart(plot, model, tokens.length, place.clientWidth));
  }, place);
  store.view(["cacheBytes", "model"], (state) => say(byId("cache-says"), sentence(state)));
}

function sentence({ tokens, cacheBytes, model }: State): string {
  if (model === undefined) return "What a model keeps of each token appears here.";
  const { heads, kvHeads } = model;
  const [perToken, asMultiHead, asMultiQuery] = [
    bytesPerToken(model, kvHeads),
    cacheBytes * heads / kvHeads,
    cacheBytes / kvHeads,
  ].map(formatBytes);
  return `${tokens.length} tokens take ${formatBytes(cacheBytes)}, ${perToken} each; ` +
    `as multi-head ${asMultiHead}, as multi-query ${asMultiQuery}.`;
}

/** Keys and values of one token in f32, in all layers. */
function bytesPerToken({ layers, headDim }: ModelFacts, kvHeads: number): number {
  return layers * kvHeads * headDim * 2 * Float32Array.BYTES_PER_ELEMENT;
}

function chart(plot: Plotting, model: ModelFacts, tokens: number, width: number): Element {
  const most = Math.max(LEAST_TOKENS, 2 ** Math.ceil(Math.log2(Math.max(tokens, 1) + 1)));
  const forms = new Map([[model.heads, "MHA"], [1, "MQA"], [model.kvHeads, nameOf(model)]]); // the model's own name comes last
  const lines = [...forms].flatMap(([kvHeads, name]) =>
    [0, tokens, most].map((at) => ({ at, name, bytes: at * bytesPerToken(model, kvHeads), kvHeads }))
  );
  const now = lines.filter(({ at }) => at === tokens);
  const ends = lines.filter(({ at }) => at === most);
  const own = (it: { kvHeads: number }) => it.kvHeads === model.kvHeads;
  return plot.plot({
    ...COMMON,
    ...{ width: Math.max(width, 160), height: HEIGHT, marginLeft: 52, marginRight: 56, marginTop: 8, marginBottom: 30 },
    x: { domain: [0, most], label: "tokens", ticks: 5 },
    y: { label: null, ticks: 4, tickFormat: (bytes: number) => formatBytes(bytes), grid: true },
    marks: [
      plot.line(lines, {
        x: "at",
        y: "bytes",
        z: "name",
        stroke: (it) => own(it) ? "var(--accent)" : "var(--muted)",
        strokeWidth: 1.5,
      }),
      plot.dot(now, { x: "at", y: "bytes", fill: (it) => own(it) ? "var(--accent)" : "var(--muted)", r: 3.5 }),
      plot.text(ends, { x: "at", y: "bytes", text: "name", dx: 5, textAnchor: "start" }),
    ],
  });
}

function nameOf({ heads, kvHeads }: ModelFacts): string {
  return kvHeads === heads ? "MHA" : kvHeads === 1 ? "MQA" : `GQA, ${kvHeads}`;
}
