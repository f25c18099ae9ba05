// Read and write the address of the page: which token, when, compared with what, and what is shown.

import type { Switches } from "./model";

export interface Token {
  readonly chain: string;
  readonly address: string;
}

export interface Shown extends Switches {
  /** UNIX seconds of the shown report; null: the newest. */
  readonly at: number | null;
  /** UNIX seconds of the report that it is compared with. */
  readonly from: number | null;
  /** An address, or the id of a cluster. */
  readonly selected: string | null;
  /** The number of the largest holders next to the members of clusters. */
  readonly top: Top;
}

export const TOPS = ["100", "500", "1000", "5000"] as const;
export type Top = (typeof TOPS)[number];

export const ROOT = "/app/token/";
export const DEFAULTS: Shown = { at: null, from: null, selected: null, top: "1000", infrastructure: true, areas: false, evidence: true, transfers: false };

const SWITCHES = ["infrastructure", "areas", "evidence", "transfers"] as const;
const SELECTED = /^(0x[0-9a-fA-F]{40}|c_[0-9A-Za-z]{1,64})$/;

/** Return the token that a path names, or null for the search. */
export function tokenIn(path: string): Token | null {
  if (!path.startsWith(ROOT)) return null;
  const [chain, address, ...rest] = path.slice(ROOT.length).split("/").map(decoded);
  return chain && address && rest.every((each) => each === "") ? { chain, address } : null;
}

export function pathOf({ chain, address }: Token): string {
  return `${ROOT}${encodeURIComponent(chain)}/${encodeURIComponent(address)}`;
}

/** Return what the query of an address asks to show; what is malformed is ignored. */
export function shownIn(query: string): Shown {
  const parameters = new URLSearchParams(query);
  const selected = parameters.get("select") ?? "";
  const switches = Object.fromEntries(
    SWITCHES.map((name) => [name, parameters.has(name) ? parameters.get(name) === "1" : DEFAULTS[name]]),
  ) as unknown as Switches;
  return {
    at: seconds(parameters.get("at")),
    from: seconds(parameters.get("from")),
    selected: SELECTED.test(selected) ? selected : null,
    top: TOPS.find((each) => each === parameters.get("top")) ?? DEFAULTS.top,
    ...switches,
  };
}

/** Return the query for what is shown; defaults are left out. */
export function queryOf(shown: Shown): string {
  const parameters = new URLSearchParams();
  if (shown.at !== null) parameters.set("at", String(shown.at));
  if (shown.from !== null) parameters.set("from", String(shown.from));
  if (shown.selected !== null) parameters.set("select", shown.selected);
  if (shown.top !== DEFAULTS.top) parameters.set("top", shown.top);
  for (const name of SWITCHES) if (shown[name] !== DEFAULTS[name]) parameters.set(name, shown[name] ? "1" : "0");
  return parameters.size > 0 ? `?${parameters}` : "";
}

function seconds(text: string | null): number | null {
  return text !== null && /^[0-9]{1,10}$/.test(text) ? Number(text) : null;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
