// Show the colour and the pattern of a cluster.

import { markOf } from "./colours";
import { palette } from "./map";
import { scene } from "./store";

export function Swatch({ cluster }: { readonly cluster: string }) {
  const { colour, pattern } = markOf(scene.value?.marks.get(cluster) ?? 0);
  const fill = palette.value.clusters[colour] as string;
  return (
    <svg class="swatch" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.5" fill={pattern === "solid" ? fill : "none"} stroke={fill} stroke-width="2" stroke-dasharray={pattern === "dotted" ? "2 2" : undefined} />
      {pattern === "hatched" && <path d="M3 11 11 3M5 13 13 5" stroke={fill} stroke-width="1.5" />}
      {pattern === "dotted" && <circle cx="8" cy="8" r="2.5" fill={fill} />}
    </svg>
  );
}
