// Show the map on a canvas, moved by pointer, wheel and keys.

import { computed, effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { theme } from "../shared/preferences";
import { type Palette, PALETTES, type Theme } from "./colours";
import { save } from "./csv";
import { draw, type Scene } from "./draw";
import { legend } from "./legend";
import { short, shownName } from "./model";
import { Picker } from "./picking";
import { hovered, scene, show, shown } from "./store";
import { percent, say } from "./texts";
import { afterKey, afterPinch, centred, fit, type Point, pan, toMap, type View, zoom } from "./view";

const CLICK_DISTANCE = 5;
const TOUCH_SLACK = 10;
const WHEEL_SPEED = 0.0015;
const PICTURE = { width: 1600, height: 1200, legend: 120 } as const;

const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = signal<Theme>(darkSystem.matches ? "dark" : "light");
darkSystem.addEventListener("change", ({ matches }) => (systemTheme.value = matches ? "dark" : "light"));
export const palette = computed<Palette>(() => PALETTES[theme.value === "auto" ? systemTheme.value : theme.value]);

const view = signal<View | null>(null);
const size = signal({ width: 0, height: 0 });
const layout = computed(() => scene.value?.layout ?? null);
const picker = computed(() => (layout.value ? new Picker(layout.value) : null));

/** Show everything. */
export function fitAll(): void {
  const { width, height } = size.value;
  if (layout.value && width > 0) view.value = fit(layout.value.reach, width, height);
}

export function zoomBy(factor: number): void {
  if (view.value) view.value = zoom(view.value, factor, middle());
}

/** Bring a holder or a cluster into the middle, if it is outside of the picture. */
export function reveal(id: string): void {
  const circle = layout.value?.circles.get(id) ?? layout.value?.discs.get(id);
  if (!circle || !view.value) return;
  const { scale, x, y } = view.value;
  const [px, py, { width, height }] = [circle.x * scale + x, circle.y * scale + y, size.value];
  if (px < 0 || py < 0 || px > width || py > height) view.value = centred(view.value, circle, width, height);
}

function middle(): Point {
  return { x: size.value.width / 2, y: size.value.height / 2 };
}

export function TokenCanvas() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => started(canvas.current as HTMLCanvasElement), []);
  return (
    <div class="map">
      <canvas ref={canvas} aria-hidden="true" data-test="map" />
      <Tip />
      <div class="map-buttons" role="group" aria-label={say("mapButtons")}>
        <button class="compact" aria-label={say("zoomIn")} title={say("zoomIn")} onClick={() => zoomBy(1.4)}>
          +
        </button>
        <button class="compact" aria-label={say("zoomOut")} title={say("zoomOut")} onClick={() => zoomBy(1 / 1.4)}>
          −
        </button>
        <button class="compact" aria-label={say("fit")} title={say("fit")} onClick={fitAll}>
          ⤢
        </button>
      </div>
    </div>
  );
}

function Tip() {
  const model = scene.value?.model;
  const holder = hovered.value === null ? undefined : model?.holders.get(hovered.value);
  const cluster = hovered.value === null ? undefined : model?.clusters.get(hovered.value);
  if (!holder && !cluster) return null;
  return (
    <p class="map-tip" aria-hidden="true">
      {holder ? (
        <>
          <strong>{holder.label ? shownName(holder.label) : short(holder.address)}</strong>
          {` · ${holder.ofCirculating === null ? say("shareOfSupply", { share: percent(holder.ofSupply) }) : say("shareOfCirculating", { share: percent(holder.ofCirculating) })}`}
        </>
      ) : (
        <strong>{say("clusterOf", { rank: cluster?.facts.rank ?? 0, n: cluster?.facts.numMembers ?? 0 })}</strong>
      )}
    </p>
  );
}

/** Draw whenever something changes, and react to the user; returns the function that ends it. */
function started(canvas: HTMLCanvasElement): () => void {
  const ends = [resizing(canvas), drawing(canvas), pointing(canvas)];
  return () => ends.forEach((end) => end());
}

