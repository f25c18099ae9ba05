// The texts of the token page, and how it writes numbers.

import { language, number, words } from "../shared/words";
import { decimal } from "./model";

export const say = words({
  en: () => import("./words/en.json", { with: { type: "json" } }),
  de: () => import("./words/de.json", { with: { type: "json" } }),
  fr: () => import("./words/fr.json", { with: { type: "json" } }),
});

type Keys = Parameters<typeof say>[0];

/** Say a text whose key depends on a value of the API; one that is not known is shown as it is, or as `other`. */
export function named(prefix: string, value: string, other = value): string {
  const key = `${prefix}_${value}`;
  const text = say(key as Keys);
  return text === key ? other : text;
}

export function percent(share: number): string {
  if (share > 0 && share < 0.00001) return `< ${number(0.00001, { style: "percent", maximumFractionDigits: 3 })}`;
  return number(share, { style: "percent", maximumSignificantDigits: 3 });
}

/** Write an amount of tokens exactly up to two digits, or `digits`, after the point. */
export function tokens(amount: bigint, decimals: number | null, digits = 2): string {
  const text = decimal(amount, decimals ?? 0);
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(text as unknown as number);
}
