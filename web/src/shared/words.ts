// Show texts in the reader's language: English, German or French.

import { signal } from "@preact/signals";
import { localeOf } from "./locale";

export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français" } as const;
export type Language = keyof typeof LANGUAGES;
export type Values = Readonly<Record<string, string | number>>;
type Loader = () => Promise<{ readonly default: Readonly<Record<string, string>> }>;

const STORED = "vouch.language";
const loaders: Readonly<Record<Language, Loader>>[] = [];
const texts = signal<Readonly<Record<string, string>>>({});
export const language = signal<Language>(preferred());

/**
 * Register the texts of a part of the pages; returns the function that shows them.
 *
 * A text may contain `{name}`, which is replaced by a value. A key with the forms `key_one` and
 * `key_other` is shown with the value `n` in the form that the language requires.
 */
export function words<Key extends string>(load: Readonly<Record<Language, () => Promise<{ readonly default: Readonly<Record<Key, string>> }>>>): (key: Key | Stem<Key>, values?: Values) => string {
  loaders.push(load);
  return show;
}

type Stem<Key extends string> = Key extends `${infer Name}_one` ? Name : never;

/** Load the texts of the current language; call it before the first paint. */
export async function loadWords(): Promise<void> {
  const wanted = language.value;
  const loaded = await Promise.all(loaders.map((each) => each[wanted]()));
  if (language.value !== wanted) return; // another one was chosen while they were loaded
  texts.value = Object.assign({}, ...loaded.map((each) => each.default));
  document.documentElement.lang = language.value;
}

/** Change the language, and remember it in this browser. */
export async function choose(chosen: Language): Promise<void> {
  language.value = chosen;
  localStorage.setItem(STORED, chosen);
  // after a deployment, files of the page that is open may be gone: the new page has its own
  await loadWords().catch(() => location.reload());
}

function show(key: string, values: Values = {}): string {
  const n = values["n"];
  const form = typeof n === "number" ? new Intl.PluralRules(language.value).select(n) : "other";
  const text = texts.value[key] ?? texts.value[`${key}_${form}`] ?? texts.value[`${key}_other`] ?? key;
  return text.replace(/\{(\w+)\}/g, (found, name: string) => {
    const value = values[name];
    return value === undefined ? found : typeof value === "number" ? number(value) : value;
  });
}

function preferred(): Language {
  const stored = localStorage.getItem(STORED);
  const wanted = [...(stored ? [stored] : []), ...navigator.languages].map((each) => each.slice(0, 2));
  return (wanted.find((each) => each in LANGUAGES) as Language | undefined) ?? "en";
}

function locale(): string {
  return localeOf(language.value, navigator.languages);
}

/** Format a number as the language writes it. */
export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat(locale(), options).format(value);
}

/** Format UNIX seconds as a date, by default a medium one. */
export function date(at: number, options: Intl.DateTimeFormatOptions = { dateStyle: "medium" }): string {
  return new Intl.DateTimeFormat(locale(), options).format(1000 * at);
}

/** Format UNIX seconds as a date and a time. */
export function moment(at: number): string {
  return date(at, { dateStyle: "medium", timeStyle: "short" });
}
