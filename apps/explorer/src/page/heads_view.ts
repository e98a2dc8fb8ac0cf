/** The heads of a layer as small pictures, in the groups that share a key/value head, and the choice of layer and head. */
import { byId, make, say } from "./elements.ts";
import { colourScale, paint } from "./colours.ts";
import type { PageStore, State } from "./state.ts";

/** Pixels of a picture's side at most: as many as style/attention.css gives it on a fine screen. */
const PICTURE = 86;
/** After as long as this a frame begins no further picture. */
const FRAME_MS = 4;

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
  let drawing = 0; // the frame that is waited for
  const draw = (first: number): void => {
    const next = drawPictures(place, first, store.state);
    if (next !== undefined) drawing = requestAnimationFrame(() => draw(next));
  };
  store.view(["weights", "dark", "plot", "model"], () => {
    cancelAnimationFrame(drawing);
    draw(0);
  }, place);
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

/** Draws as many pictures as a frame has time for. @returns the first that it had none for */
function drawPictures(place: HTMLElement, first: number, { weights, dark, plot }: State): number | undefined {
  if (plot === undefined) return undefined;
  const start = performance.now();
  const pictures = [...place.querySelectorAll("canvas")];
  for (const [head, canvas] of pictures.entries()) {
    if (head < first) continue;
    if (head > first && performance.now() - start > FRAME_MS) return head;
    if (weights !== undefined) paint(canvas, weights, head, colourScale(plot, weights, head, dark), PICTURE);
    else canvas.width = canvas.height = 1; // clears it
  }
  return undefined;
}
