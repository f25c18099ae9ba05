// Tell which day (UTC) a moment of a chart belongs to.

export interface Point {
  /** UNIX seconds. */
  readonly at: number;
  readonly value: number;
}

export const DAY = 86_400;

/** Return the last second that a value counts: a value of midnight is that of the day that ended. */
export function counted(at: number): number {
  return at - 1;
}

/** Return the midnight (UTC) that ends a day such as 2026-11-15. */
export function endOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / 1000 + DAY;
}

/** Return the last point of each day, the newest day first. */
export function lastOfDays(points: readonly Point[]): readonly Point[] {
  const days = new Map(points.map((point) => [Math.floor(counted(point.at) / DAY), point]));
  return [...days.values()].toReversed();
}
