// Turn the map of a report into what is drawn, listed and searched.

import type { MapCluster, MapNode, TokenMap } from "../shared/description";
import type { Item, Packing } from "./packing";

export interface Holder {
  readonly address: string;
  readonly amount: bigint;
  /** Share of all that exists, 0 to 1. */
  readonly ofSupply: number;
  /** Share of what circulates, 0 to 1; null for infrastructure, which does not take part. */
  readonly ofCirculating: number | null;
  readonly kind: MapNode["kind"];
  readonly label: string | null;
  readonly rank: number | null;
  readonly clusterId: string | null;
  readonly firstFunder: string | null;
  readonly isIntermediary: boolean;
}

export interface Cluster {
  readonly id: string;
  readonly facts: MapCluster;
  /** The largest first. */
  readonly members: readonly Holder[];
}

export interface Model {
  readonly map: TokenMap;
  readonly holders: ReadonlyMap<string, Holder>;
  /** The largest first. */
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** Holders outside of clusters, the largest first. */
  readonly singles: readonly Holder[];
  /** Whether every holder that the report lists is shown. */
  readonly isComplete: boolean;
  /** The distributor's address -> the number of wallets that it paid. */
  readonly distributors: ReadonlyMap<string, number>;
}

/** The parts of the picture that can be switched on and off. */
export interface Switches {
  readonly infrastructure: boolean;
  /** Areas, rather than flattened radii, are proportional to amounts. */
  readonly areas: boolean;
  readonly evidence: boolean;
  readonly transfers: boolean;
}

export const TRUE_AREAS = 0.5;
/** Readable even when one wallet holds most of a supply. */
export const FLATTENED = 0.33;

export function modelOf(map: TokenMap): Model {
  const total = totalOf(map);
  const circulating = total * map.supply.circulating;
  const rows = map.nodes.map((node) => holderOf(node, total, circulating));
  const holders = new Map(rows.map((row) => [row.address, row]));
  const largestFirst = [...rows].sort(byAmount);
  const members = new Map<string, Holder[]>();
  for (const row of largestFirst) {
    if (row.clusterId === null) continue;
    const known = members.get(row.clusterId);
    if (known) known.push(row);
    else members.set(row.clusterId, [row]);
  }
  const clusters = new Map(map.clusters.map((facts) => [facts.id, { id: facts.id, facts, members: members.get(facts.id) ?? [] }]));
  return {
    map,
    holders,
    clusters,
    singles: largestFirst.filter(({ clusterId }) => clusterId === null || !clusters.has(clusterId)),
    isComplete: rows.filter(({ rank }) => rank !== null).length >= map.listedHolders,
    distributors: new Map(map.distributions.map(({ source, recipients }) => [source, recipients])),
  };
}

/** Return how much shares refer to: the reported supply, or what is held if more than that is. */
function totalOf(map: TokenMap): number {
  const held = map.nodes.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  const reported = BigInt(map.token.totalSupply);
  return Number(reported > held ? reported : held) || 1;
}

function holderOf(node: MapNode, total: number, circulating: number): Holder {
  const amount = BigInt(node.amount);
  const isPerson = node.kind === "eoa";
  return {
    address: node.address,
    amount,
    ofSupply: Number(amount) / total,
    ofCirculating: isPerson && circulating > 0 ? Math.min(1, Number(amount) / circulating) : null,
    kind: node.kind,
    label: node.label ?? null,
    rank: node.rank ?? null,
    clusterId: node.clusterId ?? null,
    firstFunder: node.firstFunder ?? null,
    isIntermediary: node.intermediary === true,
  };
}

function byAmount(a: Holder, b: Holder): number {
  return a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : a.address < b.address ? -1 : 1;
}

/** Return what is packed; without infrastructure, radii follow from what circulates. */
export function packingOf(model: Model, { infrastructure, areas }: Switches): Packing {
  const isShown = ({ kind }: Holder): boolean => infrastructure || kind === "eoa";
  const item = (holder: Holder): Item => ({
    id: holder.address,
    value: infrastructure ? holder.ofSupply : (holder.ofCirculating ?? 0),
  });
  return {
    groups: [...model.clusters.values()].map(({ id, members }) => ({ id, members: members.filter(isShown).map(item) })),
    singles: model.singles.filter(isShown).map(item),
    exponent: areas ? TRUE_AREAS : FLATTENED,
  };
}

/** Return the holders and clusters that a search finds by address, label or rank. */
export function matches(holder: Holder, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return wanted === "" || holder.address.toLowerCase().includes(wanted) || (holder.label?.toLowerCase().includes(wanted) ?? false);
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;
const LONGEST_NAME = 40;

/** Return a name as it can be shown: strangers choose names, and hide characters in them. */
export function shownName(name: string): string {
  const visible = [...name.replace(CONTROL, "")];
  return visible.length > LONGEST_NAME ? `${visible.slice(0, LONGEST_NAME - 1).join("")}…` : visible.join("");
}

/** Return an address shortened in its middle. */
export function short(address: string): string {
  return address.length > 14 ? `${address.slice(0, 6)}…${address.slice(-4)}` : address;
}

/** Return an amount of tokens as decimal digits, exactly. */
export function decimal(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, "0");
  const units = digits.slice(0, digits.length - decimals);
  const rest = decimals > 0 ? digits.slice(-decimals).replace(/0+$/, "") : "";
  return rest ? `${units}.${rest}` : units;
}
