/**
 * Attention of one head as a square: a row a token, a column a token it may look at. Axes and legend are the plotting
 * library's; the scores are a canvas below them, a pixel a score, so that hundreds of tokens cost nothing.
 */
import { formatNumber } from "../format.ts";
import type { Stage } from "../protocol.ts";
import { COMMON, show } from "./charts.ts";
import { colourScale, paint } from "./colours.ts";
import { byId, make, say } from "./elements.ts";
import { LEGENDS } from "./legend_view.ts";
import type { PageStore, State } from "./state.ts";
import { PART, quoted } from "./tokens_view.ts";

const MARGIN = { marginTop: 64, marginLeft: 76, marginRight: 14, marginBottom: 2 } as const;
/** Pixels that a label needs to be read. */
const LABEL = 11;

/** Draws the heatmap of a store, and chooses tokens in it. */
export function heatmapView(store: PageStore): void {
  const place = byId("heatmap");
  const [axes, canvas, mark] = [make("div", "axes"), make("canvas", "map"), make("div", "mark")];
  canvas.setAttribute("role", "application"); // arrow keys are its own
  canvas.setAttribute("aria-describedby", "cell-says");
  canvas.tabIndex = 0;
  place.append(canvas, mark, axes);
  let [side, drawn] = [0, ""];
  const drawSquare = (state: State): void => {
    side = place.clientWidth - MARGIN.marginLeft - MARGIN.marginRight;
    const { look, tokens, plot } = state;
    const key = `${plot !== undefined} ${side} ${tokens.slice(0, look?.tokens ?? 0).map(({ id }) => id)}`;
    if (key !== drawn) drawAxes(axes, canvas, side, state);
    drawn = key;
    drawScores(canvas, state);
    moveMark(mark, side, state);
  };
  place.addEventListener("pointermove", (event) => point(store, event, canvas));
  place.addEventListener("pointerleave", () => store.set({ key: undefined }));
  canvas.addEventListener("keydown", (event) => move(store, event));
  canvas.addEventListener("focus", () => byId("cell-says").ariaLive = "polite");
  canvas.addEventListener("blur", () => byId("cell-says").ariaLive = "off"); // the text says its own
  for (const radio of document.querySelectorAll<HTMLInputElement>("#stages input")) {
    radio.addEventListener("change", () => store.set({ stage: radio.value as Stage })); // the page's values are stages
  }
  store.view(["look", "head", "dark", "plot", "width"], drawSquare, place);
  store.view(["token", "key"], (state) => moveMark(mark, side, state));
  store.view(["token", "key", "look", "head"], (state) => say(byId("cell-says"), sentence(state)));
  store.view(["layer", "head", "model"], ({ model, layer, head }) => {
    const group = model && Math.floor(head * model.kvHeads / model.heads) + 1;
    say(byId("attention-title"), model === undefined ? "Attention" : `Layer ${layer + 1}, head ${head + 1}`);
    say(byId("attention-group"), group === undefined ? "" : `reads key/value head ${group}`);
  });
}

/** The tokens at which a label fits. */
function ticks(tokens: number, side: number): number[] {
  const step = Math.max(1, Math.ceil(tokens * LABEL / Math.max(side, 1)));
  return Array.from({ length: Math.ceil(tokens / step) }, (_, i) => i * step + 0.5);
}