function resizing(canvas: HTMLCanvasElement): () => void {
  const observer = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width === 0 || (width === size.value.width && height === size.value.height)) return;
    size.value = { width, height };
    fitAll();
  });
  observer.observe(canvas);
  return () => observer.disconnect();
}

function drawing(canvas: HTMLCanvasElement): () => void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  let frame = 0;
  let fitted = "";
  const end = effect(() => {
    const [current, colours, { width, height }] = [scene.value, palette.value, size.value];
    if (!current || width === 0) return;
    const token = `${current.model.map.chainId}/${current.model.map.tokenAddress}/${shown.value.infrastructure}/${shown.value.areas}`;
    if (view.value === null || token !== fitted) {
      fitted = token;
      fitAll();
    }
    const at = view.value as View;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => paint(canvas, context, current, at, colours, width, height));
  });
  return () => {
    cancelAnimationFrame(frame);
    end();
  };
}

function paint(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, current: Scene, at: View, colours: Palette, width: number, height: number): void {
  const ratio = devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const started = performance.now();
  draw(context, current, at, colours, width, height, ratio);
  performance.measure("vouch-frame", { start: started, end: performance.now() });
  canvas.dataset["drawn"] = String(current.model.map.computedAt);
}

/** Move the map with one pointer, zoom it with two or the wheel, select with a click. */
function pointing(canvas: HTMLCanvasElement): () => void {
  const pointers = new Map<number, Point>();
  let travelled = 0;
  const at = (event: MouseEvent): Point => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const found = (point: Point, slack: number): string | null => {
    if (!picker.value || !view.value) return null;
    const { x, y } = toMap(view.value, point);
    return picker.value.holderAt(x, y, slack / view.value.scale) ?? picker.value.discAt(x, y) ?? null;
  };
  const listeners = {
    pointerdown: (event: PointerEvent) => {
      canvas.setPointerCapture(event.pointerId);
      if (pointers.size === 0) travelled = 0;
      pointers.set(event.pointerId, at(event));
    },
    pointermove: (event: PointerEvent) => {
      const [before, now] = [pointers.get(event.pointerId), at(event)];
      if (!before) {
        hovered.value = found(now, 0);
        return;
      }
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, now);
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      if (!view.value || travelled <= CLICK_DISTANCE) return;
      view.value = other ? afterPinch(view.value, [other, before], [other, now]) : pan(view.value, now.x - before.x, now.y - before.y);
    },
    pointerup: (event: PointerEvent) => {
      pointers.delete(event.pointerId);
      if (pointers.size === 0 && travelled <= CLICK_DISTANCE) show({ selected: found(at(event), event.pointerType === "mouse" ? 2 : TOUCH_SLACK) });
    },
    pointercancel: (event: PointerEvent) => void pointers.delete(event.pointerId),
    pointerleave: () => (hovered.value = null),
    wheel: (event: WheelEvent) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      if (view.value) view.value = zoom(view.value, Math.exp(-event.deltaY * lines * WHEEL_SPEED), at(event));
    },
  };
  for (const [name, listener] of Object.entries(listeners)) canvas.addEventListener(name, listener as EventListener, { passive: false });
  return () => {
    for (const [name, listener] of Object.entries(listeners)) canvas.removeEventListener(name, listener as EventListener);
  };
}

/** Zoom and move the map by a key of another element; returns whether the key had a meaning. */
export function moveByKey(key: string): boolean {
  const after = view.value && afterKey(view.value, key, middle());
  if (after) view.value = after;
  return Boolean(after);
}

/** Save the map as a PNG with its legend, the date and the address. */
export async function savePicture(): Promise<void> {
  const current = scene.value;
  if (!current) return;
  const canvas = document.createElement("canvas");
  const { width, height } = PICTURE;
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const at = fit(current.layout.reach, width, height - PICTURE.legend);
  draw(context, { ...current, hovered: null }, at, palette.value, width, height, 1);
  legend(context, current, palette.value, width, height, PICTURE.legend);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob) save(blob, `${current.model.map.chain}-${current.model.map.tokenAddress}-${current.model.map.asOf.block}.png`);
}
