// Describe which part of the map is visible, and move it by pointer, wheel and keys.

export interface View {
  /** Pixels to a unit of the map. */
  readonly scale: number;
  /** Where the centre of the map is, in pixels. */
  readonly x: number;
  readonly y: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const LEAST_SCALE = 0.02;
const MOST_SCALE = 60;
const KEY_PAN = 60;
const KEY_ZOOM = 1.3;

/** Return the view that shows everything within a distance of the centre. */
export function fit(reach: number, width: number, height: number): View {
  const scale = clamp(Math.min(width, height) / 2 / Math.max(1, reach * 1.03));
  return { scale, x: width / 2, y: height / 2 };
}

export function zoom(view: View, factor: number, at: Point): View {
  const scale = clamp(view.scale * factor);
  const by = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by };
}

export function pan(view: View, dx: number, dy: number): View {
  return { ...view, x: view.x + dx, y: view.y + dy };
}

/** Return the view with a point of the map in the middle. */
export function centred(view: View, at: Point, width: number, height: number): View {
  return { ...view, x: width / 2 - at.x * view.scale, y: height / 2 - at.y * view.scale };
}

export function toMap(view: View, at: Point): Point {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}

/** Return the view after a key, or undefined if the key has no meaning. */
export function afterKey(view: View, key: string, middle: Point): View | undefined {
  switch (key) {
    case "ArrowLeft":
      return pan(view, KEY_PAN, 0);
    case "ArrowRight":
      return pan(view, -KEY_PAN, 0);
    case "ArrowUp":
      return pan(view, 0, KEY_PAN);
    case "ArrowDown":
      return pan(view, 0, -KEY_PAN);
    case "+":
    case "=":
      return zoom(view, KEY_ZOOM, middle);
    case "-":
      return zoom(view, 1 / KEY_ZOOM, middle);
    default:
      return undefined;
  }
}

/** Return the view after two fingers moved from one pair of points to another. */
export function afterPinch(view: View, before: readonly [Point, Point], after: readonly [Point, Point]): View {
  const middle = ([a, b]: readonly [Point, Point]): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const span = ([a, b]: readonly [Point, Point]): number => Math.hypot(a.x - b.x, a.y - b.y) || 1;
  const [from, to] = [middle(before), middle(after)];
  return zoom(pan(view, to.x - from.x, to.y - from.y), span(after) / span(before), to);
}

function clamp(scale: number): number {
  return Math.min(MOST_SCALE, Math.max(LEAST_SCALE, scale));
}
