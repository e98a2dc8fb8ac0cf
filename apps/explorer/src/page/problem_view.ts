/** What went wrong, until it is dismissed. */
import { byId, say } from "./elements.ts";
import type { PageStore } from "./state.ts";

/** Shows a store's problem. */
export function problemView(store: PageStore): void {
  const [box, dialog] = [byId("problem"), byId("models", HTMLDialogElement)];
  const place = (): void => (dialog.open ? dialog : document.body).append(box); // below an open dialog it is out of reach
  byId("close-problem").addEventListener("click", () => store.set({ problem: undefined }));
  dialog.addEventListener("close", place);
  store.view(["problem"], ({ problem }) => {
    box.hidden = problem === undefined;
    say(byId("problem-says"), problem ?? "");
    place();
  });
}
