// Remember in this browser which tokens were viewed.

import { signal } from "@preact/signals";
import type { TokenMap } from "../shared/description";
import type { Token } from "./address";

export interface Recent extends Token {
  readonly name: string;
}

const STORED = "vouch.tokens";
const MOST = 8;

export const recent = signal<readonly Recent[]>(stored());

export function remember({ chain, address }: Token, map: TokenMap): void {
  const others = recent.value.filter((each) => each.address.toLowerCase() !== address.toLowerCase() || each.chain !== chain);
  keep([{ chain, address, name: map.token.symbol ?? map.token.name ?? "" }, ...others].slice(0, MOST));
}

export function forget(): void {
  keep([]);
}

function keep(list: readonly Recent[]): void {
  recent.value = list;
  localStorage.setItem(STORED, JSON.stringify(list));
}

function stored(): readonly Recent[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(list) ? list.filter((each) => [each?.chain, each?.address, each?.name].every((text) => typeof text === "string")) : [];
  } catch {
    return [];
  }
}
