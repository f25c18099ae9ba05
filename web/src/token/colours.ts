// Choose the colours and patterns of clusters: each visible on both backgrounds.

export type Theme = "light" | "dark";

export interface Palette {
  readonly background: string;
  readonly text: string;
  readonly person: string;
  readonly infrastructure: string;
  readonly line: string;
  readonly transfer: string;
  readonly grown: string;
  readonly gone: string;
  readonly clusters: readonly string[];
}

export const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: {
    background: "#ffffff",
    text: "#14171f",
    person: "#747b87",
    infrastructure: "#5f6f7d",
    line: "#1d2430",
    transfer: "#2b6cb0",
    grown: "#1a7f37",
    gone: "#b3261e",
    clusters: [
      "#c2570c", "#1d6fd1", "#237b3a", "#8a6d00", "#7b3fb5", "#c02c7e", "#00798a",
      "#cc3a2b", "#6f5140", "#4d58c9", "#5c7a00", "#a03a55", "#2f6f6a",
    ],
  },
  dark: {
    background: "#1d2125",
    text: "#f0f3f7",
    person: "#79818d",
    infrastructure: "#7f93a8",
    line: "#ffffff",
    transfer: "#79b8ff",
    grown: "#4ade80",
    gone: "#ff7b72",
    clusters: [
      "#f28b3f", "#58a6ff", "#4cc267", "#e3b341", "#b98bff", "#ff7ab8", "#3cc8d4",
      "#ff7b72", "#c69a7b", "#9aa4ff", "#a9c94a", "#f0899f", "#79c9bf",
    ],
  },
};

/** How the second and the third dozen differ from the first. */
export const PATTERNS = ["solid", "hatched", "dotted"] as const;
export type Pattern = (typeof PATTERNS)[number];

export interface Mark {
  /** Index into the palette's clusters. */
  readonly colour: number;
  readonly pattern: Pattern;
}

/** Return the mark of the n-th cluster; n starts at 0. */
export function markOf(n: number): Mark {
  const colours = PALETTES.light.clusters.length;
  return { colour: n % colours, pattern: PATTERNS[Math.floor(n / colours) % PATTERNS.length] as Pattern };
}

/** Return the marks of clusters: those of an older map keep theirs. */
export function marks(ids: readonly string[], older?: ReadonlyMap<string, number>): Map<string, number> {
  const chosen = new Map<string, number>(older);
  for (const id of ids) if (!chosen.has(id)) chosen.set(id, chosen.size);
  return chosen;
}

/** Return the contrast of two colours (WCAG 2): 1 to 21. */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
