/** The model with fewer key/value heads beside the original: a slider over the numbers that divide, two texts, two pictures. */
import { formatNumber } from "../format.ts";
import type { Look } from "../protocol.ts";
import type { Actions } from "./actions.ts";
import { colourScale, paint } from "./colours.ts";
import { byId, make, say } from "./elements.ts";
import type { PageStore, State } from "./state.ts";

/** Pixels of a picture's side at most: as many as style/charts.css gives it on a fine screen. */
const MAP = 360;

/** Draws the two models of a store, and regroups. */
export function regroupView(store: PageStore, actions: Actions): void {
  const slider = byId("kv-heads", HTMLInputElement);
  slider.addEventListener("change", () => {
    const kvHeads = divisors(store.state.model?.kvHeads ?? 1)[slider.valueAsNumber];
    if (kvHeads !== undefined) void actions.regroup(kvHeads);
  });
  store.view(["model", "kvHeads", "tokens", "generating", "regrouping"], (state) => drawSlider(slider, state));
  store.view(["tokens", "regroup", "promptTokens"], ({ tokens, promptTokens, regroup }) => {
    drawText(byId("original-text"), tokens, promptTokens);
    drawText(byId("regrouped-text"), regroup?.tokens ?? [], regroup?.promptTokens ?? 0);
  });
  const [original, regrouped] = [byId("original-map", HTMLCanvasElement), byId("regrouped-map", HTMLCanvasElement)];
  store.view(["weights", "head", "dark", "plot"], (state) => drawMap(original, state.weights, state), original);
  store.view(
    ["regroupedLook", "head", "dark", "plot"],
    (state) => drawMap(regrouped, state.regroupedLook, state),
    regrouped,
  );
  store.view(["regroup", "regrouping", "generating", "model", "head", "regroupedLook", "weights"], (state) => {
    say(byId("original-title"), state.model === undefined ? "Original" : `Original, ${heads(state.model.kvHeads)}`);
    say(
      byId("regrouped-title"),
      state.regroup?.tokens === undefined ? "Regrouped" : `Regrouped, ${heads(state.regroup.kvHeads)}`,
    );
    say(byId("regroup-says"), sentence(state));
  });
}

/** From all to one: what a number of heads can be replaced by. */
function divisors(heads: number): number[] {
  return Array.from({ length: heads }, (_, i) => heads - i).filter((n) => heads % n === 0);
}

function heads(count: number): string {
  return count === 1 ? "1 key/value head" : `${count} key/value heads`;
}

function drawSlider(slider: HTMLInputElement, { model, kvHeads, tokens, generating, regrouping }: State): void {
  const steps = divisors(model?.kvHeads ?? 1);
  slider.max = `${steps.length - 1}`;
  slider.value = `${Math.max(0, steps.indexOf(kvHeads))}`;
  slider.disabled = tokens.length === 0 || generating || regrouping || steps.length < 2;
  slider.setAttribute("aria-valuetext", heads(kvHeads));
  say(byId("kv-heads-value"), model === undefined ? "–" : `${kvHeads} of ${model.kvHeads}`);
}

function drawText(place: HTMLElement, tokens: State["tokens"], promptTokens: number): void {
  const text = (part: State["tokens"]): string => part.map((token) => token.text).join("");
  place.replaceChildren(
    make("span", "quiet-text", text(tokens.slice(0, promptTokens))),
    text(tokens.slice(promptTokens)),
  );
}

function drawMap(canvas: HTMLCanvasElement, look: Look | undefined, { plot, head, dark }: State): void {
  if (plot === undefined || look === undefined) canvas.width = canvas.height = 1; // clears it
  else paint(canvas, look, head, colourScale(plot, look, head, dark), MAP);
}

/** The mean over tokens of half the absolute difference: the part of the weight that went elsewhere. */
function moved(a: Look, b: Look, head: number): number {
  const size = a.tokens * a.tokens;
  let sum = 0;
  for (let i = head * size; i < (head + 1) * size; i++) sum += Math.abs(a.values[i]! - b.values[i]!);
  return sum / 2 / a.tokens;
}

function sentence(state: State): string {
  const { regroup, regrouping, generating, tokens, kvHeads, model, layer, head, weights, regroupedLook } = state;
  if (regrouping) return "Averaging heads, and writing again…";
  if (model?.kvHeads === 1) return "This model has one key/value head already.";
  if (tokens.length === 0) return "Move the slider once there is a text.";
  if (generating && kvHeads !== model?.kvHeads) return "It reads and writes the text once that is there.";
  if (regroup?.tokens === undefined) {
    return "Move the slider: heads are averaged, and the text is read and written again.";
  }
  const logits = `After the original's text, logits differ by ${formatNumber(regroup.largestDifference)} at most.`;
  if (weights === undefined || weights.tokens !== regroupedLook?.tokens || weights.layer !== regroupedLook.layer) {
    return logits;
  }
  const share = `${Math.round(100 * moved(weights, regroupedLook, head))} %`;
  return `On the same text, ${share} of the weight in layer ${layer + 1}, head ${
    head + 1
  } goes to other tokens. ${logits}`;
}
