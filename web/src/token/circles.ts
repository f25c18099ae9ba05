// Describe circles, and find free places between them.

export interface Circle {
  readonly x: number;
  readonly y: number;
  readonly r: number;
}

/** More than a grid has; the number of a cell is column * ROWS + row. */
const ROWS = 2 ** 26;

/** Hold circles by the cells of a square grid that they touch. */
export class Grid {
  readonly #cells = new Map<number, Circle[]>();
  readonly #size: number;
  reach = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(circle: Circle): void {
    this.reach = Math.max(this.reach, Math.hypot(circle.x, circle.y) + circle.r);
    this.#visit(circle, circle.r, (key) => {
      const cell = this.#cells.get(key);
      if (cell === undefined) this.#cells.set(key, [circle]);
      else cell.push(circle);
      return false;
    });
  }

  /** Return whether a circle fits here without touching another. */
  isFree(x: number, y: number, r: number): boolean {
    return !this.#visit({ x, y, r }, r, (key) =>
      (this.#cells.get(key) ?? []).some((each) => overlap(each, { x, y, r })),
    );
  }

  /** Return the circles within a distance of a point. */
  near(x: number, y: number, distance: number): Circle[] {
    const found = new Set<Circle>();
    this.#visit({ x, y, r: 0 }, distance, (key) => {
      for (const each of this.#cells.get(key) ?? [])
        if (Math.hypot(each.x - x, each.y - y) - each.r <= distance) found.add(each);
      return false;
    });
    return [...found];
  }

  /** Call `stop` with each cell that a square touches, until it returns true; return whether it did. */
  #visit(at: Circle, half: number, stop: (key: number) => boolean): boolean {
    const [size, { x, y }] = [this.#size, at];
    for (let column = Math.floor((x - half) / size); column <= (x + half) / size; column += 1)
      for (let row = Math.floor((y - half) / size); row <= (y + half) / size; row += 1)
        if (stop(column * ROWS + row)) return true;
    return false;
  }
}

/** Circles that touch do not overlap; positions are rounded to this fraction of a unit. */
const TOLERANCE = 1e-6;

export function overlap(a: Circle, b: Circle): boolean {
  return Math.hypot(a.x - b.x, a.y - b.y) < a.r + b.r - TOLERANCE;
}

/** Neighbours up to this many are combined in pairs; more take too long. */
const MOST_NEIGHBOURS = 40;

/** Return the free place that is nearest to the wanted one: there, or touching one or two circles. */
export function nearestFree(grid: Grid, wanted: Circle): Circle {
  const { x, y, r } = wanted;
  if (grid.isFree(x, y, r)) return wanted;
  for (let distance = 2 * r; ; distance *= 2) {
    const neighbours = grid.near(x, y, distance + r);
    if (neighbours.length > MOST_NEIGHBOURS) break;
    const candidates = [...touching(neighbours, wanted)]
      .map((at) => ({ at, far: Math.hypot(at.x - x, at.y - y) }))
      .filter(({ far }) => far <= distance)
      .sort((a, b) => a.far - b.far || a.at.x - b.at.x || a.at.y - b.at.y);
    const free = candidates.find(({ at }) => grid.isFree(at.x, at.y, r));
    if (free !== undefined) return free.at;
    if (distance > 2 * grid.reach) break;
  }
  return outward(grid, wanted, Math.atan2(y, x), Math.hypot(x, y));
}

/** Return the first free place on a ray from the centre, from a distance on. */
export function outward(grid: Grid, circle: Circle, angle: number, from: number): Circle {
  const [dx, dy, { r }] = [Math.cos(angle), Math.sin(angle), circle];
  for (let far = from; ; far += r / 2)
    if (grid.isFree(dx * far, dy * far, r)) return { x: dx * far, y: dy * far, r };
}

function* touching(neighbours: readonly Circle[], { x, y, r }: Circle): Generator<Circle> {
  for (const [index, one] of neighbours.entries()) {
    const [reach, far] = [one.r + r, Math.hypot(x - one.x, y - one.y) || 1];
    yield { x: one.x + ((x - one.x) / far) * reach, y: one.y + ((y - one.y) / far) * reach, r };
    for (const other of neighbours.slice(index + 1)) yield* touchingBoth(one, other, r);
  }
}

/** Yield the places where a circle touches both of two others: where their enlarged borders cross. */
function* touchingBoth(one: Circle, other: Circle, r: number): Generator<Circle> {
  const [a, b] = [one.r + r, other.r + r];
  const [dx, dy] = [other.x - one.x, other.y - one.y];
  const far = Math.hypot(dx, dy);
  if (far === 0 || far > a + b || far < Math.abs(a - b)) return;
  const along = (a * a - b * b + far * far) / (2 * far);
  const aside = Math.sqrt(Math.max(0, a * a - along * along));
  for (const side of [1, -1])
    yield {
      x: one.x + (dx * along - side * dy * aside) / far,
      y: one.y + (dy * along + side * dx * aside) / far,
      r,
    };
}
