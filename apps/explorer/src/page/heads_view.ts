/** The heads of a layer as small pictures, in the groups that share a key/value head, and the choice of layer and head. */
import { byId, make, say } from "./elements.ts";
import { colourScale, paint } from "./colours.ts";
import type { PageStore, State } from "./state.ts";

/** Pixels of a picture's side at most. */
const PICTURE = 64;

/** Draws the heads of a store, and chooses among them. */
export function headsView(store: PageStore): void {
  const [place, says] = [byId("heads"), byId("groups-say")];
  const layer = byId("layer", HTMLInputElement);
  layer.addEventListener("input", () => store.set({ layer: layer.valueAsNumber }));
  place.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement) store.set({ head: Number(target.value) });
  });
  store.view(["model"], ({ model }) => {
    layer.disabled = model === undefined;
    layer.max = `${(model?.layers ?? 1) - 1}`;
    say(says, model === undefined ? "query heads in the groups that share keys and values" : sentence(model));
    place.replaceChildren(...groups(model));
  });
  store.view(["layer", "model"], (state) => {
    layer.value = `${state.layer}`;
    say(byId("layer-value"), state.model === undefined ? "–" : `${state.layer + 1} of ${state.model.layers}`);
  });
  store.view(["head", "model"], ({ head }) => {
    const radio = place.querySelector<HTMLInputElement>(`input[value="${head}"]`);
    if (radio !== null) radio.checked = true;
  });
  store.view(["weights", "dark", "plot", "model"], (state) => drawPictures(place, state));
}

function sentence({ heads, kvHeads }: NonNullable<State["model"]>): string {
  if (heads === kvHeads) return `${heads} heads, each with keys and values of its own`;
  const group = heads / kvHeads;
  return kvHeads === 1
    ? `all ${heads} share one key/value head`
    : `${heads} query heads, ${group} to each of ${kvHeads} key/value heads`;
}

function groups(model: State["model"]): HTMLElement[] {
  if (model === undefined) return [make("p", "empty", "The heads of a model appear here.")];
  const size = model.heads / model.kvHeads;
  return Array.from({ length: model.kvHeads }, (_, group) => {
    const field = make("fieldset", "group", make("legend", "", `key/value head ${group + 1}`));
    for (let i = 0; i < size; i++) field.append(headChoice(group * size + i));
    return field;
  });
}

function headChoice(head: number): HTMLElement {
  const radio = make("input");
  Object.assign(radio, { type: "radio", name: "head", value: `${head}` });
  const picture = make("canvas", "map");
  picture.setAttribute("aria-hidden", "true");
  const label = make(
    "label",
    "head",
    radio,
    picture,
    make("span", "", make("span", "hidden", "query head "), `${head + 1}`),
  );
  return label;
}

function drawPictures(place: HTMLElement, { weights, dark, plot }: State): void {
  if (plot === undefined) return;
  const pictures = place.querySelectorAll("canvas");
  const scale = weights && colourScale(plot, weights.stage, weights.values, dark);
  for (const [head, canvas] of pictures.entries()) {
    if (weights !== undefined && scale !== undefined) paint(canvas, weights, head, scale, PICTURE);
    else canvas.width = canvas.height = 1; // clears it
  }
}
