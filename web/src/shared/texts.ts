// The texts that all pages share.

import { words } from "./words";

export const say = words({
  en: () => import("./words/en.json", { with: { type: "json" } }),
  de: () => import("./words/de.json", { with: { type: "json" } }),
  fr: () => import("./words/fr.json", { with: { type: "json" } }),
});
