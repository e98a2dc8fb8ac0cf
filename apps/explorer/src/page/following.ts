/** Attention is looked up as layer, head, stage, token and text change: always the latest, and one at a time. */
import type { Look, Stage, Variant } from "../protocol.ts";
import type { Actions } from "./actions.ts";
import { latest } from "./latest.ts";
import type { PageStore } from "./state.ts";

/** While it writes, time between looks, so that most of the worker's goes into writing. */
const WRITING_MS = 250;

/** Follows a store. */
export function followAttention(store: PageStore, actions: Actions): void {
  const look = async (stage: Stage, variant: Variant): Promise<Look | undefined> => {
    try {
      return await actions.worker.call("look", { layer: store.state.layer, stage, variant });
    } catch {
      return undefined; // whoever writes or switches is told
    }
  };
  const refresh = latest(async () => {
    const { stage, tokens, regroup } = store.state;
    if (tokens.length === 0) return;
    const weights = await look("weights", "original");
    const shown = stage === "weights" ? weights : await look(stage, "original");
    const regroupedLook = regroup?.tokens === undefined ? undefined : await look("weights", "regrouped");
    store.set({ weights, look: shown, regroupedLook });
    if (store.state.generating) await new Promise((resolve) => setTimeout(resolve, WRITING_MS));
  });
  const refreshRow = latest(async () => {
    const { layer, head, token, tokens } = store.state;
    if (token >= tokens.length) return store.set({ row: undefined });
    try {
      store.set({ row: await actions.worker.call("row", { layer, head, token }) });
    } catch {
      store.set({ row: undefined }); // as above
    }
    if (store.state.generating) await new Promise((resolve) => setTimeout(resolve, WRITING_MS));
  });
  store.view(["layer", "stage", "tokens", "regroup", "switching"], refresh);
  store.view(["layer", "head", "token", "tokens", "switching"], refreshRow);
}
