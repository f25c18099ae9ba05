// List clusters and holders as a tree that drives the map by keyboard and for screen readers.

import { computed, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Holder, matches, type Model, short, shownName } from "./model";
import { fitAll, moveByKey, reveal } from "./map";
import { hovered, picture, show, shown } from "./store";
import { percent, say } from "./texts";
import { Swatch } from "./swatch";

interface Item {
  readonly id: string;
  readonly level: 1 | 2;
  readonly parent: string | null;
  readonly holder?: Holder;
  /** Place among the items of the same parent, from 1. */
  readonly place: number;
  readonly siblings: number;
}

/** Groups of holders that are in no cluster. */
const PEOPLE = "people";
const INFRASTRUCTURE = "infrastructure";
/** Rows that a group shows at first, and that each request for more adds. */
const STEP = 100;

export const searched = signal("");
const open = signal<ReadonlySet<string>>(new Set());
const limits = signal<ReadonlyMap<string, number>>(new Map());
const current = signal<string | null>(null);

const items = computed<readonly Item[]>(() => (picture.value ? [...listed(picture.value.model)] : []));

function* listed(model: Model): Generator<Item> {
  const groups: [string, readonly Holder[]][] = [
    ...[...model.clusters.values()].map(({ id, members }): [string, readonly Holder[]] => [id, members]),
    [PEOPLE, model.singles.filter(({ kind }) => kind === "eoa")],
    [INFRASTRUCTURE, shown.value.infrastructure ? model.singles.filter(({ kind }) => kind !== "eoa") : []],
  ];
  const found = groups
    .map(([id, holders]): [string, readonly Holder[]] => [id, holders.filter((holder) => matches(holder, searched.value))])
    .filter(([, holders]) => holders.length > 0);
  for (const [index, [id, holders]] of found.entries()) {
    yield { id, level: 1, parent: null, place: index + 1, siblings: found.length };
    if (!isOpen(id)) continue;
    const visible = holders.slice(0, limits.value.get(id) ?? STEP);
    const siblings = visible.length + (visible.length < holders.length ? 1 : 0);
    for (const [place, holder] of visible.entries()) yield { id: holder.address, level: 2, parent: id, holder, place: place + 1, siblings };
    if (visible.length < holders.length) yield { id: `more:${id}`, level: 2, parent: id, place: siblings, siblings };
  }
}

function isOpen(id: string): boolean {
  return open.value.has(id) || (searched.value.trim() !== "" && !open.value.has(`closed:${id}`));
}

function setOpen(id: string, wanted: boolean): void {
  const changed = new Set(open.value);
  if (wanted) changed.add(id).delete(`closed:${id}`);
  else changed.add(`closed:${id}`).delete(id);
  open.value = changed;
}

export function Tree() {
  const list = useRef<HTMLUListElement>(null);
  const focused = items.value.find(({ id }) => id === current.value) ?? items.value[0];
  useEffect(() => followSelection(), [shown.value.selected]);
  return (
    <section class="card stack" aria-labelledby="tree-title">
      <h2 id="tree-title">{say("treeTitle")}</h2>
      <input id="tree-search" type="search" value={searched.value} placeholder={say("searchPlaceholder")} aria-label={say("searchPlaceholder")} onInput={({ currentTarget }) => (searched.value = currentTarget.value)} />
      <p id="tree-keys" class="small quiet">
        {say("treeKeys")}
      </p>
      {items.value.length === 0 && <p class="quiet">{say("nothingFound")}</p>}
      <ul
        class="tree"
        role="tree"
        ref={list}
        aria-labelledby="tree-title"
        aria-describedby="tree-keys"
        hidden={items.value.length === 0}
        onKeyDown={(event) => {
          if (!focused || !pressed(event, focused)) return;
          event.preventDefault();
          requestAnimationFrame(() => focusCurrent(list.current));
        }}
      >
        {items.value.map((item) => (
          <Row key={`${item.parent}/${item.id}`} item={item} isFocused={item === focused} />
        ))}
      </ul>
    </section>
  );
}

