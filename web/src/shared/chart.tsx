// Draw numbers over time as steps, with the same numbers as a table.

import { counted, lastOfDays, type Point } from "./days";
import { date, moment, number } from "./words";

interface ChartProps {
  readonly title: string;
  readonly points: readonly Point[];
  readonly from: number;
  readonly to: number;
  /** Draw small values on top, as for ranks. */
  readonly reversed?: boolean;
  /** Longest time between two points that are joined, in seconds: a longer one is a hole. */
  readonly longest: number;
  readonly empty: string;
  readonly table: string;
  readonly columns: readonly [string, string];
  readonly marked?: number | null;
}

const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 44;
const TOP = 12;
const BOTTOM = 28;

export function Chart(props: ChartProps) {
  const { points, title, from, to } = props;
  if (points.length === 0) return <p class="quiet">{props.empty}</p>;
  const values = points.map(({ value }) => value);
  const ticks = ticksOf(Math.min(...values), Math.max(...values), props.reversed ? 1 : 0);
  const low = ticks[0] ?? 0;
  const high = ticks.at(-1) ?? 1;
  const x = (at: number) => LEFT + ((Math.max(at, from) - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 8);
  const y = (value: number) => {
    const share = (value - low) / Math.max(1, high - low);
    return TOP + (props.reversed ? share : 1 - share) * (HEIGHT - TOP - BOTTOM);
  };
  const label = `${title}: ${values.length > 1 ? `${number(values[0]!)} – ` : ""}${number(values.at(-1)!)}`;
  return (
    <figure class="chart stack">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
        {ticks.map((tick) => (
          <g key={tick} class="tick">
            <line x1={LEFT} x2={WIDTH - 8} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 8} y={y(tick) + 4} text-anchor="end">
              {number(tick, { notation: "compact" })}
            </text>
          </g>
        ))}
        <text class="axis" x={LEFT} y={HEIGHT - 8}>
          {date(from, { day: "numeric", month: "short", timeZone: "UTC" })}
        </text>
        <text class="axis" x={WIDTH - 8} y={HEIGHT - 8} text-anchor="end">
          {date(counted(to), { day: "numeric", month: "short", timeZone: "UTC" })}
        </text>
        {typeof props.marked === "number" && <line class="mark" x1={x(props.marked)} x2={x(props.marked)} y1={TOP} y2={HEIGHT - BOTTOM} />}
        <path class="line" d={stepsOf(points, props.longest, x, y)} />
        {points.map(({ at, value }) => (
          <circle key={at} class="point" cx={x(at)} cy={y(value)} r={points.length > 60 ? 1.5 : 3}>
            <title>{`${moment(at)}: ${number(value)}`}</title>
          </circle>
        ))}
      </svg>
      <details>
        <summary>{props.table}</summary>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">{props.columns[0]}</th>
                <th scope="col" class="number">
                  {props.columns[1]}
                </th>
              </tr>
            </thead>
            <tbody>
              {lastOfDays(points).map(({ at, value }) => (
                <tr key={at}>
                  <td>{date(counted(at), { dateStyle: "medium", timeZone: "UTC" })}</td>
                  <td class="number">{number(value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

/** Return at most five round values that include all values. */
export function ticksOf(low: number, high: number, least: number): readonly number[] {
  const raw = Math.max(1, (high - low) / 4);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw) ?? raw;
  const start = Math.max(least, Math.floor(low / step) * step);
  const ticks = [start];
  while (ticks.at(-1)! < high) ticks.push(Math.floor((ticks.at(-1)! + step) / step) * step);
  if (ticks.length === 1) ticks.push(start + step);
  return ticks;
}

/** Return a path of steps, which starts again after a hole. */
export function stepsOf(points: readonly Point[], longest: number, x: (at: number) => number, y: (value: number) => number): string {
  let path = "";
  points.forEach(({ at, value }, index) => {
    const before = points[index - 1];
    const joined = before && at - before.at <= longest;
    path += joined ? `H${x(at).toFixed(1)}V${y(value).toFixed(1)}` : `M${x(at).toFixed(1)},${y(value).toFixed(1)}`;
  });
  return path;
}
