// The texts of the member pages.

import { words } from "../shared/words";

export const t = words({
  en: () => import("./words/en.json", { with: { type: "json" } }),
  de: () => import("./words/de.json", { with: { type: "json" } }),
  fr: () => import("./words/fr.json", { with: { type: "json" } }),
});