function Row({ item, isFocused }: { readonly item: Item; readonly isFocused: boolean }) {
  const isGroup = item.level === 1;
  return (
    <li
      role="treeitem"
      aria-level={item.level}
      aria-posinset={item.place}
      aria-setsize={item.siblings}
      aria-expanded={isGroup ? isOpen(item.id) : undefined}
      aria-selected={item.id === shown.value.selected}
      tabIndex={isFocused ? 0 : -1}
      class={`level-${item.level}`}
      onFocus={() => {
        current.value = item.id;
        hovered.value = item.id;
      }}
      onBlur={() => (hovered.value = null)}
      onClick={(event) => {
        current.value = item.id;
        if (isGroup && (event.target as HTMLElement).closest(".twist")) setOpen(item.id, !isOpen(item.id));
        else activate(item);
      }}
    >
      {isGroup ? <Group id={item.id} /> : item.holder ? <Leaf holder={item.holder} /> : <span>{say("showMore")}</span>}
    </li>
  );
}

function Group({ id }: { readonly id: string }) {
  const cluster = picture.value?.model.clusters.get(id);
  return (
    <>
      <span class="twist" aria-hidden="true">
        {isOpen(id) ? "▾" : "▸"}
      </span>
      {cluster && <Swatch cluster={id} />}
      <span class="grow">{cluster ? say("clusterOf", { rank: cluster.facts.rank, n: cluster.facts.numMembers }) : say(id === PEOPLE ? "otherHolders" : "infrastructure")}</span>
      {cluster && <span class="number">{percent(cluster.facts.share)}</span>}
    </>
  );
}

function Leaf({ holder }: { readonly holder: Holder }) {
  return (
    <>
      <span class="grow">
        {holder.label && <bdi>{shownName(holder.label)} </bdi>}
        <span class="mono">{short(holder.address)}</span>
      </span>
      <span class="number">{holder.amount === 0n ? say("nothingHeld") : percent(holder.ofCirculating ?? holder.ofSupply)}</span>
    </>
  );
}

/** Select a row; a row for more shows more. */
function activate(item: Item): void {
  if (item.id.startsWith("more:")) {
    const group = item.parent as string;
    limits.value = new Map(limits.value).set(group, (limits.value.get(group) ?? STEP) + STEP);
  } else if (item.id === PEOPLE || item.id === INFRASTRUCTURE) {
    setOpen(item.id, !isOpen(item.id));
  } else {
    show({ selected: item.id });
    reveal(item.id);
  }
}

/** React to a key as trees do (ARIA); returns whether the key had a meaning. */
function pressed(event: KeyboardEvent, focused: Item): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (event.shiftKey && event.key.startsWith("Arrow")) return moveByKey(event.key);
  const at = items.value.indexOf(focused);
  const isGroup = focused.level === 1;
  switch (event.key) {
    case "ArrowDown":
      return focusOn(items.value[at + 1]);
    case "ArrowUp":
      return focusOn(items.value[at - 1]);
    case "Home":
      return focusOn(items.value[0]);
    case "End":
      return focusOn(items.value.at(-1));
    case "ArrowRight":
      if (isGroup && isOpen(focused.id)) return focusOn(items.value[at + 1]);
      if (isGroup) setOpen(focused.id, true);
      return isGroup;
    case "ArrowLeft":
      if (isGroup) setOpen(focused.id, false);
      else focusOn(items.value.find(({ id, level }) => level === 1 && id === focused.parent));
      return true;
    case "Enter":
    case " ":
      activate(focused);
      return true;
    case "Escape":
      show({ selected: null });
      return true;
    case "0":
      fitAll();
      return true;
    default:
      return moveByKey(event.key);
  }
}

function focusOn(item: Item | undefined): boolean {
  if (item) current.value = item.id;
  return item !== undefined;
}

/** Give the focus to the current row, unless another key has moved it out of the tree. */
function focusCurrent(tree: HTMLElement | null): void {
  const { activeElement, body } = document;
  if (tree?.contains(activeElement) || activeElement === body) tree?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
}

/** Show in the tree what was selected on the map. */
function followSelection(): void {
  const { selected } = shown.value;
  const holder = selected === null ? undefined : picture.value?.model.holders.get(selected);
  if (holder?.clusterId) setOpen(holder.clusterId, true);
  if (selected !== null && (holder?.clusterId || picture.value?.model.clusters.has(selected))) current.value = selected;
}
