/** Light or dark: as the system has it, or as chosen here, which is remembered. */
import { byId, say } from "./elements.ts";
import type { PageStore } from "./state.ts";

const THEMES = [["system", "◐"], ["light", "☀"], ["dark", "☾"]] as const;
const KEY = "heed-theme";

/** Applies the theme, and changes it by a button. */
export function themeView(store: PageStore): void {
  const [button, prefersDark] = [byId("theme"), matchMedia("(prefers-color-scheme: dark)")];
  let at = Math.max(0, THEMES.findIndex(([name]) => name === remembered()));
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
    remember(THEMES[at]![0]);
    apply();
  });
  prefersDark.addEventListener("change", apply);
  apply();
}

/** What was chosen in an earlier visit, where the browser lends the page storage. */
function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(theme: string): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // it holds for this visit
  }
}
