/** The dialog of models: the server's, those kept here, by address, by files; and how loading goes. */
import { isSameFile } from "../file_on_server.ts";
import { formatBytes } from "../format.ts";
import type { ModelSource, Progress, StoredModel } from "../protocol.ts";
import type { Actions } from "./actions.ts";
import { modelAt } from "./address.ts";
import { byId, make, say } from "./elements.ts";
import type { OfferedModel, PageStore, State } from "./state.ts";

const PHASES: Readonly<Record<Progress["phase"], string>> = {
  downloading: "Downloading",
  copying: "Copying for the next visit",
  checking: "Checking",
  reading: "Reading weights",
};

/** Draws the dialog, and loads what is chosen. */
export function modelsView(store: PageStore, actions: Actions): void {
  const dialog = byId("models", HTMLDialogElement);
  byId("open-models").addEventListener("click", () => dialog.showModal());
  byId("close-models").addEventListener("click", () => dialog.close());
  byId("cancel").addEventListener("click", () => void actions.cancel());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void actions.list(); // another tab may have loaded or removed some
  });
  takeAddress(store, actions);
  takeFiles(store, actions, dialog);
  let drawn = "";
  store.view(["offered", "stored", "loading"], (state) => {
    const now = JSON.stringify([state.offered, state.stored, state.loading !== undefined]);
    if (now !== drawn) drawList(state, actions); // else a button could be gone while it is being pressed
    drawn = now;
  });
  store.view(["loading"], ({ loading }) => drawLoading(loading));
  store.view(["stored"], ({ stored }) => void sayStorage(stored));
  store.view(["model"], ({ model }) => {
    say(byId("model-name"), model?.name ?? "Choose a model");
    byId("open-models").title = model === undefined ? "" : `${model.name}, ${formatBytes(model.byteLength)}`;
    if (model !== undefined) dialog.close();
  });
}

function takeAddress(store: PageStore, actions: Actions): void {
  byId("url-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      const model = modelAt(byId("url", HTMLInputElement).value, location.href);
      void actions.load(model.name, { kind: "remote", model });
    } catch (error) {
      store.set({ problem: (error as Error).message }); // modelAt throws nothing else
    }
  });
}

function takeFiles(store: PageStore, actions: Actions, dialog: HTMLDialogElement): void {
  const load = (files: readonly File[]): void => {
    if (files.length === 0) return;
    if (!dialog.open) dialog.showModal();
    const [names, { loading }] = [files.map(({ name }) => name).join(", "), store.state];
    if (loading === undefined) return void actions.load(names, { kind: "files", files });
    store.set({ problem: `Cannot open ${names} while ${loading.name} is being loaded: wait for that, or cancel it` });
  };
  const input = byId("files", HTMLInputElement);
  input.addEventListener("change", () => {
    load([...input.files ?? []]);
    input.value = ""; // the same file can be chosen again
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    load([...event.dataTransfer?.files ?? []]);
  });
}

function drawList({ offered, stored, loading }: State, actions: Actions): void {
  const rows = [
    ...stored.map((model) => storedRow(model, actions)),
    ...offered.filter((model) => !stored.some((kept) => isSameFile(kept, model))).map((model) => {
      return offeredRow(model, stored.some(({ name }) => name === model.name), actions);
    }),
  ];
  byId("model-list").replaceChildren(
    ...(rows.length > 0 ? rows : [make("li", "empty", "None yet: choose one below.")]),
  );
  for (const button of document.querySelectorAll<HTMLButtonElement>("#model-list button, #url-form button")) {
    button.disabled = loading !== undefined;
  }
}

function storedRow(model: StoredModel, actions: Actions): HTMLElement {
  const { key, name, complete, remote } = model;
  const open = make("button", "primary", complete ? "Open" : "Resume");
  const source: ModelSource | undefined = complete
    ? { kind: "stored", key }
    : remote && { kind: "remote", model: remote };
  open.addEventListener("click", () => source && void actions.load(name, source));
  const remove = make("button", "quiet", "✕");
  remove.ariaLabel = `Remove ${name}`;
  remove.addEventListener("click", () => void actions.remove(key));
  const size = complete
    ? `${formatBytes(model.byteLength)}, kept here`
    : `${formatBytes(model.storedBytes)} of ${formatBytes(model.byteLength)} here`;
  return make(
    "li",
    "",
    make("span", "name", name),
    make("small", "", size),
    ...(source === undefined ? [] : [open]),
    remove,
  );
}

function offeredRow(model: OfferedModel, isOther: boolean, actions: Actions): HTMLElement {
  const load = make("button", "primary", "Load");
  load.addEventListener("click", () => void actions.load(model.name, { kind: "remote", model }));
  const size = `${formatBytes(model.byteLength)}${isOther ? ", as the server has it now" : ""}`;
  return make("li", "", make("span", "name", model.name), make("small", "", size), load);
}

async function sayStorage(stored: readonly StoredModel[]): Promise<void> {
  const { quota = 0, usage = 0 } = await navigator.storage?.estimate() ?? {}; // pages that are not secure have none
  const kept = formatBytes(stored.reduce((total, { storedBytes }) => total + storedBytes, 0));
  const free = formatBytes(Math.max(0, quota - usage));
  say(byId("storage-says"), quota === 0 ? "" : `Models take ${kept} of this browser's storage; ${free} are left.`);
}

function drawLoading(loading: State["loading"]): void {
  const { phase, doneBytes = 0, totalBytes = 0 } = loading?.progress ?? {};
  byId("loading").hidden = byId("busy").hidden = loading === undefined;
  for (const bar of [byId("progress", HTMLProgressElement), byId("busy", HTMLProgressElement)]) {
    if (totalBytes > 0) bar.value = doneBytes / totalBytes;
    else bar.removeAttribute("value");
  }
  const done = totalBytes > 0 ? ` ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}` : "";
  say(
    byId("progress-says"),
    loading === undefined ? "" : `${phase === undefined ? "Asking for" : PHASES[phase]} ${loading.name}${done}`,
  );
}
