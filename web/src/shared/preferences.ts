// Remember the colours that the reader chose in this browser.

import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const STORED = "vouch.theme";

export const theme = signal<Theme>((localStorage.getItem(STORED) as Theme | null) ?? "auto");

/** Show the chosen theme; "auto" follows the system. */
export function applyTheme(chosen: Theme = theme.value): void {
  theme.value = chosen;
  localStorage.setItem(STORED, chosen);
  if (chosen === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset["theme"] = chosen;
}
