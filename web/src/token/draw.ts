// Draw the map on a canvas: on the screen, and for the saved picture.

import type { Circle } from "./circles";
import { markOf, type Palette, type Pattern } from "./colours";
import type { Change, Difference } from "./difference";
import { type Holder, type Model, short, shownName, type Switches } from "./model";
import type { Layout } from "./packing";
import type { View } from "./view";

export interface Scene {
  readonly model: Model;
  readonly layout: Layout;
  readonly switches: Switches;
  /** Cluster -> the number of its mark. */
  readonly marks: ReadonlyMap<string, number>;
  readonly selected: string | null;
  readonly hovered: string | null;
  readonly difference: Difference | null;
  /** Where those who are gone were. */
  readonly older: Layout | null;
}

const FULL = 2 * Math.PI;
/** Pixels of radius from which a circle carries its name. */
const NAMED_RADIUS = 30;
/** Pixels of radius below which patterns cannot be distinguished. */
const PATTERN_RADIUS = 5;
const MOST_TRANSFERS = 150;
const FAN_RAYS = 9;

/** Draw a scene, `width` by `height` pixels of CSS, at a resolution of `ratio`. */
export function draw(context: CanvasRenderingContext2D, scene: Scene, view: View, palette: Palette, width: number, height: number, ratio: number): void {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = palette.background;
  context.fillRect(0, 0, width, height);
  const brush = new Brush(context, scene, view, palette, width, height);
  brush.discs();
  brush.ghosts();
  brush.holders();
  if (scene.switches.transfers) brush.transfers();
  if (scene.switches.evidence) brush.evidence();
  brush.changes();
  brush.highlights();
  brush.names();
}

/** Colour and pattern -> its filling, made once for all frames. */
const fillings = new Map<string, CanvasPattern | string>();

class Brush {
  constructor(
    readonly context: CanvasRenderingContext2D,
    readonly scene: Scene,
    readonly view: View,
    readonly palette: Palette,
    readonly width: number,
    readonly height: number,
  ) {}

  discs(): void {
    for (const [id, circle] of this.scene.layout.discs) {
      const at = this.#visible(circle);
      if (!at) continue;
      const { colour, pattern } = this.#mark(id);
      this.context.globalAlpha = 0.1;
      this.#fill(at, colour);
      this.context.globalAlpha = 1;
      this.#ring(at, colour, 1.5, DASHES[pattern]);
    }
  }

  holders(): void {
    for (const [address, circle] of this.scene.layout.circles) {
      const at = this.#visible(circle);
      const holder = this.scene.model.holders.get(address);
      if (at && holder) this.#holder(holder, at);
    }
    this.#fans();
  }