/** Draws the axes for as many tokens as are looked at, and lays the canvas below them. */
function drawAxes(axes: HTMLElement, canvas: HTMLElement, side: number, { look, tokens, plot }: State): void {
  const [left, top, size] = [MARGIN.marginLeft, MARGIN.marginTop, side].map((pixels) => `${pixels}px`);
  Object.assign(canvas.style, { left, top, width: size, height: size });
  if (plot === undefined || look === undefined || side <= 0) {
    const empty = look === undefined ? [make("p", "empty", "Generate a text to see who looks at whom.")] : [];
    return axes.replaceChildren(...empty);
  }
  const labels = (t: number): string => cut(tokens[Math.floor(t)]?.text ?? "");
  const [at, domain] = [ticks(look.tokens, side), [0, look.tokens]];
  show(
    axes,
    plot.plot({
      ...COMMON,
      ...MARGIN,
      width: side + MARGIN.marginLeft + MARGIN.marginRight,
      height: side + MARGIN.marginTop + MARGIN.marginBottom,
      x: { domain, axis: null },
      y: { domain: [...domain].reverse(), axis: null },
      marks: [
        plot.frame({ strokeOpacity: 0.3 }),
        plot.axisX(at, {
          anchor: "top",
          tickFormat: labels,
          tickRotate: -60,
          tickSize: 0,
          tickPadding: 4,
          label: null,
          textAnchor: "start",
        }),
        plot.axisY(at, { anchor: "left", tickFormat: labels, tickSize: 0, tickPadding: 4, label: null }),
      ],
    }),
  );
}

function cut(text: string): string {
  if (text === "") return PART;
  const shown = text.replaceAll("\n", "↵").trim() || "␣";
  return shown.length > 10 ? `${shown.slice(0, 9)}…` : shown;
}

function drawScores(canvas: HTMLCanvasElement, { look, head, dark, plot }: State): void {
  canvas.hidden = look === undefined;
  if (plot === undefined || look === undefined) return;
  const { stage, tokens, layer } = look;
  paint(canvas, look, head, colourScale(plot, look, head, dark));
  const what = `${LEGENDS[stage]} of ${tokens} tokens in layer ${layer + 1}, head ${head + 1}`;
  canvas.setAttribute("aria-label", `${what}; arrow keys move from cell to cell`);
}

function moveMark(mark: HTMLElement, side: number, { look, token, key }: State): void {
  mark.hidden = look === undefined || token >= look.tokens;
  if (look === undefined) return;
  const cell = side / look.tokens;
  const column = key === undefined ? 0 : key * cell;
  mark.style.width = `${key === undefined ? side : cell}px`;
  mark.style.height = `${cell}px`;
  mark.style.translate = `${MARGIN.marginLeft + column}px ${MARGIN.marginTop + token * cell}px`;
}

/** The cell under the pointer becomes the chosen one. */
function point(store: PageStore, { clientX, clientY }: PointerEvent, canvas: HTMLElement): void {
  const { look } = store.state;
  const { left, top, width } = canvas.getBoundingClientRect();
  if (look === undefined || width === 0) return;
  const [key, token] = [clientX - left, clientY - top].map((at) => Math.floor(at / width * look.tokens)) as [
    number,
    number,
  ];
  const inside = [key, token].every((i) => i >= 0 && i < look.tokens);
  if (inside) store.set({ token, key, follows: false });
}

/** What each key adds to row and column. */
const MOVES: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

/** The next cell becomes the chosen one; from a row without one, that where its token looks at itself. */
function move(store: PageStore, event: KeyboardEvent): void {
  const { look, token, key = token } = store.state;
  const by = MOVES[event.key];
  if (look === undefined || by === undefined) return;
  event.preventDefault();
  const within = (i: number): number => Math.min(Math.max(i, 0), look.tokens - 1);
  store.set({ token: within(token + by[0]), key: within(key + by[1]), follows: false });
}

function sentence({ look, head, token, key, tokens }: State): string {
  if (look === undefined || token >= look.tokens) return "Each row is a token, each column one that it may look at.";
  if (key === undefined || key >= look.tokens) return `Row ${token}: ${quoted(tokens[token])}`;
  const score = look.values[(head * look.tokens + token) * look.tokens + key]!;
  const hidden = key > token && (look.stage === "weights" || look.stage === "masked");
  const what = hidden ? "hidden: it comes later" : `${LEGENDS[look.stage]} ${formatNumber(score)}`;
  return `${quoted(tokens[token])} to ${quoted(tokens[key])}: ${what}`;
}
