/** The prompt, its settings, and the button that begins and stops. */
import type { Actions } from "./actions.ts";
import { byId, say } from "./elements.ts";
import type { PageStore } from "./state.ts";

/** Takes what is typed, and tells whether it writes. */
export function promptView(store: PageStore, actions: Actions): void {
  const button = byId("generate", HTMLButtonElement);
  const prompt = byId("prompt", HTMLTextAreaElement);
  const number = (id: string): number => byId(id, HTMLInputElement).valueAsNumber;
  byId("prompt-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (store.state.generating) return void actions.stop();
    const [temperature, seed, maxTokens] = [number("temperature"), number("seed"), number("max-tokens")];
    void actions.generate({ prompt: prompt.value, temperature, seed, maxTokens });
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    prompt.form?.requestSubmit();
  });
  store.view(["generating", "model", "loading"], ({ generating, model, loading }) => {
    say(button, generating ? "Stop" : "Generate");
    button.disabled = model === undefined || loading !== undefined;
  });
}
