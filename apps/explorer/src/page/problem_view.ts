/** What went wrong, until it is dismissed. */
import { byId, say } from "./elements.ts";
import type { PageStore } from "./state.ts";

/** Shows a store's problem. */
export function problemView(store: PageStore): void {
  byId("close-problem").addEventListener("click", () => store.set({ problem: undefined }));
  store.view(["problem"], ({ problem }) => {
    const box = byId("problem");
    box.hidden = problem === undefined;
    say(byId("problem-says"), problem ?? "");
    const dialog = document.querySelector<HTMLDialogElement>("dialog[open]");
    (dialog ?? document.body).append(box); // what lies below an open dialog can be neither seen nor reached
  });
}