  #holder(holder: Holder, at: Circle): void {
    const { colour, pattern } = holder.clusterId !== null && this.scene.layout.homes.has(holder.address) ? this.#mark(holder.clusterId) : { colour: this.palette.person, pattern: "solid" as const };
    if (holder.amount === 0n) {
      this.#ring(at, colour, 1, [1.5, 2]);
    } else if (holder.kind !== "eoa") {
      this.context.globalAlpha = 0.22;
      this.#fill(at, this.palette.infrastructure);
      this.context.globalAlpha = 1;
      this.#ring(at, this.palette.infrastructure, 1.25, [5, 4]);
    } else {
      this.#fill(at, at.r < PATTERN_RADIUS ? colour : this.#filling(colour, pattern));
      if (pattern !== "solid" && at.r >= PATTERN_RADIUS) this.#ring(at, colour, 1.5, []);
    }
  }

  /** Draw rays around those who paid more wallets than one owner has. */
  #fans(): void {
    for (const address of this.scene.model.distributors.keys()) {
      const at = this.#circle(address);
      if (!at) continue;
      this.context.beginPath();
      for (let ray = 0; ray < FAN_RAYS; ray += 1) {
        const angle = (ray / FAN_RAYS - 0.5) * (FULL / 3) - FULL / 4;
        const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
        this.context.moveTo(at.x + dx * at.r, at.y + dy * at.r);
        this.context.lineTo(at.x + dx * (at.r * 1.25 + 8), at.y + dy * (at.r * 1.25 + 8));
      }
      this.#stroke(this.palette.text, 1.25, []);
    }
  }

  evidence(): void {
    this.context.globalAlpha = 0.65;
    this.context.beginPath();
    for (const { facts } of this.scene.model.clusters.values())
      for (const { from, to } of facts.evidence) this.#line(from, to);
    this.#stroke(this.palette.line, 1, []);
    this.context.globalAlpha = 1;
  }

  transfers(): void {
    this.context.globalAlpha = 0.55;
    this.context.beginPath();
    for (const { source, target } of this.scene.model.map.transfers.slice(0, MOST_TRANSFERS)) this.#curve(source, target);
    this.#stroke(this.palette.transfer, 1, [4, 3]);
    this.context.globalAlpha = 1;
  }

  ghosts(): void {
    const { difference, older } = this.scene;
    if (!difference || !older) return;
    for (const [address, change] of difference.changes) {
      const at = change === "gone" ? this.#visible(older.circles.get(address)) : null;
      if (at) this.#ring(at, this.palette.gone, 1, [2, 3]);
    }
  }

  changes(): void {
    const { difference } = this.scene;
    if (!difference) return;
    for (const [address, change] of difference.changes) {
      const at = this.#circle(address);
      const style = CHANGES[change];
      if (at && style) this.#ring({ ...at, r: at.r + 1.5 }, this.palette[style.colour], style.width, style.dash);
    }
    for (const { address, from } of difference.moves) this.#arrow(from, address);
  }

  highlights(): void {
    const { selected, hovered, model } = this.scene;
    for (const [id, width] of [[hovered, 1.5], [selected, 3]] as const) {
      if (id === null) continue;
      const at = this.#circle(id) ?? this.#visible(this.scene.layout.discs.get(id));
      if (at) this.#ring({ ...at, r: at.r + width }, this.palette.text, width, []);
    }
    if (selected === null || !model.holders.has(selected)) return;
    this.context.beginPath();
    for (const { facts } of model.clusters.values())
      for (const { from, to } of facts.evidence) if (from === selected || to === selected) this.#line(from, to);
    this.#stroke(this.palette.line, 2, []);
    this.context.beginPath();
    for (const { source, target } of model.map.transfers) if (source === selected || target === selected) this.#curve(source, target);
    this.#stroke(this.palette.transfer, 1.5, [4, 3]);
  }

  names(): void {
    this.context.font = "12px system-ui, sans-serif";
    this.context.textAlign = "center";
    this.context.textBaseline = "middle";
    this.context.lineWidth = 3;
    this.context.lineJoin = "round";
    for (const [address, circle] of this.scene.layout.circles) {
      const at = circle.r * this.view.scale >= NAMED_RADIUS ? this.#visible(circle) : null;
      const holder = this.scene.model.holders.get(address);
      if (at && holder) this.#text(holder.label ? shownName(holder.label) : short(address), at);
    }
  }

  #text(text: string, at: Circle): void {
    this.context.strokeStyle = this.palette.background;
    this.context.fillStyle = this.palette.text;
    this.context.strokeText(text, at.x, at.y, 2 * at.r - 8);
    this.context.fillText(text, at.x, at.y, 2 * at.r - 8);
  }

  #circle(address: string): Circle | null {
    return this.#visible(this.scene.layout.circles.get(address));
  }

  /** Return a circle in pixels, or null if it is outside of the picture. */
  #visible(circle: Circle | undefined): Circle | null {
    if (!circle) return null;
    const { scale, x, y } = this.view;
    const at = { x: circle.x * scale + x, y: circle.y * scale + y, r: circle.r * scale };
    return at.x + at.r < 0 || at.y + at.r < 0 || at.x - at.r > this.width || at.y - at.r > this.height ? null : at;
  }

  #place(address: string): Circle | null {
    const circle = this.scene.layout.circles.get(address) ?? this.scene.layout.discs.get(address);
    const { scale, x, y } = this.view;
    return circle ? { x: circle.x * scale + x, y: circle.y * scale + y, r: circle.r * scale } : null;
  }

  #line(from: string, to: string): void {
    const [a, b] = [this.#place(from), this.#place(to)];
    if (!a || !b) return;
    this.context.moveTo(a.x, a.y);
    this.context.lineTo(b.x, b.y);
  }

  #curve(from: string, to: string): void {
    const [a, b] = [this.#place(from), this.#place(to)];
    if (!a || !b) return;
    this.context.moveTo(a.x, a.y);
    this.context.quadraticCurveTo((a.x + b.x) / 2 + (b.y - a.y) * 0.18, (a.y + b.y) / 2 - (b.x - a.x) * 0.18, b.x, b.y);
  }

  /** Draw an arrow to a holder who came from another cluster. */
  #arrow(from: string | null, address: string): void {
    const [a, b] = [from === null ? null : this.#place(from), this.#place(address)];
    if (!a || !b) return;
    const [far, angle] = [Math.hypot(b.x - a.x, b.y - a.y), Math.atan2(b.y - a.y, b.x - a.x)];
    if (far < 4) return;
    const tip = { x: b.x - Math.cos(angle) * b.r, y: b.y - Math.sin(angle) * b.r };
    this.context.beginPath();
    this.context.moveTo(a.x, a.y);
    this.context.lineTo(tip.x, tip.y);
    for (const side of [-0.5, 0.5]) {
      this.context.moveTo(tip.x, tip.y);
      this.context.lineTo(tip.x - Math.cos(angle + side) * 7, tip.y - Math.sin(angle + side) * 7);
    }
    this.#stroke(this.palette.grown, 1.25, []);
  }

  #fill({ x, y, r }: Circle, style: string | CanvasPattern): void {
    this.context.fillStyle = style;
    this.context.beginPath();
    this.context.arc(x, y, Math.max(0.5, r), 0, FULL);
    this.context.fill();
  }

  #ring({ x, y, r }: Circle, colour: string, width: number, dash: readonly number[]): void {
    this.context.beginPath();
    this.context.arc(x, y, Math.max(0.5, r), 0, FULL);
    this.#stroke(colour, width, dash);
  }

  #stroke(colour: string, width: number, dash: readonly number[]): void {
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    this.context.setLineDash(dash as number[]);
    this.context.stroke();
    this.context.setLineDash([]);
  }

  #mark(cluster: string): { colour: string; pattern: Pattern } {
    const mark = markOf(this.scene.marks.get(cluster) ?? 0);
    return { colour: this.palette.clusters[mark.colour] as string, pattern: mark.pattern };
  }

  #filling(colour: string, pattern: Pattern): CanvasPattern | string {
    if (pattern === "solid") return colour;
    const key = `${colour}${pattern}`;
    let found = fillings.get(key);
    if (found === undefined) {
      found = this.#patternOf(colour, pattern) ?? colour;
      fillings.set(key, found);
    }
    return found;
  }

  #patternOf(colour: string, pattern: Pattern): CanvasPattern | null {
    const tile = document.createElement("canvas");
    [tile.width, tile.height] = [6, 6];
    const inner = tile.getContext("2d");
    if (!inner) return null;
    inner.fillStyle = inner.strokeStyle = colour;
    if (pattern === "dotted") inner.fillRect(1, 1, 3, 3);
    else {
      inner.lineWidth = 2.5;
      inner.beginPath();
      for (const at of [-6, 0, 6]) {
        inner.moveTo(at - 1, 7);
        inner.lineTo(at + 7, -1);
      }
      inner.stroke();
    }
    return this.context.createPattern(tile, "repeat");
  }
}

const DASHES: Readonly<Record<Pattern, readonly number[]>> = { solid: [], hatched: [7, 3], dotted: [2, 3] };

interface ChangeStyle {
  readonly colour: "grown" | "gone";
  readonly width: number;
  readonly dash: readonly number[];
}

const CHANGES: Readonly<Record<Change, ChangeStyle | null>> = {
  new: { colour: "grown", width: 3, dash: [] },
  grown: { colour: "grown", width: 1.5, dash: [] },
  shrunk: { colour: "gone", width: 1.5, dash: [3, 2] },
  gone: null,
};
