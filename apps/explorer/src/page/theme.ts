/** Light or dark: as the system has it, or as chosen here, which is remembered. */
import { byId, say } from "./elements.ts";
import type { PageStore } from "./state.ts";

const THEMES = [["system", "◐"], ["light", "☀"], ["dark", "☾"]] as const;
const KEY = "heed-theme";

/** Applies the theme, and changes it by a button. */
export function themeView(store: PageStore): void {
  const [button, prefersDark] = [byId("theme"), matchMedia("(prefers-color-scheme: dark)")];
  let at = Math.max(0, THEMES.findIndex(([name]) => name === localStorage.getItem(KEY)));
  const apply = (): void => {
    const [name, sign] = THEMES[at]!; // within the list
    document.documentElement.dataset["theme"] = name;
    say(button, sign);
    button.ariaLabel = `Colours: ${name === "system" ? "as the system" : name}`;
    button.title = button.ariaLabel;
    store.set({ dark: name === "dark" || (name === "system" && prefersDark.matches) });
  };
  button.addEventListener("click", () => {
    at = (at + 1) % THEMES.length;
    localStorage.setItem(KEY, THEMES[at]![0]);
    apply();
  });
  prefersDark.addEventListener("change", apply);
  apply();
}
