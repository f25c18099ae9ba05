// Pack holders into discs and discs into one map: the same data always gives the same picture.

import { packEnclose, packSiblings } from "d3-hierarchy";
import { type Circle, Grid, nearestFree, outward } from "./circles";

export interface Item {
  readonly id: string;
  /** Share of the supply, from 0 to 1; 0 for a holder that is shown because it connects others. */
  readonly value: number;
}

export interface Group {
  readonly id: string;
  readonly members: readonly Item[];
}

export interface Packing {
  readonly groups: readonly Group[];
  readonly singles: readonly Item[];
  /** Power of the share that gives the radius: 0.5 makes areas proportional to shares. */
  readonly exponent: number;
}

export interface Layout {
  /** Holder -> its circle. */
  readonly circles: ReadonlyMap<string, Circle>;
  /** Cluster -> the disc around its members. */
  readonly discs: ReadonlyMap<string, Circle>;
  /** Member -> its cluster. */
  readonly homes: ReadonlyMap<string, string>;
  /** Everything is within this distance of the centre. */
  readonly reach: number;
}

/** Above this number of holders the layout is made in a worker. */
export const WORKER_ABOVE = 1_500;

/** Radius of a holder of the complete supply. */
const SCALE = 1_000;
const LEAST_RADIUS = 2;
const MEMBER_GAP = 1.5;
const GAP = 3;
const MARGIN = 5;

interface Named extends Circle {
  readonly id: string;
}

interface Disc extends Named {
  readonly members: readonly Named[];
  /** Where the centre is relative to that of the older disc. */
  readonly shift: Circle;
}

export function radiusOf(value: number, exponent: number): number {
  return value > 0 ? Math.max(LEAST_RADIUS, SCALE * value ** exponent) : LEAST_RADIUS * 1.5;
}

/** Return a layout; with an older one, everything stays as close to where it was as there is room. */
export function pack(packing: Packing, older?: Layout): Layout {
  const discs = packing.groups
    .filter((group) => group.members.length > 0)
    .map((group) => disc(group, packing.exponent, older));
  const singles = packing.singles.map((item) => circle(item, packing.exponent, GAP));
  const outer = [...discs.map(({ id, r }) => ({ id, x: 0, y: 0, r })), ...singles];
  const placed = older === undefined ? fresh(outer) : seeded(outer, wantedPlaces(discs, outer, older));
  return assembled(discs, placed);
}

function circle(item: Item, exponent: number, gap: number): Named {
  return { id: item.id, x: 0, y: 0, r: radiusOf(item.value, exponent) + gap / 2 };
}

function bySize(a: Named, b: Named): number {
  return b.r - a.r || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function fresh(circles: readonly Named[]): Named[] {
  return packSiblings([...circles].sort(bySize).map((each) => ({ ...each })));
}

/** Pack the members of a cluster, where they were if most of them belonged to it before. */
function disc(group: Group, exponent: number, older?: Layout): Disc {
  const members = group.members.map((item) => circle(item, exponent, MEMBER_GAP));
  const centre = older?.discs.get(group.id);
  const known = members.filter(({ id }) => older?.homes.get(id) === group.id);
  const stays = older !== undefined && centre !== undefined && 2 * known.length >= members.length;
  const wanted = new Map<string, Circle>();
  if (stays)
    for (const { id } of known) {
      const { x, y, r } = older.circles.get(id) as Circle;
      wanted.set(id, { x: x - centre.x, y: y - centre.y, r });
    }
  const placed = stays ? seeded(members, wanted) : fresh(members);
  const around = packEnclose(placed);
  return {
    id: group.id,
    x: 0,
    y: 0,
    r: around.r + MARGIN + GAP / 2,
    shift: { x: stays ? around.x : 0, y: stays ? around.y : 0, r: 0 },
    members: placed.map(({ id, x, y, r }) => ({ id, x: x - around.x, y: y - around.y, r })),
  };
}

function wantedPlaces(
  discs: readonly Disc[],
  outer: readonly Named[],
  older: Layout,
): Map<string, Circle> {
  const shifts = new Map(discs.map(({ id, shift }) => [id, shift]));
  const wanted = new Map<string, Circle>();
  for (const { id } of outer) {
    const shift = shifts.get(id);
    const before = shift === undefined ? older.circles.get(id) : older.discs.get(id);
    const isOuter = shift !== undefined || !older.homes.has(id);
    if (before === undefined || !isOuter) continue;
    wanted.set(id, { x: before.x + (shift?.x ?? 0), y: before.y + (shift?.y ?? 0), r: before.r });
  }
  return wanted;
}

/** Place circles as close as possible to where they are wanted, and new ones into the gaps. */
function seeded(circles: readonly Named[], wanted: ReadonlyMap<string, Circle>): Named[] {
  const sorted = [...circles].sort(bySize);
  const median = sorted[sorted.length >> 1]?.r ?? 1;
  const grid = new Grid(Math.max(4, 2 * median));
  const placed: Named[] = [];
  const put = (id: string, at: Circle): void => {
    grid.add(at);
    placed.push({ id, ...at });
  };
  for (const { id, r } of sorted) {
    const at = wanted.get(id);
    if (at !== undefined) put(id, nearestFree(grid, { x: at.x, y: at.y, r }));
  }
  for (const { id, r } of sorted)
    if (!wanted.has(id)) put(id, outward(grid, { x: 0, y: 0, r }, angleOf(id), 0));
  return placed;
}

/** Return an angle that depends on the name only (FNV-1a). */
function angleOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1)
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return ((hash >>> 0) / 2 ** 32) * 2 * Math.PI;
}

function assembled(discs: readonly Disc[], placed: readonly Named[]): Layout {
  const byId = new Map(discs.map((each) => [each.id, each]));
  const [circles, shown] = [new Map<string, Circle>(), new Map<string, Circle>()];
  const homes = new Map<string, string>();
  let reach = 0;
  for (const { id, x, y, r } of placed) {
    reach = Math.max(reach, Math.hypot(x, y) + r);
    const cluster = byId.get(id);
    const drawn = { x, y, r: r - GAP / 2 };
    if (cluster === undefined) circles.set(id, drawn);
    else {
      shown.set(id, drawn);
      for (const member of cluster.members) {
        homes.set(member.id, id);
        circles.set(member.id, { x: x + member.x, y: y + member.y, r: member.r - MEMBER_GAP / 2 });
      }
    }
  }
  return { circles, discs: shown, homes, reach };
}
