/** Which backend computes, how fast each one was, and how far two lie apart. */
import { formatNumber } from "../format.ts";
import type { BackendChoice } from "../protocol.ts";
import type { Actions } from "./actions.ts";
import { byId, make, say } from "./elements.ts";
import type { PageStore, State } from "./state.ts";

/** Draws the figures, and switches. */
export function backendsView(store: PageStore, actions: Actions): void {
  const select = byId("backend", HTMLSelectElement);
  select.addEventListener("change", () => void actions.switchBackend(select.value as BackendChoice)); // its options are choices
  const nameOf = (choice: string): string => [...select.options].find(({ value }) => value === choice)?.text ?? choice;
  store.view(["backend", "switching", "loading"], ({ backend, switching, loading }) => {
    select.value = backend;
    select.disabled = switching || loading !== undefined;
  });
  store.view(["speeds", "backend"], ({ speeds, backend }) => {
    say(byId("speed"), showSpeed(speeds[backend]?.writing));
    byId("speeds").replaceChildren(
      ...Object.entries(speeds).map(([choice, { prompt, writing }]) => {
        const name = make("th", "", nameOf(choice));
        name.scope = "row";
        return make(
          "tr",
          choice === backend ? "now" : "",
          name,
          make("td", "", showSpeed(prompt)),
          make("td", "", showSpeed(writing)),
        );
      }),
    );
  });
  store.view(["difference", "switching"], (state) => {
    say(byId("difference"), state.difference === undefined ? "–" : formatNumber(state.difference.largest));
    say(byId("difference-says"), sentence(state, nameOf));
  });
  store.view(["backendSays"], ({ backendSays }) => say(byId("backend-says"), backendSays));
}

function showSpeed(tokensPerSecond: number | undefined): string {
  if (tokensPerSecond === undefined) return "–";
  return tokensPerSecond >= 10 ? `${Math.round(tokensPerSecond)}` : tokensPerSecond.toFixed(1);
}

function sentence({ difference, switching }: State, nameOf: (choice: string) => string): string {
  if (switching) return "Moving the model, and reading the text again…";
  if (difference === undefined) {
    return "The same text is read again after a switch, and the next token's logits are compared.";
  }
  const { from, to, tokens, largest, scale, sameToken } = difference;
  return `${nameOf(from)} to ${nameOf(to)}, after ${tokens} tokens: logits differ by ${
    formatNumber(largest)
  } at most ` +
    `(the largest is ${formatNumber(scale)}); ${
      sameToken ? "the same token is most likely" : "another token is most likely"
    }.`;
}
