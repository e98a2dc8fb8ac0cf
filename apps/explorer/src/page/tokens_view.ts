/**
 * The text, a token at a time: point at one, or move with the arrow keys, and what it looks at is shaded. Tokens are the
 * options of a list box, of which one at a time can be reached by Tab.
 */
import { formatNumber } from "../format.ts";
import type { Token } from "../protocol.ts";
import { byId, make, say } from "./elements.ts";
import type { PageStore, State } from "./state.ts";

/** A token that completes no character. */
export const PART = "◌";

/** Draws the text of a store, and moves its token. */
export function tokensView(store: PageStore): void {
  const box = byId("tokens");
  const says = byId("token-says");
  box.addEventListener("pointerover", ({ target }) => choose(store, target));
  box.addEventListener("focusin", ({ target }) => choose(store, target));
  box.addEventListener("click", ({ target }) => choose(store, target));
  box.addEventListener("keydown", (event) => {
    const to = moved(event.key, store.state);
    if (to === undefined) return;
    event.preventDefault();
    chipOf(box, to)?.focus();
  });
  let drawn: Drawn = { tokens: [], promptTokens: 0 };
  store.view(["tokens", "promptTokens"], ({ tokens, promptTokens }) => {
    const now = { tokens, promptTokens };
    drawTokens(box, now, drawn);
    drawn = now;
  });
  store.view(["tokens", "token", "key", "weights", "head"], (state) => shade(box, state), box);
  store.view(["model", "tokens", "token", "weights", "head"], (state) => say(says, sentence(state)));
  store.view(["token"], ({ token, follows }) => {
    const chip = chipOf(box, token);
    if (chip !== undefined && !follows) reveal(box, chip);
  });
}

function chipOf(box: HTMLElement, index: number): HTMLElement | undefined {
  return box.children[index] as HTMLElement | undefined; // drawTokens makes nothing else
}

/** Scrolls the text, and not the page, to a token that is out of sight. */
function reveal(box: HTMLElement, chip: HTMLElement): void {
  const [outer, inner] = [box.getBoundingClientRect(), chip.getBoundingClientRect()];
  if (inner.bottom <= outer.top || inner.top >= outer.bottom) box.scrollTop += inner.top - outer.top - outer.height / 2;
}

function choose(store: PageStore, target: EventTarget | null): void {
  const index = target instanceof HTMLElement ? target.dataset["index"] : undefined;
  if (index !== undefined) store.set({ token: Number(index), follows: false });
}

function moved(key: string, { token, tokens }: State): number | undefined {
  const last = tokens.length - 1;
  if (key === "ArrowRight" || key === "ArrowDown") return Math.min(token + 1, last);
  if (key === "ArrowLeft" || key === "ArrowUp") return Math.max(token - 1, 0);
  return key === "Home" ? 0 : key === "End" ? last : undefined;
}

/** What the chips show. */
interface Drawn {
  readonly tokens: readonly Token[];
  readonly promptTokens: number;
}

/** Draws the tokens that are not there yet; all of them where the text is not the one before, written on. */
function drawTokens(box: HTMLElement, { tokens, promptTokens }: Drawn, before: Drawn): void {
  const goesOn = before.promptTokens === promptTokens && before.tokens.every(({ id }, i) => id === tokens[i]?.id);
  if (!goesOn) box.replaceChildren();
  for (let i = box.children.length; i < tokens.length; i++) {
    const chip = make("span", i < promptTokens ? "token" : "token written", shown(tokens[i]!.text));
    chip.setAttribute("role", "option");
    chip.tabIndex = -1;
    chip.title = `${i}: id ${tokens[i]!.id}`;
    chip.dataset["index"] = `${i}`;
    box.append(chip);
  }
  if (tokens.length > 0) {
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-label", "Tokens of the text");
    box.setAttribute("aria-orientation", "horizontal");
  } else for (const name of ["role", "aria-label", "aria-orientation"]) box.removeAttribute(name);
}

/** A line's end is shown, and ends the line; so is a token in the middle of a character. */
function shown(text: string): string {
  return text === "" ? PART : text.replaceAll("\n", "↵\n");
}

/** A token as sentences quote it. */
export function quoted(token: Token | undefined): string {
  if (token === undefined) return "";
  return `“${token.text === "" ? PART : token.text.replaceAll("\n", "↵").trim() || "␣"}”`;
}

/** The chosen token's weights in the chosen head, `[T]`; undefined where they are not there yet. */
export function weightsOf({ weights, head, token }: State): Float32Array | undefined {
  if (weights === undefined || token >= weights.tokens) return undefined;
  const start = (head * weights.tokens + token) * weights.tokens;
  return weights.values.subarray(start, start + weights.tokens);
}

function shade(box: HTMLElement, state: State): void {
  const row = weightsOf(state);
  if (state.follows) box.scrollTop = box.scrollHeight;
  for (let i = 0; i < box.children.length; i++) {
    const chip = chipOf(box, i)!;
    const chosen = i === state.token;
    const weight = Math.sqrt(row?.[i] ?? 0).toFixed(2); // finer shades are not seen, and cost: each is a style to work out
    if (chip.style.getPropertyValue("--weight") !== weight) chip.style.setProperty("--weight", weight);
    chip.classList.toggle("chosen", chosen);
    chip.classList.toggle("pointed", i === state.key);
    if ((chip.tabIndex === 0) !== chosen) chip.tabIndex = chosen ? 0 : -1;
    if ((chip.ariaSelected === "true") !== chosen || chip.ariaSelected === null) chip.ariaSelected = `${chosen}`;
  }
}

function sentence(state: State): string {
  const { tokens, token, model } = state;
  if (tokens.length === 0) return `No text yet: ${model === undefined ? "choose a model first" : "press Generate"}.`;
  const row = weightsOf(state);
  if (row === undefined) return `Token ${token}, ${quoted(tokens[token])}`;
  const most = [...row.keys()].sort((a, b) => row[b]! - row[a]!).slice(0, 3).filter((i) => row[i]! >= 0.01);
  const parts = most.map((i) => `${quoted(tokens[i])} (${i}) ${formatNumber(row[i]!)}`);
  return `Token ${token}, ${quoted(tokens[token])}, looks at ${parts.join(", ")}`;
}
