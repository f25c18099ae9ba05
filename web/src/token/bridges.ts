// Find the evidence without which a cluster falls apart.

import type { Evidence } from "../shared/description";

/** Above this number of links the search takes too long for a page. */
const MOST_LINKS = 600;

/** Return the links whose loss leaves two parts of two wallets or more each. */
export function bridges(evidence: readonly Evidence[]): Evidence[] {
  if (evidence.length > MOST_LINKS) return [];
  return evidence.filter((link) => {
    const part = reachable(link.from, evidence, link);
    if (part.has(link.to)) return false;
    return part.size > 1 && reachable(link.to, evidence, link).size > 1;
  });
}

function reachable(start: string, evidence: readonly Evidence[], without: Evidence): Set<string> {
  const found = new Set([start]);
  for (const address of found)
    for (const link of evidence) {
      if (link === without) continue;
      if (link.from === address) found.add(link.to);
      if (link.to === address) found.add(link.from);
    }
  return found;
}
